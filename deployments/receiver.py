"""The demo's webhook receiver: checks signature and age, takes each delivery once. A model for real ones."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from platforms.webhook import verify_signature

_LARGEST_BODY_BYTES = 2_000_000


class Receiver:
    """Listens on 127.0.0.1 in a thread; what arrived stands in `log`, one JSON line a delivery."""

    def __init__(self, port: int, secret: str, log: Path) -> None:
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._secret, self._log = secret, log
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length <= _LARGEST_BODY_BYTES else b""
                status = receiver._take(dict(self.headers.items()), body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                """Say nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _take(self, headers: dict[str, str], body: bytes) -> int:
        sent = {name.lower(): value for name, value in headers.items()}
        timestamp, signature = sent.get("x-sanshen-timestamp", ""), sent.get("x-sanshen-signature", "")
        if not verify_signature(self._secret, timestamp, body, signature, time.time()):
            return 401
        # The id of the body, which is signed; the header's is there to find it quickly, and anybody's to change.
        item = _json_object(body)
        delivery = _delivery_id(item)
        if item is None or delivery is None:
            return 400
        if delivery != sent.get("x-sanshen-delivery"):
            return 401
        with self._lock:
            if delivery not in self._seen:
                line = {"delivery": delivery, "body": item}
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                self._seen.add(delivery)
        return 204

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _delivery_id(item: dict[str, Any] | None) -> str | None:
    """The id under which ninjs `altIds` name the delivery; a retraction has one of its own."""
    named = (item or {}).get("altIds", [])
    return next((each["value"] for each in named if each.get("role") == "delivery"), None)
