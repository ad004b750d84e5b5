"""Presigned addresses that take one part of exactly one size. Pure: no request is made, nothing is remembered.

The SDK signs the host alone; here the body's length is signed too, so that the store refuses any other.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True)
class Account:
    """One account on one S3 server; `endpoint` has no slash at its end."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str


def presigned_put(
    account: Account, path: str, query: Mapping[str, str], size_bytes: int, lifetime: timedelta
) -> str:
    """An address that takes one PUT of exactly `size_bytes` to `path` (`/bucket/key`) with this query.

    Source: Amazon S3 API reference, "Authenticating requests: using query parameters (AWS Signature Version 4)",
    read 2026-11-22. HTTP clients send Content-Length by themselves, so whoever PUTs has no header to add.
    """
    now = datetime.now(UTC)
    moment, scope = now.strftime("%Y%m%dT%H%M%SZ"), f"{now:%Y%m%d}/{account.region}/s3/aws4_request"
    signed = {
        **query,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{account.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(int(lifetime.total_seconds())),
        "X-Amz-SignedHeaders": "content-length;host",
    }
    line = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(signed.items()))
    where = quote(path, safe="/-_.~")
    headers = f"content-length:{size_bytes}\nhost:{urlsplit(account.endpoint).netloc}\n"
    request = f"PUT\n{where}\n{line}\n{headers}\ncontent-length;host\nUNSIGNED-PAYLOAD"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = _keyed(_signing_key(account, f"{now:%Y%m%d}"), text).hex()
    return f"{account.endpoint}{where}?{line}&X-Amz-Signature={signature}"


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


def _signing_key(account: Account, day: str) -> bytes:
    key = f"AWS4{account.secret_key}".encode()
    for step in (day, account.region, "s3", "aws4_request"):
        key = _keyed(key, step)
    return key


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
