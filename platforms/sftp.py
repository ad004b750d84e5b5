"""Drop folders on SFTP servers: television playout, radio, print. Media first, and its sidecar last of all.

A drop is committed when its sidecar takes its name. Just before, that is noted in our own store, for a playout takes
away what it finds: so a repeat can tell what was taken from what never came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from platforms.connecting import LinkFailed, check_link
from platforms.frame import (
    Addresses,
    Confirmed,
    DestinationConfig,
    Outcome,
    Platform,
    Problem,
    Refused,
    Sent,
    Tools,
    TryLater,
    missing_renditions,
    refuse_missing,
)
from platforms.sftp_note import Note, noted, put_note
from platforms.sftp_session import Session, drop_session, drop_settings
from platforms.sftp_upload import TEMPORARY, names_of, place, remove, rename, size_of, stage
from platforms.sftp_words import NOT_THERE, TAKEN
from platforms.sidecar import (
    DropFile,
    base_name,
    drop_files,
    is_base_of,
    sidecar,
    text_files,
)
from platforms.story import MediaKind, Story
from states.text import Text

_SOURCE = "PLATFORMS.md, read 2026-11-22"


class DropPlatform(Platform):
    """A drop folder of one kind. Settings and secret: `sftp_session.drop_settings`."""

    is_idempotent = True  # by the names, which stand for the content, and by the note
    can_look_up = True
    kind: ClassVar[str]
    carries: ClassVar[tuple[MediaKind, ...]]  # of these, at least one; none: the text alone will do
    nothing: ClassVar[Text]  # what is said when there is none

    async def check_settings(self, destination: DestinationConfig, addresses: Addresses) -> None:
        """As `drop_settings` reads them, and a server that may be connected to."""
        await check_link(lambda: drop_settings(destination), addresses)

    def check(self, story: Story) -> tuple[Problem, ...]:
        """What a drop of this kind cannot do without: a title, and something to broadcast."""
        problems = []
        if not story.title.strip():
            problems.append(Problem(f"{self.name}.title_missing", _no_title(self.label), None, _SOURCE))
        if self.carries and not any(media.kind in self.carries for media in story.media):
            problems.append(Problem(f"{self.name}.media_missing", self.nothing, None, _SOURCE))
        return tuple(problems)

    async def publish(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Put everything there, the sidecar last: Confirmed under the name that all its files begin with."""
        return await self._publish(story, destination, delivery_id, tools)

    async def correct(
        self, story: Story, destination: DestinationConfig, delivery_id: str, before: Sent, tools: Tools
    ) -> Outcome:
        """Put the newer version there, naming what it replaces, then remove of the older what was not yet taken."""
        note = await noted(before.delivery_id, tools)
        old = before.external_id or (note.base if note else "")
        if not is_base_of(old, story) or old == base_name(story):
            return await self._publish(story, destination, delivery_id, tools)
        outcome = await self._publish(story, destination, delivery_id, tools, replaces=old)
        if not isinstance(outcome, Confirmed):
            return outcome
        try:
            async with drop_session(destination, tools) as session:
                was_there = await _clear(session, old, ())
            await _withdraw(before.delivery_id, note, tools, was_there=was_there)
        except LinkFailed as failed:
            return failed.outcome
        return outcome

    async def retract(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Remove what is still there and leave a notice. Refused, for a person, where it was taken already."""
        base, note = base_name(story), await noted(delivery_id, tools)
        files = self._files(story, tools)
        notice = sidecar(story, self.kind, files, status="retracted")
        try:
            async with drop_session(destination, tools) as session:
                is_whole = await _is_whole(session, files)
                was_there = await _clear(session, base, [file.name for file in files]) and is_whole
                note = await _withdraw(delivery_id, note, tools, was_there=was_there)
                await stage(session, notice, tools)
                await rename(session, notice)
        except LinkFailed as failed:
            return failed.outcome
        if note and not note.is_withdrawn:
            return Refused(TAKEN)
        return Confirmed(external_id=base, url=None)

    async def status(self, story: Story, destination: DestinationConfig, sent: Sent, tools: Tools) -> Outcome:
        """Confirmed: it is there, or was and has been taken. TryLater: certainly not out."""
        base, note = base_name(story), await noted(sent.delivery_id, tools)
        try:
            async with drop_session(destination, tools) as session:
                if await size_of(session, f"{base}.xml") is not None:
                    return Confirmed(external_id=base, url=None)
                is_pending = await size_of(session, f"{base}.xml{TEMPORARY}") is not None
        except LinkFailed as failed:
            return failed.outcome
        if note and note.base == base and not note.is_withdrawn and not is_pending:
            return Confirmed(external_id=base, url=None)
        return TryLater(NOT_THERE)

    def _files(self, story: Story, tools: Tools) -> tuple[DropFile, ...]:  # noqa: ARG002 - print has a text too
        profiles = dict.fromkeys(
            name
            for each in (self.renditions, self.where_possible)
            for names in each.values()
            for name in names
        )
        return drop_files(story, tuple(profiles))

    async def _publish(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools, replaces: str = ""
    ) -> Outcome:
        missing = missing_renditions(self, story)
        if missing:
            return refuse_missing(missing)
        files = self._files(story, tools)
        if self.carries and not files:
            return Refused(self.nothing)
        card = sidecar(story, self.kind, files, replaces=replaces)
        note = Note(base_name(story), card.sha256)
        try:
            async with drop_session(destination, tools) as session:
                if not await _is_committed(session, card, note, delivery_id, tools):
                    for file in files:
                        await place(session, file, tools)
                    await _remove_others(session, note.base, files)
                    await _commit(session, card, note, delivery_id, tools)
        except LinkFailed as failed:
            return failed.outcome
        return Confirmed(external_id=note.base, url=None)


async def _is_committed(session: Session, card: DropFile, note: Note, delivery_id: str, tools: Tools) -> bool:
    """Whether this very drop was committed before, be it that all of it has been taken since."""
    if await noted(delivery_id, tools) != note:
        return False
    return await size_of(session, card.name + TEMPORARY) is None


async def _commit(session: Session, card: DropFile, note: Note, delivery_id: str, tools: Tools) -> None:
    await stage(session, card, tools)
    await put_note(delivery_id, note, tools)
    await rename(session, card)


async def _is_whole(session: Session, files: Sequence[DropFile]) -> bool:
    """Whether every file of the store is still there: some playouts take the media and leave its sidecar."""
    for file in files:
        if file.object_key and await size_of(session, file.name) is None:
            return False
    return True


async def _remove_others(session: Session, base: str, files: Sequence[DropFile]) -> None:
    """What an earlier render of this version left."""
    kept = {name for file in files for name in (file.name, file.name + TEMPORARY)}
    for name in await names_of(session, base):
        if name not in kept:
            await remove(session, name)


async def _clear(session: Session, base: str, names: Sequence[str]) -> bool:
    """Remove a drop, its sidecar first, for without one nothing is taken. Whether the sidecar was still there."""
    was_there = await remove(session, f"{base}.xml")
    was_pending = await remove(session, f"{base}.xml{TEMPORARY}")
    halves = (name + TEMPORARY for name in names)
    for name in dict.fromkeys((*names, *halves, *await names_of(session, base))):
        await remove(session, name)
    return was_there or was_pending


async def _withdraw(delivery_id: str, note: Note | None, tools: Tools, *, was_there: bool) -> Note | None:
    if note is None or not was_there:
        return note
    withdrawn = replace(note, is_withdrawn=True)
    await put_note(delivery_id, withdrawn, tools)
    return withdrawn


def _no_title(label: Text) -> Text:
    return Text(f"{label.zh}：稿件没有标题。请先写标题。", f"{label.en}: there is no title. Write one first.")


class TvDrop(DropPlatform):
    """Television playout: MXF."""

    name, kind = "tv_drop", "tv"
    label = Text(zh="电视播出（SFTP 投递）", en="Television playout (SFTP drop)")
    renditions = MappingProxyType({"video": ("tv_mxf",)})
    carries = ("video",)
    nothing = Text(
        zh="电视播出需要至少一段视频。请补充视频，或取消该渠道。",
        en="Television playout needs a video. Add one, or leave this destination out.",
    )


class RadioDrop(DropPlatform):
    """Radio: WAV of the sound, a video's too."""

    name, kind = "radio_drop", "radio"
    label = Text(zh="广播 WAV（SFTP 投递）", en="Radio, WAV (SFTP drop)")
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({"audio": ("radio_wav",)})
    where_possible = MappingProxyType({"video": ("radio_wav",)})
    carries = ("audio", "video")
    nothing = Text(
        zh="广播需要至少一段音频，或有声的视频。请补充，或取消该渠道。",
        en="Radio needs a sound, or a video that has one. Add one, or leave this destination out.",
    )


class RadioMp3Drop(RadioDrop):
    """Radio stations that take MP3."""

    name = "radio_mp3_drop"
    label = Text(zh="广播 MP3（SFTP 投递）", en="Radio, MP3 (SFTP drop)")
    renditions = MappingProxyType({"audio": ("radio_mp3",)})
    where_possible = MappingProxyType({"video": ("radio_mp3",)})


class PrintDrop(DropPlatform):
    """A newspaper's desk: stills as JPEG of 300 dpi, and the text as HTML and ninjs."""

    name, kind = "print_drop", "print"
    label = Text(zh="报纸排版 JPEG（SFTP 投递）", en="Print, JPEG (SFTP drop)")
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({"still": ("print_still",)})
    carries = ()
    nothing = Text("", "")

    def _files(self, story: Story, tools: Tools) -> tuple[DropFile, ...]:
        return (*super()._files(story, tools), *text_files(story, tools.site))


class PrintTiffDrop(PrintDrop):
    """A newspaper's desk that takes TIFF."""

    name = "print_tiff_drop"
    label = Text(zh="报纸排版 TIFF（SFTP 投递）", en="Print, TIFF (SFTP drop)")
    renditions = MappingProxyType({"still": ("print_tiff",)})


DROPS: tuple[DropPlatform, ...] = (TvDrop(), RadioDrop(), RadioMp3Drop(), PrintDrop(), PrintTiffDrop())
