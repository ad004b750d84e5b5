"""Calls to platforms: what each failure means, bounded answers, and no token in any word."""

import asyncio
import gzip
import json
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from platforms.calling import LONGEST_WAIT_S, MAX_ANSWER_BYTES, CallFailed, Request, call, retry_after_s
from platforms.frame import Refused, TryLater, Unknown
from platforms.net import AddressRefused, NameNotResolved
from states.text import Text

URL = "https://api.example.org/post"
TOKEN = "t0ken-in-the-query"


def request(*, is_final=True, **changes):
    return Request(
        **({"method": "POST", "url": URL, "query": {"access_token": TOKEN}} | changes), is_final=is_final
    )


async def failure(make_tools, handler, *, is_final=True, **changes):
    async def read():
        return (await call(make_tools(handler), request(is_final=is_final, **changes))).object()

    with pytest.raises(CallFailed) as caught:
        await read()
    shown = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in shown
    assert caught.value.__context__ is None or isinstance(caught.value.__context__, ValueError)
    return caught.value.outcome


def answer(*args, **kwargs):
    return lambda request: httpx.Response(*args, **kwargs)


def raising(error):
    def handler(request):
        raise error(f"broke at {request.url}", request=request)

    return handler


async def test_json_is_sent_as_utf8_and_read_back(make_tools):
    seen = []

    def receive(request):
        seen.append(request)
        return httpx.Response(200, json={"id": "7"})

    got = await call(make_tools(receive), request(json={"title": "洪水"}, headers={"X-Token": "k"}))
    assert (got.status, got.object()) == (200, {"id": "7"})
    (sent,) = seen
    assert sent.content == '{"title":"洪水"}'.encode()
    assert sent.headers["Content-Type"] == "application/json; charset=utf-8"
    assert sent.headers["X-Token"] == "k"
    assert sent.url.params["access_token"] == TOKEN


async def test_form_and_file_go_as_multipart(make_tools):
    def receive(request):
        assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
        assert b'name="status"' in request.content
        assert b'name="pic"; filename="a.jpg"' in request.content
        assert b"\xff\xd8picture" in request.content
        return httpx.Response(200, json={})

    files = {"pic": ("a.jpg", b"\xff\xd8picture", "image/jpeg")}
    assert (await call(make_tools(receive), request(form={"status": "x"}, files=files))).status == 200


async def test_a_4xx_is_the_callers_to_read(make_tools):
    handler = answer(403, json={"error_code": 20019}, headers={"Retry-After": "9"})
    got = await call(make_tools(handler), request())
    assert (got.status, got.object(), got.retry_after_s) == (403, {"error_code": 20019}, 9.0)


@pytest.mark.parametrize(
    ("error", "final", "harmless"),
    [
        (httpx.ConnectError, TryLater, TryLater),
        (httpx.ConnectTimeout, TryLater, TryLater),
        (httpx.PoolTimeout, TryLater, TryLater),
        (httpx.ReadError, Unknown, TryLater),
        (httpx.ReadTimeout, Unknown, TryLater),
        (httpx.WriteError, Unknown, TryLater),
        (httpx.WriteTimeout, Unknown, TryLater),
        (httpx.RemoteProtocolError, Unknown, TryLater),
        (httpx.UnsupportedProtocol, Refused, Refused),
    ],
)
async def test_what_breaks_the_line_means(make_tools, error, final, harmless):
    assert type(await failure(make_tools, raising(error))) is final
    assert type(await failure(make_tools, raising(error), is_final=False)) is harmless


@pytest.mark.parametrize(
    ("status", "final", "harmless"),
    [
        (302, Unknown, Refused),
        (408, Unknown, TryLater),
        (425, TryLater, TryLater),
        (429, TryLater, TryLater),
        (500, Unknown, TryLater),
        (502, Unknown, TryLater),
        (503, Unknown, TryLater),
        (401, Refused, Refused),  # with a body that is no JSON
    ],
)
async def test_what_a_status_means(make_tools, status, final, harmless):
    handler = answer(status, text=f"oops {TOKEN}", headers={"Retry-After": "30", "Location": "/x"})
    outcome = await failure(make_tools, handler)
    assert type(outcome) is final
    assert TOKEN not in repr(outcome)
    if isinstance(outcome, TryLater):
        assert outcome.retry_after_s == 30.0
    assert type(await failure(make_tools, handler, is_final=False)) is harmless


@pytest.mark.parametrize(
    "response",
    [
        {"content": b"<html>" + TOKEN.encode()},
        {"content": b"[1]"},
        {"content": b"[" * 100_000},
        {"content": b"\xff\xfe"},
        {"content": b'{"a":"' + b"x" * MAX_ANSWER_BYTES + b'"}'},
        {"content": gzip.compress(b"{}" + b" " * MAX_ANSWER_BYTES), "headers": {"Content-Encoding": "gzip"}},
        {"content": b"not gzip", "headers": {"Content-Encoding": "gzip"}},
        {"content": b"{}", "headers": {"Content-Encoding": "br"}},
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_answer(make_tools, response):
    def handler(request):
        return httpx.Response(
            200, headers=response.get("headers"), stream=httpx.ByteStream(response["content"])
        )

    assert isinstance(await failure(make_tools, handler), Unknown)
    assert isinstance(await failure(make_tools, handler, is_final=False), TryLater)


async def test_a_compressed_answer_is_read_even_if_not_asked_for(make_tools):
    packed = gzip.compress(json.dumps({"id": 1}).encode())

    def handler(request):
        assert request.headers["Accept-Encoding"] == "identity"
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(packed))

    assert (await call(make_tools(handler), request())).object() == {"id": 1}


async def test_time_is_limited_in_all(make_tools):
    async def hang(request):
        await asyncio.Event().wait()

    assert isinstance(await failure(make_tools, hang, timeout_s=0.05), Unknown)
    assert isinstance(await failure(make_tools, hang, is_final=False, timeout_s=0.05), TryLater)


@pytest.mark.parametrize(("error", "expected"), [(AddressRefused, Refused), (NameNotResolved, TryLater)])
async def test_an_address_is_checked_before_anything_is_sent(make_tools, error, expected):
    seen = []
    tools = make_tools(lambda request: seen.append(request) or httpx.Response(200, json={}))
    tools.refuse_url = error("address", Text(zh="不行", en="no"))
    with pytest.raises(CallFailed) as caught:
        await call(tools, request())
    assert caught.value.outcome == expected(Text(zh="不行", en="no"))
    assert seen == []


async def test_nothing_of_a_request_or_an_answer_is_in_their_reprs(make_tools):
    sent = request(json={"secret": TOKEN}, headers={"access-token": TOKEN})
    got = await call(make_tools(answer(200, json={"token": TOKEN})), sent)
    assert TOKEN not in repr(sent) + repr(got)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("7", 7.0),
        ("-1", 0.0),
        ("1e9", LONGEST_WAIT_S),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after(value, expected):
    assert retry_after_s(value) == expected


def test_retry_after_as_a_date():
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert retry_after_s(format_datetime(later, usegmt=True)) == pytest.approx(60, abs=2)


async def test_a_file_is_sent_in_small_pieces_of_known_length(make_tools):
    sizes = []

    class Counting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            sizes.extend([len(chunk) async for chunk in request.stream])
            assert int(request.headers["Content-Length"]) == sum(sizes)
            return httpx.Response(200, stream=httpx.ByteStream(b"{}"))

    tools = make_tools()
    async with httpx.AsyncClient(transport=Counting()) as client:
        tools.http = client
        await call(tools, request(files={"video": ("v.mp4", bytes(1_000_000), "video/mp4")}))
    assert sum(sizes) > 1_000_000
    assert max(sizes) <= 65_536
