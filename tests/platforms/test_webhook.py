"""The webhook: signature over the exact bytes, an outcome for every answer, no key in any message."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from platforms.frame import Confirmed, Refused, TryLater
from platforms.net import AddressRefused, GuardedTransport, NameNotResolved
from platforms.webhook import WebhookPlatform, sign, verify_signature
from states.text import Text

NOW_S = 1_795_000_000.0
PLATFORM = WebhookPlatform(clock=lambda: NOW_S)


async def publish(make_tools, story, destination, handler):
    return await PLATFORM.publish(story, destination, "d1", make_tools(handler))


async def test_publish_signs_the_bytes_it_sends(make_tools, story, destination):
    seen = []

    def receive(request):
        seen.append(request)
        return httpx.Response(202)

    assert await publish(make_tools, story, destination, receive) == Confirmed("d1", None)
    (request,) = seen
    headers = request.headers
    assert headers["X-Sanshen-Delivery"] == headers["Idempotency-Key"] == "d1"
    assert headers["X-Sanshen-Timestamp"] == "1795000000"
    signature = headers["X-Sanshen-Signature"]
    assert verify_signature("s3cr3t-key", "1795000000", request.content, signature, NOW_S)
    item = json.loads(request.content)
    assert item["uri"] == story.urn
    assert item["altIds"] == [{"role": "delivery", "value": "d1"}]
    assert b"s3cr3t-key" not in request.content


def test_signature_is_what_the_documents_say():
    # printf '17.{}' | openssl dgst -sha256 -hmac key
    expected = "e66392eac42eafc68c35a01c712811e016386c12456975fc3af80c9268568e3a"
    assert sign("key", "17", b"{}") == f"v1={expected}"


@pytest.mark.parametrize(
    ("change", "is_good"),
    [
        ({}, True),
        ({"now_s": NOW_S + 300}, True),
        ({"now_s": NOW_S + 301}, False),
        ({"now_s": NOW_S - 301}, False),
        ({"body": b"{ }"}, False),
        ({"secret": "other"}, False),
        ({"timestamp": "1795000001"}, False),
        ({"timestamp": "١٢"}, False),
        ({"timestamp": "-1"}, False),
        ({"timestamp": "9" * 5000}, False),
        ({"signature": "v1=签"}, False),
        ({"signature": ""}, False),
        ({"signature": "v1=00, " + sign("key", "1795000000", b"{}")}, True),
    ],
)
def test_verify_signature_of_anything_changed_is_false(change, is_good):
    good = {
        "secret": "key",
        "timestamp": "1795000000",
        "body": b"{}",
        "signature": sign("key", "1795000000", b"{}"),
        "now_s": NOW_S,
    }
    assert verify_signature(**(good | change)) is is_good


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Confirmed), (204, Confirmed), (301, Refused), (307, Refused), (400, Refused), (401, Refused),
        (404, Refused), (410, Refused), (408, TryLater), (425, TryLater), (429, TryLater), (500, TryLater),
        (502, TryLater), (503, TryLater),
    ],
)  # fmt: skip
async def test_publish_answered_by_a_status_has_its_outcome(make_tools, story, destination, status, kind):
    calls = []

    def receive(request):
        calls.append(request.url)
        return httpx.Response(status, headers={"Location": "https://hooks.example.org/elsewhere"})

    outcome = await publish(make_tools, story, destination, receive)
    assert isinstance(outcome, kind)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 0.5),
        ("-3", 0, 0),
        ("9" * 5000, None, None),
        ("1e9", 86_400, 86_400),
        ("nan", None, None),
        ("soon", None, None),
        (None, None, None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0),
    ],
)
async def test_publish_told_to_wait_keeps_the_time(make_tools, story, destination, value, low, high):
    headers = {} if value is None else {"Retry-After": value}
    outcome = await publish(
        make_tools, story, destination, lambda request: httpx.Response(429, headers=headers)
    )
    if low is None:
        assert outcome.retry_after_s is None
    else:
        assert low <= outcome.retry_after_s <= high


async def test_publish_told_to_wait_until_a_moment_keeps_it(make_tools, story, destination):
    # An hour ahead and read at once: the collection of the tests may lie minutes back.
    at = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    outcome = await publish(
        make_tools, story, destination, lambda request: httpx.Response(429, headers={"Retry-After": at})
    )
    assert 3500 <= outcome.retry_after_s <= 3600


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("t0psecret"), "nothing was sent"),
        (httpx.ConnectTimeout("t0psecret"), "nothing was sent"),
        (httpx.ReadTimeout("t0psecret"), "after sending"),
        (httpx.RemoteProtocolError("t0psecret"), "after sending"),
        (TimeoutError("t0psecret"), "after sending"),
    ],
)
async def test_publish_cut_off_is_tried_later_and_says_no_key(make_tools, story, destination, error, words):
    def receive(request):
        raise error

    outcome = await publish(make_tools, story, destination, receive)
    assert isinstance(outcome, TryLater)
    assert words in outcome.text.en
    assert "t0psecret" not in repr(outcome)


async def test_publish_to_a_receiver_that_never_answers_ends_in_time(
    monkeypatch, make_tools, story, destination
):
    monkeypatch.setattr("platforms.webhook.TOTAL_TIMEOUT_S", 0.05)

    async def receive(request):
        await asyncio.sleep(30)

    assert isinstance(await publish(make_tools, story, destination, receive), TryLater)


async def test_publish_keeps_little_of_a_long_answer_and_no_key(make_tools, story, destination):
    page = "Cannot POST /in?token=t0psecret with s3cr3t-key " + "x" * 1_000_000
    outcome = await publish(make_tools, story, destination, lambda request: httpx.Response(404, text=page))
    assert "HTTP 404: Cannot POST ***" in outcome.text.zh
    assert "t0psecret" not in repr(outcome)
    assert "s3cr3t" not in repr(outcome)
    assert len(outcome.text.zh) < 700


async def test_publish_stops_reading_an_answer_without_end(make_tools, story, destination):
    read = []

    async def endless():
        while True:
            read.append(1)
            yield b"x" * 1024

    outcome = await publish(
        make_tools, story, destination, lambda request: httpx.Response(400, content=endless())
    )
    assert isinstance(outcome, Refused)
    assert len(read) <= 3


@pytest.mark.parametrize("change", [{"settings": {}}, {"secret": None}, {"secret": ""}])
async def test_publish_without_address_or_secret_is_refused(make_tools, story, destination, change):
    outcome = await publish(make_tools, story, replace(destination, **change), lambda r: httpx.Response(200))
    assert isinstance(outcome, Refused)
    assert "administrator" in outcome.text.en


@pytest.mark.parametrize(("error", "kind"), [(AddressRefused, Refused), (NameNotResolved, TryLater)])
async def test_publish_to_an_address_that_the_guard_stops_sends_nothing(
    make_tools, story, destination, error, kind
):
    tools = make_tools(lambda request: pytest.fail("was sent"))
    tools.refuse_url = error("code", Text(zh="不可", en="no"))
    assert isinstance(await PLATFORM.publish(story, destination, "d1", tools), kind)


async def test_retract_is_sent_under_a_key_of_its_own_without_content(make_tools, story, destination):
    seen = []

    def receive(request):
        seen.append(request)
        return httpx.Response(200)

    story.media[0].renditions.clear()  # a retraction waits for no rendition
    outcome = await PLATFORM.retract(story, destination, "d1", make_tools(receive))
    assert outcome == Confirmed("d1.retract", None)
    item = json.loads(seen[0].content)
    assert item["pubStatus"] == "canceled"
    assert "bodies" not in item


class Receiver:
    """A partner's server: checks the signature, takes each delivery once, can hang up before answering."""

    def __init__(self, secret):
        self.secret, self.taken, self.requests, self.cuts = secret, {}, 0, 0

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests += 1
        status = self._take(headers, body)
        if self.cuts:
            self.cuts -= 1
        else:
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    def _take(self, headers, body):
        stamp, signature = headers["x-sanshen-timestamp"], headers["x-sanshen-signature"]
        if not verify_signature(self.secret, stamp, body, signature, NOW_S):
            return 401
        item = json.loads(body)
        self.taken.setdefault(item["altIds"][0]["value"], item)
        return 200


@pytest.fixture
async def receiver():
    receiver = Receiver("s3cr3t-key")
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()
    await server.wait_closed()


@pytest.fixture
async def real_tools(make_tools, receiver):
    tools = make_tools()
    tools.http = httpx.AsyncClient(transport=GuardedTransport((f"127.0.0.1:{receiver.port}",)))
    yield tools
    await tools.http.aclose()


@pytest.fixture
def local(destination, receiver):
    return replace(destination, settings={"url": f"http://127.0.0.1:{receiver.port}/in"})


async def test_publish_cut_after_acceptance_and_sent_again_is_taken_once(story, local, receiver, real_tools):
    receiver.cuts = 1
    assert isinstance(await PLATFORM.publish(story, local, "d1", real_tools), TryLater)
    assert await PLATFORM.publish(story, local, "d1", real_tools) == Confirmed("d1", None)
    assert (receiver.requests, list(receiver.taken)) == (2, ["d1"])


async def test_publish_with_the_wrong_secret_is_refused_by_the_receiver(story, local, receiver, real_tools):
    outcome = await PLATFORM.publish(story, replace(local, secret="wrong"), "d1", real_tools)
    assert isinstance(outcome, Refused)
    assert receiver.taken == {}


async def test_publish_then_retract_are_two_deliveries_to_the_receiver(story, local, receiver, real_tools):
    await PLATFORM.publish(story, local, "d1", real_tools)
    await PLATFORM.retract(story, local, "d1", real_tools)
    assert [item["pubStatus"] for item in receiver.taken.values()] == ["usable", "canceled"]


async def test_publish_to_a_closed_port_is_tried_later(story, local, receiver, real_tools):
    port = receiver.port
    nobody = replace(local, settings={"url": "http://127.0.0.1:1/in"})
    assert isinstance(await PLATFORM.publish(story, nobody, "d1", real_tools), Refused)  # not on the list
    real_tools.http = httpx.AsyncClient(transport=GuardedTransport(("127.0.0.1:1",)))
    outcome = await PLATFORM.publish(story, nobody, "d1", real_tools)
    await real_tools.http.aclose()
    assert isinstance(outcome, TryLater)
    assert "nothing was sent" in outcome.text.en
    assert port == receiver.port
