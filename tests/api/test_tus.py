"""tus 1.0.0 by its letter: each request of the protocol, what it answers, and what becomes of the bytes."""

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from states.events import Event
from storage.keys import ASSETS, incoming_key
from storage.tables import Upload

pytestmark = pytest.mark.slow

BYTES = {"Content-Type": "application/offset+octet-stream"}
PART = 5 * 2**20


def _metadata(**given: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in given.items())


async def _ask(api: Any, method: str, path: str, who: str | None = "writer", **given: Any) -> Any:
    headers = {"Tus-Resumable": "1.0.0", **given.pop("headers", {})}
    answer = await api(method, path, who, headers=headers, **given)
    assert answer.headers["tus-resumable"] == "1.0.0"
    return answer


async def _create(api: Any, item: Any, size: int, who: str = "writer", **headers: str) -> Any:
    given = {
        "Upload-Length": str(size),
        "Upload-Metadata": _metadata(filename="桥.mp4", filetype="video/mp4"),
    }
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await _ask(api, "POST", f"/v1/submissions/{item}/tus", who, headers=given)


async def _begun(api: Any, item: Any, size: int, **headers: str) -> str:
    answer = await _create(api, item, size, **headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def _send(api: Any, path: str, offset: int, data: bytes, **headers: str) -> Any:
    given = BYTES | {"Upload-Offset": str(offset)} | {k.replace("_", "-"): v for k, v in headers.items()}
    return await _ask(api, "PATCH", path, content=data, headers=given)


async def _offset(api: Any, path: str) -> int:
    answer = await _ask(api, "HEAD", path)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["upload-offset"])


async def _files(api: Any, item: Any) -> list[tuple[str, str]]:
    shown = (await api("GET", f"/v1/submissions/{item}", "writer")).json()
    return [(each["filename"], each["sha256"]) for each in shown["assets"]]


async def _item(api: Any) -> str:
    return str((await api.draft())["id"])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("path", ["/v1/tus", f"/v1/submissions/{uuid4()}/tus", f"/v1/tus/{uuid4()}"])
async def test_options_says_what_is_spoken_to_anybody(api: Any, path: str) -> None:
    answer = await api("OPTIONS", path)
    assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")
    assert answer.headers["tus-max-size"] == "1000000000"
    assert {"creation", "termination", "checksum", "expiration", "concatenation"} <= set(
        answer.headers["tus-extension"].split(",")
    )
    assert "sha1" in answer.headers["tus-checksum-algorithm"].split(",")


@pytest.mark.parametrize("given", [{}, {"Tus-Resumable": "0.2.2"}])
async def test_other_version_is_412_and_names_ours(api: Any, is_problem: Any, given: dict[str, str]) -> None:
    path = await _begun(api, await _item(api), 4)
    for method in ("HEAD", "PATCH", "DELETE", "POST"):
        answer = await api(method, path, "writer", headers=given)
        assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
    assert await _offset(api, path) == 0


async def test_file_sent_by_two_requests_becomes_part_of_the_piece(api: Any) -> None:
    item, data = await _item(api), b"0123456789" * 20_000
    metadata = _metadata(filename="dir/新桥.mp4", filetype="video/mp4", caption="现场", sha256=_sha256(data))
    created = await _create(api, item, len(data), Upload_Metadata=metadata)
    path = created.headers["location"]
    assert created.headers["upload-expires"].endswith("GMT")
    head = await _ask(api, "HEAD", path)
    assert (head.headers["upload-length"], head.headers["upload-metadata"]) == (str(len(data)), metadata)
    assert "no-store" in head.headers["cache-control"]
    first = await _send(api, path, 0, data[:70_001])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "70001")
    assert "upload-expires" in first.headers
    assert await _files(api, item) == []
    second = await _send(api, path, 70_001, data[70_001:])
    assert (second.status_code, second.headers["upload-offset"]) == (204, str(len(data)))
    assert await _files(api, item) == [("新桥.mp4", _sha256(data))]
    assert await _offset(api, path) == len(data)
    assert (await _send(api, path, len(data), b"")).status_code == 204


async def test_body_far_above_the_edge_limit_passes_here_and_nowhere_else(api: Any, is_problem: Any) -> None:
    item, data = await _item(api), bytes(range(256)) * 4096 * 6
    assert len(data) > PART
    path = await _begun(api, item, len(data))
    assert (await _send(api, path, 0, data)).status_code == 204
    assert await _files(api, item) == [("桥.mp4", _sha256(data))]
    for elsewhere in ("/v1/submissions", f"/v1/submissions/{item}/uploads", "/v1/tus/a/b"):
        is_problem(await api("POST", elsewhere, "writer", content=data, headers=BYTES), 413, "body-too-large")
    is_problem(await api("PATCH", path, "writer", content=data), 413, "body-too-large")


async def test_wrong_offset_is_409_and_writes_nothing(api: Any, is_problem: Any) -> None:
    item = await _item(api)
    path = await _begun(api, item, 10)
    await _send(api, path, 0, b"0123")
    for offset in (0, 3, 5, 9):
        document = is_problem(await _send(api, path, offset, b"x"), 409, "upload-offset")
        assert document["offset_bytes"] == 4
    assert await _offset(api, path) == 4
    await _send(api, path, 4, b"456789")
    assert await _files(api, item) == [("桥.mp4", _sha256(b"0123456789"))]


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Content-Type": "application/octet-stream", "Upload-Offset": "0"}, 415, "unsupported-media-type"),
        (BYTES, 400, "bad-request"),
        (BYTES | {"Upload-Offset": "-1"}, 400, "bad-request"),
        (BYTES | {"Upload-Offset": "1e3"}, 400, "bad-request"),
        (BYTES | {"Upload-Offset": "0", "Upload-Checksum": "crc64 AAAA"}, 400, "bad-request"),
        (BYTES | {"Upload-Offset": "0", "Upload-Checksum": "sha1 !!!!"}, 400, "bad-request"),
        (BYTES | {"Upload-Offset": "0", "Upload-Checksum": "sha1 AAAA"}, 400, "bad-request"),
    ],
)
async def test_patch_with_a_bad_header_is_refused_and_writes_nothing(
    api: Any, is_problem: Any, headers: dict[str, str], status: int, slug: str
) -> None:
    path = await _begun(api, await _item(api), 4)
    is_problem(await _ask(api, "PATCH", path, content=b"abcd", headers=headers), status, slug)
    assert await _offset(api, path) == 0


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Upload-Length": ""}, 400, "bad-request"),
        ({"Upload-Length": "x"}, 400, "bad-request"),
        ({"Upload-Length": "0"}, 422, "invalid-request"),
        ({"Upload-Length": str(10**9 + 1)}, 413, "body-too-large"),
        ({"Upload-Defer-Length": "1"}, 400, "bad-request"),
        ({"Upload-Metadata": ""}, 422, "invalid-request"),
        ({"Upload-Metadata": "filename !!"}, 400, "bad-request"),
        ({"Upload-Metadata": "filename /w=="}, 400, "bad-request"),
        ({"Upload-Metadata": "filename YQ==,filename YQ=="}, 400, "bad-request"),
        ({"Upload-Metadata": _metadata(filename="../")}, 422, "invalid-request"),
        ({"Upload-Metadata": _metadata(filename="a", filetype="x")}, 422, "invalid-request"),
        ({"Upload-Metadata": _metadata(filename="a", sha256="0" * 63)}, 422, "invalid-request"),
        ({"Upload-Metadata": _metadata(filename="a", caption="x" * 1001)}, 422, "invalid-request"),
        ({"Upload-Metadata": _metadata(filename="a", caption="a\0b")}, 422, "invalid-request"),
        ({"Upload-Metadata": _metadata(filename="\0a", filetype="a/b\0")}, 422, "invalid-request"),
        ({"Upload-Concat": "whole"}, 400, "bad-request"),
        ({"Upload-Concat": "final;"}, 400, "bad-request"),
        ({"Upload-Concat": "final;/api/v1/tus/1"}, 400, "bad-request"),
        ({"Upload-Concat": f"final;/api/v1/tus/{uuid4()}"}, 404, "not-found"),
    ],
)
async def test_creation_with_a_bad_header_is_refused(
    api: Any, is_problem: Any, headers: dict[str, str], status: int, slug: str
) -> None:
    item = await _item(api)
    is_problem(await _create(api, item, 4, **headers), status, slug)
    assert (await api("GET", f"/v1/submissions/{item}/uploads", "writer")).json()["items"] == []


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_bytes_with_a_wrong_checksum_are_dropped_and_with_the_right_one_kept(
    api: Any, is_problem: Any, algorithm: str
) -> None:
    item, data = await _item(api), bytes(PART) + b"a part and a tail"
    path = await _begun(api, item, len(data))
    await _send(api, path, 0, data[:1000])

    def sum_of(piece: bytes) -> str:
        return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, piece).digest()).decode()}"

    wrong = await _send(api, path, 1000, b"x" * (len(data) - 1000), Upload_Checksum=sum_of(data[1000:]))
    is_problem(wrong, 460, "upload-checksum")
    assert await _offset(api, path) == 1000
    right = await _send(api, path, 1000, data[1000:], Upload_Checksum=sum_of(data[1000:]))
    assert (right.status_code, right.headers["upload-offset"]) == (204, str(len(data)))
    assert await _files(api, item) == [("桥.mp4", _sha256(data))]


async def test_bytes_that_come_with_the_creation_count(api: Any) -> None:
    item = await _item(api)
    given = BYTES | {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "6",
        "Upload-Metadata": _metadata(filename="a"),
    }
    answer = await api("POST", f"/v1/submissions/{item}/tus", "writer", headers=given, content=b"abc")
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "3")
    await _send(api, answer.headers["location"], 3, b"def")
    assert await _files(api, item) == [("a", _sha256(b"abcdef"))]


async def test_more_bytes_than_announced_are_refused(api: Any, is_problem: Any) -> None:
    path = await _begun(api, await _item(api), 4)
    is_problem(await _send(api, path, 0, b"12345"), 413, "body-too-large")
    assert await _offset(api, path) == 0

    async def endless() -> AsyncIterator[bytes]:
        yield b"12"
        while True:
            yield b"3456"

    headers = BYTES | {"Upload-Offset": "0"}
    is_problem(await _ask(api, "PATCH", path, content=endless(), headers=headers), 413, "body-too-large")
    assert await _offset(api, path) == 2


async def test_dropped_upload_is_410_and_leaves_nothing_in_the_store(
    api: Any, is_problem: Any, objects: Any
) -> None:
    path = await _begun(api, await _item(api), 100)
    await _send(api, path, 0, b"never to be finished")
    prefix = incoming_key(path.rsplit("/", 1)[-1])  # type: ignore[arg-type]
    assert [each.object_name for each in objects._client.list_objects(ASSETS, prefix, recursive=True)]
    assert (await _ask(api, "DELETE", path)).status_code == 204
    assert (await _ask(api, "HEAD", path)).status_code == 410
    is_problem(await _send(api, path, 20, b"x"), 410, "upload-gone")
    assert [each.object_name for each in objects._client.list_objects(ASSETS, prefix, recursive=True)] == []


async def test_finished_upload_cannot_be_dropped(api: Any, is_problem: Any) -> None:
    item = await _item(api)
    path = await _begun(api, item, 4)
    await _send(api, path, 0, b"kept")
    is_problem(await _ask(api, "DELETE", path), 403, "upload-finished")
    assert await _files(api, item) == [("桥.mp4", _sha256(b"kept"))]


@pytest.mark.parametrize("sizes", [(3, 4, 5), (PART, 3, PART + 7), (PART, PART + 1, 10)])
async def test_parts_sent_side_by_side_are_joined_in_their_order(
    api: Any, is_problem: Any, sizes: tuple[int, ...]
) -> None:
    item = await _item(api)
    pieces = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    paths = []
    for piece in pieces:
        path = await _begun(api, item, len(piece), Upload_Concat="partial", Upload_Metadata="")
        assert (await _send(api, path, 0, piece)).status_code == 204
        assert (await _ask(api, "HEAD", path)).headers["upload-concat"] == "partial"
        paths.append(path)
    assert await _files(api, item) == []
    final = {"Upload-Concat": f"final;{' '.join(paths)}", "Upload-Metadata": _metadata(filename="whole.mp4")}
    answer = await _ask(api, "POST", f"/v1/submissions/{item}/tus", headers=final)
    assert answer.status_code == 201, answer.text
    assert await _files(api, item) == [("whole.mp4", _sha256(b"".join(pieces)))]
    head = await _ask(api, "HEAD", answer.headers["location"])
    assert head.headers["upload-concat"] == final["Upload-Concat"]
    assert head.headers["upload-offset"] == head.headers["upload-length"] == str(sum(sizes))
    again = await _ask(api, "POST", f"/v1/submissions/{item}/tus", headers=final)
    assert (again.status_code, again.headers["location"]) == (201, answer.headers["location"])
    is_problem(await _send(api, answer.headers["location"], 0, b"x"), 403, "upload-finished")
    is_problem(await _send(api, paths[0], 0, b"x"), 403, "upload-finished")


async def test_unfinished_foreign_or_used_part_cannot_be_joined(api: Any, is_problem: Any) -> None:
    item, other = await _item(api), await _item(api)
    done = await _begun(api, item, 1, Upload_Concat="partial")
    await _send(api, done, 0, b"1")
    unfinished = await _begun(api, item, 2, Upload_Concat="partial")
    whole = await _begun(api, item, 2)
    elsewhere = await _begun(api, other, 1, Upload_Concat="partial")
    await _send(api, elsewhere, 0, b"1")
    for path in (unfinished, whole, elsewhere):
        refused = await _create(api, item, 0, Upload_Concat=f"final;{done} {path}")
        is_problem(refused, 409, "upload-refused")
    assert (await _create(api, item, 0, Upload_Concat=f"final;{done}")).status_code == 201
    is_problem(await _create(api, item, 0, Upload_Concat=f"final;{done} {unfinished}"), 409, "upload-refused")


async def test_every_method_passes_as_post_with_the_override(api: Any, is_problem: Any) -> None:
    item = await _item(api)
    path = await _begun(api, item, 4)

    async def post(method: str, **given: Any) -> Any:
        headers = {"X-HTTP-Method-Override": method, **given.pop("headers", {})}
        return await _ask(api, "POST", path, headers=headers, **given)

    sent = await post("PATCH", content=b"ab", headers=BYTES | {"Upload-Offset": "0"})
    assert (sent.status_code, sent.headers["upload-offset"]) == (204, "2")
    assert (await post("HEAD")).headers["upload-offset"] == "2"
    assert (await post("DELETE")).status_code == 204
    assert (await post("HEAD")).status_code == 410
    is_problem(await post("GET"), 405, "method-not-allowed")


async def test_upload_is_there_for_who_began_it_alone(api: Any, is_problem: Any) -> None:
    item = await _item(api)
    path = await _begun(api, item, 4)
    for method in ("HEAD", "PATCH", "DELETE"):
        assert (await _ask(api, method, path, "chief")).status_code == 404
        assert (await _ask(api, method, path, None)).status_code == 401
    is_problem(await _create(api, item, 4, "chief"), 404, "not-found")
    is_problem(await _ask(api, "POST", "/v1/tus", None), 401, "unauthenticated")
    partial = await _begun(api, item, 1, Upload_Concat="partial")
    await _send(api, partial, 0, b"1")
    own = str((await api.draft("other_writer"))["id"])
    stolen = await _create(api, own, 0, "other_writer", Upload_Concat=f"final;{partial}")
    is_problem(stolen, 404, "not-found")


async def test_fixed_endpoint_takes_the_submission_from_the_metadata(api: Any, is_problem: Any) -> None:
    item = await _item(api)
    headers = {"Upload-Length": "4", "Upload-Metadata": _metadata(filename="a.jpg", submission_id=item)}
    answer = await _ask(api, "POST", "/v1/tus", headers=headers)
    await _send(api, answer.headers["location"], 0, b"data")
    assert await _files(api, item) == [("a.jpg", _sha256(b"data"))]
    nowhere = headers | {"Upload-Metadata": _metadata(filename="a.jpg")}
    is_problem(await _ask(api, "POST", "/v1/tus", headers=nowhere), 422, "invalid-request")


async def test_repeated_creation_with_one_key_is_one_upload(api: Any, is_problem: Any) -> None:
    item, key = await _item(api), uuid4().hex
    paths = {await _begun(api, item, 4, Idempotency_Key=key) for _ in range(2)}
    assert len(paths) == 1
    is_problem(await _create(api, item, 5, Idempotency_Key=key), 422, "idempotency-key-reused")


async def test_other_bytes_than_announced_end_the_upload_for_good(api: Any, is_problem: Any) -> None:
    item = await _item(api)
    metadata = _metadata(filename="a", sha256=_sha256(b"announced"))
    path = await _begun(api, item, 9, Upload_Metadata=metadata)
    is_problem(await _send(api, path, 0, b"ANNOUNCED"), 422, "upload-mismatch")
    assert (await _ask(api, "HEAD", path)).status_code == 410
    assert await _files(api, item) == []


async def test_piece_that_cannot_take_the_file_now_gets_it_later(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.in_state("first_review")
    path = (await _create(api, item, 4, "duty")).headers["location"]
    await newsroom.send(item, Event.HOLD, "duty", reason="等核实")
    sent = await _ask(api, "PATCH", path, "duty", content=b"data", headers=BYTES | {"Upload-Offset": "0"})
    assert "All bytes are here" in is_problem(sent, 423, "upload-locked")["detail_en"]
    assert (await _ask(api, "HEAD", path, "duty")).status_code == 423
    assert await _files(api, item) == []
    await newsroom.send(item, Event.RESUME, "duty")
    await newsroom.send(item, Event.CLAIM, "duty")
    assert (await _ask(api, "HEAD", path, "duty")).headers["upload-offset"] == "4"
    assert await _files(api, item) == [("桥.mp4", _sha256(b"data"))]


async def test_tus_upload_shows_among_the_others_and_has_no_addresses(api: Any, newsroom: Any) -> None:
    item = await _item(api)
    path = await _begun(api, item, 2 * PART)
    await _send(api, path, 0, bytes(PART + 5))
    (line,) = (await api("GET", f"/v1/submissions/{item}/uploads", "writer")).json()["items"]
    assert (line["door"], line["media_type"], line["id"]) == ("tus", "video/mp4", path.rsplit("/", 1)[-1])
    shown = (await api("GET", f"/v1/submissions/{item}/uploads/{line['id']}", "writer")).json()
    assert (shown["arrived"], shown["parts"]) == ([1], [])
    refused = await api("POST", f"/v1/submissions/{item}/uploads/{line['id']}/complete", "writer")
    assert refused.status_code == 409
    async with newsroom.db.transaction() as session:
        row = await session.get(Upload, line["id"])
        assert (row.offset_bytes, sum(size for _, size in row.tails)) == (PART + 5, 5)
