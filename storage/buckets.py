"""The buckets: made, opened or closed, versioned, locked, tidied. What a store cannot do is left out."""

import base64
import hashlib
import json
import logging
from collections.abc import Iterable
from xml.sax.saxutils import escape

from storage.errors import NotFound, StoreUnavailable
from storage.keys import ASSETS, BUCKETS, LEDGER, PUBLIC, TEMPORARY_PREFIXES
from storage.objects import Objects
from storage.settings import Settings

_LOG = logging.getLogger("sanshen.store")
# An upload lives for seven days (`storage.uploads`); a removed or replaced asset can be brought back for thirty.
TEMPORARY_DAYS = 8
KEPT_VERSIONS_DAYS = 30
_MADE_ALREADY = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_XML = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


async def set_up_buckets(settings: Settings) -> None:
    """Make the buckets that are missing; the world may read what is in `public`, and nothing else."""
    objects = Objects(settings)
    for bucket in BUCKETS:
        await _make(objects, bucket)
    await _put(objects, PUBLIC, "policy", _readable_by_all(PUBLIC))
    for bucket, part, document in _wishes(settings):
        try:
            await _put(objects, bucket, part, document)
        except StoreUnavailable as error:
            if not error.code:
                raise
            # What that means, and what stands in for it, is for `sanshen doctor` to say.
            _LOG.info("bucket %s takes no %s: %s", bucket, part, error.code)


def _wishes(settings: Settings) -> Iterable[tuple[str, str, str]]:
    """What a store may not know: bucket, sub-resource, document."""
    yield (
        ASSETS,
        "versioning",
        f"<VersioningConfiguration {_XML}><Status>Enabled</Status></VersioningConfiguration>",
    )
    for bucket in BUCKETS:
        if bucket != LEDGER:  # its versions are locked, and nothing in it is temporary
            yield bucket, "lifecycle", lifecycle(bucket)
    yield ASSETS, "cors", cors((settings.reader_url,), ("PUT",))
    yield PUBLIC, "cors", cors(("*",), ("GET", "HEAD"))


async def _make(objects: Objects, bucket: str) -> None:
    try:
        await objects.request("HEAD", (bucket, None))
        return
    except NotFound:
        pass
    # Object lock can only be asked for when a bucket is made.
    for headers in ({"x-amz-bucket-object-lock-enabled": "true"}, {}) if bucket == LEDGER else ({},):
        try:
            await objects.request("PUT", (bucket, None), headers=headers, body=_place(objects.region))
            return
        except StoreUnavailable as error:
            if error.code in _MADE_ALREADY:  # another process made it at the same moment
                return
            if not headers or not error.code:
                raise


def _place(region: str) -> bytes | None:
    """Amazon's takes no name for its first region, and wants it for every other."""
    if region == "us-east-1":
        return None
    inside = f"<LocationConstraint>{escape(region)}</LocationConstraint>"
    return f"<CreateBucketConfiguration {_XML}>{inside}</CreateBucketConfiguration>".encode()


async def _put(objects: Objects, bucket: str, part: str, document: str) -> None:
    body = document.encode()
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    await objects.request("PUT", (bucket, None), {part: ""}, {"Content-MD5": digest}, body)


def lifecycle(bucket: str) -> str:
    """Unfinished uploads and temporary objects go after eight days, older versions of assets after thirty."""
    days = f"<Days>{TEMPORARY_DAYS}</Days>"
    rules = [
        _rule("temporary-" + prefix.rstrip("/"), prefix, f"<Expiration>{days}</Expiration>{_old_versions(1)}")
        for prefix in TEMPORARY_PREFIXES
    ]
    begun = f"<DaysAfterInitiation>{TEMPORARY_DAYS}</DaysAfterInitiation>"
    unfinished = f"<AbortIncompleteMultipartUpload>{begun}</AbortIncompleteMultipartUpload>"
    kept = _old_versions(KEPT_VERSIONS_DAYS) if bucket == ASSETS else ""
    rules.append(_rule("unfinished", "", unfinished + kept))
    return f"<LifecycleConfiguration {_XML}>{''.join(rules)}</LifecycleConfiguration>"


def _rule(name: str, prefix: str, actions: str) -> str:
    about = f"<ID>{name}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>"
    return f"<Rule>{about}{actions}</Rule>"


def _old_versions(days: int) -> str:
    inside = f"<NoncurrentDays>{days}</NoncurrentDays>"
    return f"<NoncurrentVersionExpiration>{inside}</NoncurrentVersionExpiration>"


def cors(origins: Iterable[str], methods: Iterable[str]) -> str:
    """Pages of these origins may use these methods, and see a part's ETag and a range's place."""
    rule = [
        *(f"<AllowedOrigin>{escape(origin)}</AllowedOrigin>" for origin in origins),
        *(f"<AllowedMethod>{method}</AllowedMethod>" for method in methods),
        "<AllowedHeader>*</AllowedHeader>",
        *(f"<ExposeHeader>{name}</ExposeHeader>" for name in ("ETag", "Content-Range", "Content-Length")),
        "<MaxAgeSeconds>3600</MaxAgeSeconds>",
    ]
    return f"<CORSConfiguration {_XML}><CORSRule>{''.join(rule)}</CORSRule></CORSConfiguration>"


def _readable_by_all(bucket: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
