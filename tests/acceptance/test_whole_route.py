"""The whole route on real servers: from a phone's clip to the readers, with three people in between."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import feedparser
import httpx
import psutil
import pytest

from deployments.client import ApiRefused, Client
from deployments.demo import REVIEWERS, STORY, VERTICAL, WEBHOOK
from media.sample import make_clip, make_still

pytestmark = pytest.mark.slow


async def test_demo_story_passes_three_people_and_reaches_three_destinations(
    newsroom: Any, assert_story_is_out: Any
) -> None:
    await assert_story_is_out(newsroom)


async def test_story_page_shows_the_story_to_anybody(newsroom: Any) -> None:
    page = await newsroom.fetch(f"/stories/{newsroom.story_id}")
    assert page.status_code == 200
    assert STORY["title"] in page.text
    assert "master.m3u8" in page.text
    assert (
        "script-src" in page.headers["content-security-policy"]
        or "default-src" in page.headers["content-security-policy"]
    )


async def test_feeds_list_the_story_under_one_id(newsroom: Any) -> None:
    urn = f"urn:uuid:{newsroom.story_id}"
    for path in ("/feeds/rss.xml", "/feeds/atom.xml"):
        feed = feedparser.parse((await newsroom.fetch(path)).content)
        assert not feed.bozo
        assert [entry.id for entry in feed.entries] == [urn]
        assert feed.entries[0].title == STORY["title"]
    listed = (await newsroom.fetch("/feeds/feed.json")).json()["items"]
    assert [entry["id"] for entry in listed] == [urn]
    ninjs = (await newsroom.fetch(f"/feeds/ninjs/{newsroom.story_id}.json")).json()
    assert ninjs["pubStatus"] == "usable"


async def test_webhook_was_called_once_with_a_good_signature(newsroom: Any) -> None:
    uris = [each["body"]["uri"] for each in newsroom.webhook_deliveries()]
    assert uris.count(f"urn:uuid:{newsroom.story_id}") == 1


async def test_public_files_carry_no_place_and_no_owner(newsroom: Any, tmp_path: Path) -> None:
    """The clip was sent with a position and an owner's name; what readers get has neither."""
    ninjs = (await newsroom.fetch(f"/feeds/ninjs/{newsroom.story_id}.json")).text
    addresses = {part.split('"')[0] for part in ninjs.split('"href":"')[1:]}
    addresses |= {part.split('"')[0] for part in ninjs.split('"href": "')[1:]}
    files = [address for address in addresses if address.endswith((".mp4", ".jpg"))]
    assert files
    async with httpx.AsyncClient(trust_env=False) as reader:
        for address in files:
            body = (await reader.get(address)).content
            assert b"+30.5728" not in body
            assert b"demo phone" not in body


async def test_handoff_package_is_whole(newsroom: Any) -> None:
    chief = newsroom.clients["zongbian"]
    deliveries = (await chief.get(f"/submissions/{newsroom.story_id}/deliveries"))["deliveries"]
    package = next(each for each in deliveries if each["destination"] == VERTICAL)["files"]
    async with httpx.AsyncClient(trust_env=False) as client:
        sizes = {
            name: len((await client.get(url)).raise_for_status().content) for name, url in package.items()
        }
    assert any(name.endswith(".mp4") and size > 100_000 for name, size in sizes.items())
    assert any(name.endswith(".jpg") for name in sizes)
    assert any("checklist" in name for name in sizes)


async def test_prefect_shows_every_run_under_the_items_tag(newsroom: Any) -> None:
    wanted = {"flow_runs": {"tags": {"all_": [f"item:{newsroom.story_id}"]}}}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{newsroom.stack.settings.prefect_api_url}/flow_runs/filter", json=wanted)
    runs = answer.raise_for_status().json()
    assert {run["state_name"] for run in runs} == {"Completed"}
    names = {run["name"].split(" · ")[0] for run in runs}
    assert names == {"入库检查", "制作成品", "分发"}
    assert all(STORY["title"] in run["name"] for run in runs)


async def test_hls_plays_in_chromium(newsroom: Any, page: Any) -> None:
    await page.call("Page.enable")
    await page.call("Page.navigate", url=f"{newsroom.base}/stories/{newsroom.story_id}")
    await asyncio.sleep(1)
    await page.look("document.querySelector('video').play().then(() => true)")
    seen: dict[str, Any] = {}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and seen.get("at", 0) < 2:
        await asyncio.sleep(0.3)
        seen = await page.look(
            "(() => { const v = document.querySelector('video');"
            " return {at: v.currentTime, width: v.videoWidth, src: v.currentSrc, error: v.error && v.error.message}"
            " })()"
        )
    assert seen["error"] is None
    assert seen["src"].endswith("master.m3u8")
    assert seen["at"] >= 2
    assert seen["width"] > 0


async def _send_in(author: Client, folder: Path, title: str, files: Callable[[Path], Any]) -> str:
    item = await author.post(
        "/submissions", {**STORY, "title": title, "destinations": ["app", WEBHOOK, VERTICAL]}
    )
    for path in await files(folder):
        await author.upload(item["id"], path, "")
    await author.send_event(item["id"], "submit")
    return str(item["id"])


async def _one_clip(folder: Path) -> list[Path]:
    clip = folder / "clip.mp4"
    await make_clip(clip, duration_s=14)
    return [clip]


async def test_worker_killed_while_rendering_still_publishes_once(newsroom: Any, tmp_path: Path) -> None:
    clients = newsroom.clients
    story_id = await _send_in(clients["tongxunyuan"], tmp_path, "抢险现场视频：河湾村连夜加固堤坝", _one_clip)
    await clients["bianji"].wait_for(story_id, lambda item: item["is_intake_done"], "intake")
    await clients["bianji"].send_event(story_id, "claim")
    await clients["bianji"].send_event(story_id, "approve")
    await clients["zhuren"].send_event(story_id, "approve")
    await _wait_for_run(clients["yunwei"], story_id, "render", lambda run: run["started_at"] is not None)
    await asyncio.sleep(2)  # in the middle of an encode
    killed = _kill_worker(newsroom.stack.process.pid)
    await clients["zongbian"].wait_for(
        story_id, lambda item: "approve" in item["allowed_events"], "renditions", timeout_s=240
    )
    assert not psutil.pid_exists(killed)
    await clients["zongbian"].send_event(story_id, "approve")
    await clients["zongbian"].wait_for(story_id, lambda item: item["state"] == "published", "publication")
    await _wait_for_run(clients["yunwei"], story_id, "distribute", lambda run: run["finished_at"] is not None)
    deliveries = (await clients["zongbian"].get(f"/submissions/{story_id}/deliveries"))["deliveries"]
    assert {each["destination"]: each["state"] for each in deliveries} == {
        "app": "confirmed",
        WEBHOOK: "confirmed",
        VERTICAL: "handed_off",
    }
    uris = [each["body"]["uri"] for each in newsroom.webhook_deliveries()]
    assert uris.count(f"urn:uuid:{story_id}") == 1
    runs = (await clients["yunwei"].get(f"/submissions/{story_id}/runs"))["runs"]
    assert next(run for run in runs if run["effect"] == "render")["attempt"] >= 2


async def _wait_for_run(
    client: Client, story_id: str, effect: str, is_there: Callable[[dict[str, Any]], bool]
) -> None:
    async with asyncio.timeout(120):
        while True:
            runs = (await client.get(f"/submissions/{story_id}/runs"))["runs"]
            if any(run["effect"] == effect and is_there(run) for run in runs):
                return
            await asyncio.sleep(0.1)


def _kill_worker(supervisor: int) -> int:
    for child in psutil.Process(supervisor).children():
        if child.cmdline()[-1:] == ["worker"]:
            os.kill(child.pid, signal.SIGKILL)
            return child.pid
    raise AssertionError("no worker runs under the supervisor")


async def test_file_that_is_no_media_comes_back_with_its_reason_and_the_rest_stays(
    newsroom: Any, tmp_path: Path
) -> None:
    async def files(folder: Path) -> list[Path]:
        still, fake = folder / "好图.jpg", folder / "假视频.mp4"
        await make_still(still, width=320, height=240)
        fake.write_text("#EXTM3U\nfile:///etc/passwd\n")
        return [still, fake]

    author = newsroom.clients["tongxunyuan"]
    story_id = await _send_in(author, tmp_path, "带错文件的稿件会退回并说明原因", files)
    item = await author.wait_for(story_id, lambda seen: seen["state"] == "returned", "the refusal")
    assets = {each["filename"]: each for each in item["assets"]}
    assert assets["好图.jpg"]["intake"] == "passed"
    assert assets["假视频.mp4"]["intake"] == "refused"
    assert assets["假视频.mp4"]["refusal"]["zh"]
    assert assets["假视频.mp4"]["refusal"]["en"]
    assert item["title"] == "带错文件的稿件会退回并说明原因"
    assert "edit" in item["allowed_events"]


async def test_wrong_bytes_are_refused_and_can_be_sent_again(newsroom: Any) -> None:
    author = newsroom.clients["tongxunyuan"]
    item = await author.post("/submissions", {"title": "传错的分片可以重传", "destinations": ["app"]})
    announced = {"filename": "a.bin", "size_bytes": 10, "sha256": "0" * 64, "caption": ""}
    upload = await author.post(f"/submissions/{item['id']}/uploads", announced)
    async with httpx.AsyncClient(trust_env=False) as store:
        (await store.put(upload["parts"][0]["url"], content=b"0123456789")).raise_for_status()
    with pytest.raises(ApiRefused) as refused:
        await author.post(f"/submissions/{item['id']}/uploads/{upload['id']}/complete", {})
    assert refused.value.status in (409, 422)
    again = await author.post(f"/submissions/{item['id']}/uploads", {**announced, "sha256": None})
    async with httpx.AsyncClient(trust_env=False) as store:
        (await store.put(again["parts"][0]["url"], content=b"0123456789")).raise_for_status()
    await author.post(f"/submissions/{item['id']}/uploads/{again['id']}/complete", {})


def test_every_reviewer_of_the_demo_is_another_person() -> None:
    assert len({username for username, _, _ in REVIEWERS}) == 3
