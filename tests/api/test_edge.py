"""What every answer carries, and health."""

from typing import Any

import pytest

from api.cursors import read_cursor, write_cursor
from api.language import reader_language
from api.problems import InvalidFields


@pytest.mark.parametrize("path", ["/api/v1/me", "/feeds/rss.xml", "/healthz", "/nothing", "/openapi.json"])
async def test_every_answer_has_an_id_and_headers_for_browsers(api: Any, path: str) -> None:
    answer = await api("GET", path)
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert ("no-store" in answer.headers.get("cache-control", "")) == path.startswith("/api/")


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("trace-1234.abc_d", True), ("short", False), ("a b c d e f g", False), ("x" * 65, False)],
)
async def test_id_of_a_proxy_is_kept_where_it_is_plain(api: Any, given: str, is_kept: bool) -> None:
    answer = await api("GET", "/healthz", headers={"X-Request-Id": given})
    assert (answer.headers["x-request-id"] == given) == is_kept


async def test_ready_names_its_parts(api: Any) -> None:
    answer = await api("GET", "/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert {name: part["is_ok"] for name, part in answer.json()["parts"].items()} == {
        "postgresql": True,
        "object_store": True,
    }


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh"),
        ("", "zh"),
        ("en", "en"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("zh-TW,en", "zh"),
        ("en;q=0.2,zh;q=0.1", "en"),
        ("en;q=x", "zh"),
        ("fr", "zh"),
        ("*", "zh"),
    ],
)
def test_reader_language_follows_the_header(header: str | None, language: str) -> None:
    assert reader_language(header) == language


def test_cursor_survives_the_journey_and_nothing_else_does() -> None:
    from datetime import UTC, datetime
    from uuid import uuid4

    at, row_id = datetime(2026, 11, 22, 6, 5, 4, 123457, tzinfo=UTC), uuid4()
    assert read_cursor(write_cursor(at, row_id)) == (at, row_id)
    for bad in ("", "x", write_cursor(at, row_id)[:-4], "/" * 32, "\ud800"):
        with pytest.raises(InvalidFields):
            read_cursor(bad)
