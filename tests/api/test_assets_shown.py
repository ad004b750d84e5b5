"""What a submission's page shows of its files: findings with times, duplicates, review files, metadata by right."""

import hashlib
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from media.probe import Probe, VideoFacts
from media.sniff import Kind
from states.content import AssetRef
from states.delivery import DeliveryState
from states.events import Event
from states.roles import SYSTEM
from storage.assets import Examined, Look, put_examined, put_intake_passed, put_intake_refused
from storage.assets import add_asset as store_asset
from storage.deliveries import deliveries_of, move_delivery
from storage.duplicates import candidates_for, put_matches
from storage.keys import RENDITIONS, asset_key
from storage.renditions import Wanted, put_ready
from storage.tables import Asset

pytestmark = pytest.mark.slow

CAPTURE = {"latitude_deg": 31.2304, "longitude_deg": 121.4737, "device": "小米 15", "owner": "王摄影"}
FINDINGS = [
    {"code": "black", "at_s": 12.0, "until_s": 14.5, "zh": "黑场。", "en": "Black."},
    {"code": "clipping", "at_s": 3.0, "zh": "爆音。", "en": "Clipped."},  # as an earlier version kept it
]


def _film(duration_s: float) -> dict[str, Any]:
    video = VideoFacts(
        0, "h264", 720, 1280, 0, Fraction(25), False, 250, 0.0, duration_s, "yuv420p", 1, 1, False, False
    )
    return Probe(Kind.VIDEO, "mp4", "mov", 1000, duration_s=duration_s, video=video).to_json()


@pytest.fixture
def sent_in(newsroom: Any, add_asset: Any) -> Any:
    """await sent_in(looks=…, …): a piece with one examined film, received; its id and the file."""

    async def make(
        looks: tuple[Look, ...] = (), author: str = "writer", is_sent: bool = True, **more: Any
    ) -> tuple[UUID, Asset]:
        content = {"title": "新桥通车", "column": "要闻", "destinations": ("app",)} | more.pop("content", {})
        item = (await newsroom.draft(author, **content)).id
        asset = await _add(newsroom, add_asset, item, author)
        values = {"findings": FINDINGS, "probe": _film(60.0)} | more
        async with newsroom.db.transaction() as session:
            await put_examined(
                session, asset.id, Examined("video", "video/mp4", by="1", looks=looks, **values)
            )
            await put_intake_passed(session, asset.id)
            near = await candidates_for(session, asset.id, looks, 0) if looks else []
            await put_matches(session, asset.id, near)
        if is_sent:
            await newsroom.send(item, Event.SUBMIT, author)
            await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
        return item, asset

    return make


async def _add(newsroom: Any, add_asset: Any, item: UUID, author: str) -> Asset:
    if author == "writer":
        return await add_asset(item, "现场.mp4")  # type: ignore[no-any-return]
    sha256 = hashlib.sha256(str(item).encode()).hexdigest()
    asset = Asset(
        submission_id=item, sha256=sha256, size_bytes=1, filename="现场.mp4", object_key=asset_key(sha256)
    )
    async with newsroom.db.transaction() as session:
        asset = await store_asset(session, asset)
    await newsroom.edit(item, author, assets=(AssetRef(sha256, "现场.mp4"),))
    return asset


async def _read(api: Any, item: Any, who: str) -> Any:
    answer = await api("GET", f"/v1/submissions/{item}", who)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_findings_have_their_times(api: Any, sent_in: Any) -> None:
    item, _ = await sent_in()
    (shown,) = (await _read(api, item, "duty"))["assets"]
    black, clipping = shown["findings"]
    assert (black["at_s"], black["until_s"], black["zh"]) == (12.0, 14.5, "黑场。")
    assert (clipping["at_s"], clipping["until_s"]) == (3.0, None)


async def test_duplicate_is_named_with_a_link_on_both_pages(api: Any, sent_in: Any) -> None:
    looks = (Look(1.0, 0x1234_5678_9ABC),)
    first, _ = await sent_in(looks, content={"title": "先来的稿件", "column": "民生"})
    second, _ = await sent_in(looks)
    (found,) = (await _read(api, second, "duty"))["assets"][0]["duplicates"]
    assert (found["kind"], found["submission_id"], found["title"], found["column"]) == (
        "likely",
        str(first),
        "先来的稿件",
        "民生",
    )
    assert "《先来的稿件》（民生）中的 现场.mp4" in found["text"]["zh"]
    assert (await api("GET", found["link"], "duty")).status_code == 200
    (back,) = (await _read(api, first, "duty"))["assets"][0]["duplicates"]
    assert back["submission_id"] == str(second)


async def test_duplicate_in_a_piece_that_one_may_not_see_has_no_name(api: Any, sent_in: Any) -> None:
    looks = (Look(1.0, 0x0F0F_5678_1111),)
    first, _ = await sent_in(looks, content={"title": "别人的秘密选题"})
    second, _ = await sent_in(looks, author="other_writer")
    page = await api("GET", f"/v1/submissions/{second}", "other_writer")
    (found,) = page.json()["assets"][0]["duplicates"]
    assert found["kind"] == "likely"
    assert found["link"] is None
    assert "别人的秘密选题" not in page.text
    assert str(first) not in page.text


@pytest.mark.parametrize(
    ("who", "is_shown"),
    [
        ("writer", True),
        ("duty", True),
        ("head", True),
        ("chief", True),
        ("operator", False),
        ("admin", False),
    ],
)
async def test_metadata_is_for_the_author_and_for_editors(
    api: Any, sent_in: Any, who: str, is_shown: bool
) -> None:
    item, _ = await sent_in(capture=CAPTURE)
    page = await api("GET", f"/v1/submissions/{item}", who)
    shown = page.json()["assets"][0]["capture"]
    assert ("王摄影" in page.text) is is_shown
    if is_shown:
        assert (shown["latitude_deg"], shown["device"]) == (31.2304, "小米 15")
        assert shown["taken_at"] is None
    else:
        assert shown is None


async def test_review_files_can_be_read(api: Any, sent_in: Any, objects: Any) -> None:
    item, asset = await sent_in()
    files = [
        ("cover", "cover-1.jpg", "image/jpeg"),
        ("storyboard", "storyboard.jpg", "image/jpeg"),
        ("cues", "storyboard.vtt", "text/vtt"),
        ("waveform", "waveform.json", "application/json"),
    ]
    kept = []
    for role, name, media_type in files:
        key = f"tests/{uuid4()}"
        await objects.put_bytes(RENDITIONS, key, name.encode(), media_type)
        kept.append(
            {"role": role, "name": name, "object_key": key, "media_type": media_type, "size_bytes": 1}
        )
    measured = {
        "covers": [{"name": "cover-1.jpg", "at_s": 6.5, "width": 1280, "height": 720}],
        "storyboard": {"count": 9, "tile_width": 160, "tile_height": 90},
        "loudness_lufs": -23.1,
        "peak_dbtp": None,
    }
    async with api.app.state.resources.db.transaction() as session:
        await put_ready(session, Wanted(uuid4().hex, asset.sha256, "review"), kept, measured)
    (shown,) = (await _read(api, item, "duty"))["assets"]
    review = shown["review"]
    assert (review["loudness_lufs"], review["peak_dbtp"]) == (-23.1, None)
    (cover,) = review["covers"]
    assert (cover["at_s"], cover["width"]) == (6.5, 1280)
    assert review["storyboard"]["tile_height"] == 90
    async with httpx.AsyncClient() as client:
        for url, name in (
            (cover["url"], "cover-1.jpg"),
            (review["storyboard"]["sheet"], "storyboard.jpg"),
            (review["storyboard"]["cues"], "storyboard.vtt"),
            (review["waveform"], "waveform.json"),
        ):
            assert (await client.get(url)).content == name.encode()


async def test_file_before_intake_has_nothing_to_review(api: Any, newsroom: Any, add_asset: Any) -> None:
    item = (await newsroom.draft()).id
    await add_asset(item, "一.mp4")
    (shown,) = (await _read(api, item, "writer"))["assets"]
    assert (shown["review"], shown["duplicates"], shown["capture"], shown["contents"]) == (None, [], None, {})


async def test_long_document_is_shown_from_its_beginning(api: Any, sent_in: Any) -> None:
    document = {"paragraphs": [f"第 {n} 段" for n in range(500)], "pictures": []}
    item, _ = await sent_in(contents={"document": document, "appended": {"size_bytes": 9}})
    (shown,) = (await _read(api, item, "duty"))["assets"]
    assert shown["contents"]["document"]["paragraphs"] == document["paragraphs"][:100]
    assert shown["contents"]["appended"] == {"size_bytes": 9}


@pytest.mark.parametrize("code", ["media.infected", "media.not_scanned"])
async def test_file_that_did_not_pass_the_scanner_cannot_be_fetched(
    api: Any, newsroom: Any, sent_in: Any, code: str
) -> None:
    item, asset = await sent_in()
    async with newsroom.db.transaction() as session:
        await put_intake_refused(session, asset.id, {"code": code, "zh": "有毒。", "en": "Malware."})
    for who in ("writer", "duty"):
        assert (await _read(api, item, who))["assets"][0]["links"]["original"] is None


async def test_file_that_waits_for_its_scan_is_for_its_author_alone(
    api: Any, newsroom: Any, add_asset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = (await newsroom.draft()).id
    await add_asset(item, "一.mp4")
    await newsroom.send(item, Event.SUBMIT, "writer")
    assert (await _read(api, item, "duty"))["assets"][0]["links"]["original"]
    monkeypatch.setattr(api.app.state.resources.settings, "clamd", "unix:///run/clamd")
    assert (await _read(api, item, "duty"))["assets"][0]["links"]["original"] is None
    assert (await _read(api, item, "writer"))["assets"][0]["links"]["original"]


async def test_problems_name_the_file_that_a_destination_will_not_take_and_follow_the_destinations(
    api: Any, newsroom: Any, sent_in: Any
) -> None:
    item, asset = await sent_in(probe=_film(901.0), content={"destinations": ("app", "short")}, is_sent=False)

    async def named() -> list[Any]:
        return [each for each in (await _read(api, item, "writer"))["problems"] if each["asset_sha256"]]

    problems = await named()
    assert {(each["destination"], each["asset_sha256"]) for each in problems} == {("short", asset.sha256)}
    assert "901" in problems[0]["text"]["zh"]
    assert problems[0]["code"] == "vertical.not_taken"
    await newsroom.edit(item, destinations=("app",))
    assert await named() == []


async def test_metadata_never_leaves_the_desk(api: Any, newsroom: Any, sent_in: Any) -> None:
    title = f"通车 {uuid4().hex}"
    item, _ = await sent_in(capture=CAPTURE, content={"title": title})
    for reviewer in ("duty", "head", "chief"):
        await newsroom.send(item, Event.CLAIM, reviewer)
        if reviewer == "chief":
            await newsroom.media_ready(item)
        await newsroom.send(item, Event.APPROVE, reviewer)
    async with newsroom.db.transaction() as session:
        ((delivery, _),) = await deliveries_of(session, item)
        await move_delivery(session, delivery.id, DeliveryState.SENDING)
        await move_delivery(session, delivery.id, DeliveryState.CONFIRMED)
    await newsroom.send(item, Event.DELIVERY_CONFIRMED, SYSTEM)
    places = [
        "/feeds/rss.xml",
        "/feeds/atom.xml",
        "/feeds/feed.json",
        f"/feeds/ninjs/{item}.json",
        f"/stories/{item}",
    ]
    for path in places:
        page = await api("GET", path)
        assert title in page.text, path
        for secret in ("王摄影", "小米", "31.23", "121.47"):
            assert secret not in page.text
    for part in ("history", "revisions", "renditions", "deliveries"):
        page = await api("GET", f"/v1/submissions/{item}/{part}", "operator")
        assert page.status_code == 200
        assert "王摄影" not in page.text
        assert "31.23" not in page.text
