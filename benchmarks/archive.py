"""Published stories with a small picture each: every row by the write path itself, every object in its place."""

import asyncio
import hashlib
import os
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from flows.ledger import Ledger
from states.content import AssetRef, Content
from states.events import Event
from states.item import Request
from states.roles import SYSTEM, Actor, Role
from storage import renditions
from storage.advance import Change, advance
from storage.assets import add_asset
from storage.database import Database
from storage.destinations import add_destination
from storage.drafts import create_submission
from storage.items import load_item
from storage.keys import ASSETS, PUBLIC, RENDITIONS, asset_key, rendition_key
from storage.objects import Objects
from storage.people import actor_of, add_person
from storage.settings import Settings
from storage.tables import Asset, Destination, Person

_PICTURE_BYTES, _SHOWN_BYTES, _AT_ONCE = 40_000, 12_000, 4
_PEOPLE = {
    "author": Role.CORRESPONDENT,
    "first": Role.DUTY_EDITOR,
    "second": Role.DESK_HEAD,
    "final": Role.EDITOR_IN_CHIEF,
}
_CONFIRM = text(
    "UPDATE delivery SET state = 'confirmed', confirmed_at = now() WHERE submission_id = :item RETURNING id"
)


_FINISH = text("UPDATE outbox SET finished_at = now()")


@dataclass(frozen=True, slots=True)
class _Desk:
    db: Database
    objects: Objects
    people: dict[str, Actor]

    async def send(self, item: UUID, event: Event, who: str | None, **facts: Any) -> None:
        async with self.db.transaction() as session:
            loaded = await load_item(session, item)
            actor = self.people[who] if who else SYSTEM
            request = Request(actor, loaded.row.revision_sha256, None)
            await advance(session, item, event, request, Change(facts=facts) if facts else Change())

    async def publish(self, number: int) -> None:
        """One story from its draft to its readers."""
        picture, shown = os.urandom(_PICTURE_BYTES), os.urandom(_SHOWN_BYTES)
        sha256 = hashlib.sha256(picture).hexdigest()
        content = Content(
            title=f"第{number}篇：河湾村连夜加固堤坝",
            body="正文。" * 100,
            ai_label="none",
            destinations=("app",),
            assets=(AssetRef(sha256, "桥.jpg", "新桥"),),
        )
        async with self.db.transaction() as session:
            item = (await create_submission(session, self.people["author"], content)).id
            await add_asset(session, _asset(item, sha256))
        await self.objects.put_bytes(ASSETS, asset_key(sha256), picture, "application/octet-stream")
        await self.send(item, Event.SUBMIT, "author")
        await self.send(item, Event.INTAKE_PASSED, None)
        await self._review(item, "first")
        await self._review(item, "second")
        made, revision, manifest = await self._render(item, sha256, shown)
        facts = {"revision_sha256": revision, "manifest_sha256": manifest, "problems": []}
        await self.send(item, Event.MEDIA_READY, None, **facts)
        await self._review(item, "final")
        target = f"stories/{item}/v1/{sha256[:16]}/app_still/app_still.jpg"
        await self.objects.copy((RENDITIONS, made), (PUBLIC, target), "image/jpeg")
        await self.send(item, Event.DELIVERY_CONFIRMED, None, revision_number=1, destination="app")
        async with self.db.transaction() as session:
            confirmed = await (await session.connection()).execute(_CONFIRM, {"item": item})
            assert len(confirmed.all()) == 1, "a story has one delivery"

    async def _review(self, item: UUID, who: str) -> None:
        await self.send(item, Event.CLAIM, who)
        await self.send(item, Event.APPROVE, who)

    async def _render(self, item: UUID, source: str, shown: bytes) -> tuple[str, str, str]:
        """Where its rendition lies, the revision that goes out with it, and the hash of the manifest."""
        sha256, key = (
            hashlib.sha256(shown).hexdigest(),
            hashlib.sha256(f"{source} app_still".encode()).hexdigest(),
        )
        place = rendition_key(key, f"{sha256[:16]}/app_still.jpg")
        await self.objects.put_bytes(RENDITIONS, place, shown, "image/jpeg")
        file = {"role": "image", "name": "app_still.jpg", "object_key": place, "media_type": "image/jpeg"}
        file |= {"size_bytes": len(shown), "sha256": sha256}
        wanted = renditions.Wanted(key, source, "app_still")
        async with self.db.transaction() as session:
            revision = (await load_item(session, item)).row.revision_sha256
            await renditions.want(session, item, revision, [wanted])
            await renditions.put_ready(session, wanted, [file], {"width": 4, "height": 3})
            made = await renditions.of_revision(session, item, revision)
        return place, revision, renditions.manifest_sha256(made)


def _asset(item: UUID, sha256: str) -> Asset:
    return Asset(
        submission_id=item,
        sha256=sha256,
        size_bytes=_PICTURE_BYTES,
        filename="桥.jpg",
        object_key=asset_key(sha256),
        intake="passed",
        kind="still",
    )


async def fill(settings: Settings, count: int) -> None:
    """So many published stories in an empty newsroom, all of them in the log, its checkpoints copied."""
    db = Database(settings.require_database_url(), _AT_ONCE)
    try:
        people = {}
        async with db.transaction() as session:
            for name, role in _PEOPLE.items():
                person = Person(username=name, display_name=name, password_hash="-", roles=[role])
                people[name] = actor_of(await add_person(session, person))
            await add_destination(session, Destination(id="app", platform="app", name="客户端"))
        desk, gate = _Desk(db, Objects(settings), people), asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> None:
            async with gate:
                await desk.publish(number)

        await asyncio.gather(*(one(number) for number in range(count)))
        async with db.transaction() as session:  # it is all done
            await (await session.connection()).execute(_FINISH)
        ledger = Ledger(settings, db)
        while await ledger.sequence():
            pass
        for place, copy in ledger.places().items():
            while await ledger.copy_some(place, copy):
                pass
    finally:
        await db.close()
