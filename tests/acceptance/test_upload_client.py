"""The upload client in a browser: cut, paused and reloaded, it sends each part once and ends with the right bytes."""

import hashlib
from typing import Any

import pytest

pytestmark = pytest.mark.slow
PART = 8 * 2**20
# 5 parts of blocks of 1 MiB whose bytes tell where they stand; every test has a file of its own by its date.
MAKE = """
globalThis.makeFile = (name, date) => {
  const blocks = Array.from({length: %d}, (_, at) => new Uint32Array(2 ** 18).fill(Math.imul(at, 40503) + date));
  return new File(blocks, name, {lastModified: date, type: "video/mp4"});
};
globalThis.sent = [];
const open = XMLHttpRequest.prototype.open;
XMLHttpRequest.prototype.open = function (method, address) {
  const part = new URL(address).searchParams.get("partNumber");
  this.addEventListener("load", () => this.status < 300 && sent.push(part));
  return open.apply(this, arguments);
};
globalThis.begin = async (item, date, name = "clip.mp4") => {
  const { UploadQueue } = await import("/web/uploads.js");
  const queue = new UploadQueue({ headers: () => ({ Authorization: "Bearer %s" }) });
  [globalThis.upload] = queue.add(item, [makeFile(name, date)]);
  globalThis.seen = [];
  upload.addEventListener("change", () => seen.push([upload.state, upload.sentBytes]));
};
globalThis.until = (test) => new Promise((resolve, reject) => {
  const timer = setInterval(() => test() && (clearInterval(timer), resolve(true)), 20);
  setTimeout(() => reject(new Error(`never: ${test}; ${upload.state}`)), 60000);
});
"""
SIZE = 4 * PART + PART // 2
BLOCKS = SIZE // 2**20


def _bytes(date: int) -> bytes:
    return b"".join((at * 40503 + date).to_bytes(4, "little") * 2**18 for at in range(BLOCKS))


@pytest.fixture
async def item(newsroom: Any) -> str:
    draft = await newsroom.clients["tongxunyuan"].post("/submissions", {"title": "汛情"})
    return str(draft["id"])


@pytest.fixture
async def tab(newsroom: Any, page: Any) -> Any:
    """A page of our origin with the client in it. Its own pages run no scripts, so their policy is set aside."""
    await page.call("Page.enable")
    await page.call("Network.enable")
    await page.call("Page.setBypassCSP", enabled=True)
    await _load(newsroom, page)
    return page


async def _load(newsroom: Any, page: Any) -> None:
    await page.call("Page.navigate", url=f"{newsroom.base}/healthz")
    for _ in range(100):
        if await page.look("document.readyState === 'complete' && location.pathname === '/healthz'"):
            break
    token = newsroom.clients["tongxunyuan"].http.headers["Authorization"].removeprefix("Bearer ")
    await page.look(MAKE % (BLOCKS, token) + "; 1")


async def _offline(page: Any, is_offline: bool) -> None:
    await page.call(
        "Network.emulateNetworkConditions",
        offline=is_offline,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=5_000_000,
    )


async def test_file_arrives_whole_with_progress_and_a_clear_end(newsroom: Any, tab: Any, item: str) -> None:
    done = await tab.look(f"begin('{item}', 1).then(() => upload.finished)")
    assert done["asset_sha256"] == hashlib.sha256(_bytes(1)).hexdigest()
    assert done["asset_size_bytes"] == SIZE
    seen = await tab.look("seen")
    states = list(dict.fromkeys(state for state, _ in seen))
    assert states == ["hashing", "sending", "finishing", "done"]
    progress = [sent for _, sent in seen]
    assert (progress == sorted(progress), progress[-1]) == (True, SIZE)
    assert len(set(progress)) > 5
    assert sorted(await tab.look("sent")) == ["1", "2", "3", "4", "5"]
    assert await tab.look("Object.keys(localStorage).length") == 0
    detail = await newsroom.clients["tongxunyuan"].get(f"/submissions/{item}")
    assert [each["filename"] for each in detail["content"]["assets"]] == ["clip.mp4"]


async def test_upload_goes_on_after_a_reload_where_it_stopped(newsroom: Any, tab: Any, item: str) -> None:
    await _offline(tab, False)
    await tab.look(f"begin('{item}', 2).then(() => until(() => sent.length >= 2))")
    before = await tab.look("upload.pause(), sent")
    assert await tab.look("upload.state") == "paused"
    await _load(newsroom, tab)
    listed = await newsroom.clients["tongxunyuan"].get("/uploads")
    assert item in [each["submission_id"] for each in listed["items"]]
    done = await tab.look(f"begin('{item}', 2).then(() => upload.finished)")
    assert done["asset_sha256"] == hashlib.sha256(_bytes(2)).hexdigest()
    # It was hashed and announced once, and at most the parts that were on their way went twice.
    assert "hashing" not in [state for state, _ in await tab.look("seen")]
    after = await tab.look("sent")
    assert len(before) + len(after) <= 5 + len(set(before) & set(after)) <= 5 + 3


async def test_lost_network_is_waited_for(newsroom: Any, tab: Any, item: str) -> None:
    await _offline(tab, False)
    await tab.look(f"begin('{item}', 3).then(() => until(() => sent.length >= 1))")
    await _offline(tab, True)
    await tab.look("until(() => upload.state === 'offline')")
    await _offline(tab, False)
    done = await tab.look("upload.finished")
    assert done["asset_sha256"] == hashlib.sha256(_bytes(3)).hexdigest()


async def test_paused_and_resumed_it_ends_and_cancelled_it_is_gone(
    newsroom: Any, tab: Any, item: str
) -> None:
    await _offline(tab, False)
    await tab.look(f"begin('{item}', 4).then(() => until(() => sent.length >= 1))")
    done = await tab.look("(upload.pause(), upload.resume(), upload.finished)")
    assert done["asset_sha256"] == hashlib.sha256(_bytes(4)).hexdigest()
    await tab.look(f"begin('{item}', 5).then(() => until(() => upload.sentBytes > 0))")
    await tab.look("upload.cancel()")
    listed = (await newsroom.clients["tongxunyuan"].get(f"/submissions/{item}/uploads"))["items"]
    assert (await tab.look("upload.state"), listed) == ("cancelled", [])


async def test_refusal_is_shown_in_the_servers_words(tab: Any, item: str) -> None:
    await tab.look(
        "import('/web/uploads.js').then(({ UploadQueue }) => {"
        f" [globalThis.upload] = new UploadQueue().add('{item}', [makeFile('a.mp4', 6)]);"
        " return until(() => upload.state === 'failed'); })"
    )
    problem = await tab.look("upload.problem")
    assert "登录" in problem["zh"]
    assert "signed in" in problem["en"]


@pytest.mark.parametrize("folder", ["false", "true"])
async def test_picker_asks_for_files_or_a_folder(tab: Any, folder: str) -> None:
    await tab.look("HTMLInputElement.prototype.click = function () { globalThis.input = this; }; 1")
    await tab.look(
        "import('/web/uploads.js').then((client) =>"
        f" {{ globalThis.picked = client.pick({{folder: {folder}, accept: 'image/*'}}); }})"
    )
    shown = await tab.look("[input.type, input.multiple, input.webkitdirectory, input.accept]")
    assert shown == ["file", True, folder == "true", "image/*"]
    assert await tab.look("(input.oncancel(), picked)") == []
