"""An H5 package from the author's draft to its readers: unpacked before sign-off, signed, handed out, taken back."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flows import distribute, intake, render, retract
from flows.ledger import Ledger
from states.events import Effect, Event
from storage import renditions
from storage.keys import ASSETS, PACKAGES, PUBLIC
from storage.objects import Objects

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_tasks")]
FILES = {"site/index.html": b"<!doctype html><script src=app.js></script>", "site/app.js": b"1"}
_FLOWS = {
    Effect.INTAKE: intake.intake,
    Effect.RENDER: render.render,
    Effect.DISTRIBUTE: distribute.distribute,
}


def _package(folder: Path, name: str = "site/app.js") -> Path:
    path = folder / "page.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in FILES.items():
            archive.writestr(each if each != "site/app.js" else name, data)
    return path


async def _run(desk: Any, effect: Effect, item: UUID, about: Any) -> None:
    fence = await desk.take(effect, item)
    await _FLOWS[effect].fn(item, about, fence.outbox_id, fence.attempt)


async def _sent_in(desk: Any, path: Path) -> tuple[UUID, str]:
    room = desk.newsroom
    item = (await room.draft()).id
    await desk.add_file(item, path)
    await room.send(item, Event.SUBMIT, "writer")
    sha256 = await room.revision(item)
    await _run(desk, Effect.INTAKE, item, sha256)
    return item, sha256


async def test_package_is_signed_file_by_file_and_taken_back_from_readers_alone(
    desk: Any, tmp_path: Path
) -> None:
    room, objects = desk.newsroom, Objects(desk.settings)
    item, sha256 = await _sent_in(desk, _package(tmp_path))
    for event, who in (("claim", "duty"), ("approve", "duty"), ("claim", "head"), ("approve", "head")):
        await room.send(item, Event(event), who)
    await room.send(item, Event.CLAIM, "chief")
    await _run(desk, Effect.RENDER, item, sha256)
    async with room.db.transaction() as session:
        (made,) = await renditions.of_revision(session, item, sha256)
    assert made.profile == "app_package"
    assert {file["name"]: file["sha256"] for file in made.files} == {
        name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()
    }
    assert (await desk.item(item)).media_manifest_sha256 == renditions.manifest_sha256([made])
    assert await objects.names(PACKAGES, f"stories/{item}/") == []  # nothing is with readers before sign-off
    await room.send(item, Event.APPROVE, "chief")
    await Ledger(desk.settings, room.db).sequence()
    revision = (await desk.item(item)).revision_number
    await _run(desk, Effect.DISTRIBUTE, item, revision)
    folder = f"stories/{item}/v{revision}/{made.source_sha256[:16]}/app_package"
    out = await objects.names(PACKAGES, f"stories/{item}/")
    assert sorted(out) == sorted(f"{folder}/{name}" for name in FILES)
    assert [await objects.read(PACKAGES, f"{folder}/{name}") for name in FILES] == list(FILES.values())
    assert await objects.names(PUBLIC, f"stories/{item}/") == []  # the store's own origin never has a page

    await room.send(item, Event.RETRACT, "chief", reason="失实")
    fence = await desk.take(Effect.RETRACT, item)
    await retract.retract.fn(item, fence.outbox_id, fence.attempt)
    assert await objects.names(PACKAGES, f"stories/{item}/") == []
    (asset,) = (await desk.assets(item)).values()
    assert await objects.exists(ASSETS, asset.object_key)
    assert all([await objects.exists("renditions", file["object_key"]) for file in made.files])


async def test_package_that_leads_out_of_its_folder_goes_back_to_its_author(
    desk: Any, tmp_path: Path
) -> None:
    item, _ = await _sent_in(desk, _package(tmp_path, "../app.js"))
    assert (await desk.item(item)).state == "returned"
    assert (await desk.assets(item))["page.zip"].intake == "refused"
