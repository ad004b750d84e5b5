"""What goes with a decision or apart from it: comments that fit their revision, and preset reasons in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from api.anchors import check_anchor
from api.problems import invalid_field
from api.schemas.comments import NewComment
from api.schemas.events import EventOrder
from states.content import Content
from states.roles import Actor
from storage.assets import assets_of
from storage.comments import Remark, comment_by_id
from storage.errors import NotFound
from storage.preset_reasons import preset_reason
from storage.revisions import content_by_hash
from storage.seeing import visible_item
from storage.tables import Asset


@dataclass(frozen=True, slots=True)
class Notes:
    """What an order says beside the move itself: the reason in words, facts for the record, comments to keep."""

    reason: str | None
    facts: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()


async def notes_of(session: AsyncSession, actor: Actor, submission_id: UUID, order: EventOrder) -> Notes:
    """The notes of an order. Raises InvalidFields, and NotFound for a submission that may not be seen."""
    facts: dict[str, Any] = {}
    if order.preset_reason_id is not None:
        facts["preset_reason"] = order.preset_reason_id
    reason = await worded(session, "preset_reason_id", order.preset_reason_id, order.reason, order.event)
    remarks = await prepared(
        session, actor, submission_id, order.comments, "comments", default=order.revision_sha256
    )
    if remarks:
        facts["comments"] = [remark.sha256 for remark in remarks]
    return Notes(reason, facts, remarks)


async def worded(
    session: AsyncSession, path: str, preset_id: str | None, free: str | None, event: str | None = None
) -> str | None:
    """The Chinese words of the preset reason, with the free ones on a line below; None where neither is given.

    Raises InvalidFields for a preset that is not in use, or is for another event.
    """
    if preset_id is None:
        return free
    try:
        preset = await preset_reason(session, preset_id)
    except NotFound:
        preset = None
    if preset is None or not preset.is_active or event not in (None, preset.event):
        raise invalid_field(
            path,
            f"没有可用于此操作的预设理由 {preset_id}，请从 GET /api/v1/preset-reasons 中选择。",
            f"There is no preset reason {preset_id} for this; choose one of GET /api/v1/preset-reasons.",
        )
    return "\n".join((preset.zh, free)) if free and free.strip() else preset.zh


async def prepared(
    session: AsyncSession,
    actor: Actor,
    submission_id: UUID,
    wanted: Sequence[NewComment],
    path: str | None = None,
    *,
    default: str | None = None,
) -> tuple[Remark, ...]:
    """The comments, ready to be kept, in the order given; `path` is that of the list in the request.

    Each is on the revision it names, else on `default`, else on the current one. Raises InvalidFields, and
    NotFound for a submission that may not be seen.
    """
    if not wanted:
        return ()
    loaded = await visible_item(session, submission_id, actor)
    assets = {asset.sha256: asset for asset in await assets_of(session, submission_id)}
    piece = _Piece(session, UUID(actor.person_id), submission_id, loaded.row.revision_sha256, assets)
    paths = [""] if path is None else [f"{path}.{place}." for place in range(len(wanted))]
    return tuple(
        [await _remark(piece, new, default, where) for new, where in zip(wanted, paths, strict=True)]
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is commented on, and by whom."""

    session: AsyncSession
    author_id: UUID
    submission_id: UUID
    revision_sha256: str
    assets: Mapping[str, Asset]


async def _remark(piece: _Piece, new: NewComment, default: str | None, path: str) -> Remark:
    sha256 = new.revision_sha256 or default or piece.revision_sha256
    content = await _content(piece, sha256, path)
    if new.anchor is not None:
        check_anchor(f"{path}anchor", new.anchor, content, piece.assets)
    if new.reply_to is not None:
        await _check_reply(piece, new.reply_to, path)
    return Remark(
        piece.submission_id,
        sha256,
        piece.author_id,
        await worded(piece.session, f"{path}preset_reason_id", new.preset_reason_id, new.body) or "",
        new.anchor.model_dump(exclude_none=True) if new.anchor else None,
        new.preset_reason_id,
        new.reply_to,
    )


async def _content(piece: _Piece, sha256: str, path: str) -> Content:
    content = await content_by_hash(piece.session, piece.submission_id, sha256)
    if content is None:
        raise invalid_field(
            f"{path}revision_sha256",
            "本稿没有这个版本，请刷新后重试。",
            "The piece has no such revision; reload and try again.",
        )
    return content


async def _check_reply(piece: _Piece, comment_id: UUID, path: str) -> None:
    try:
        is_here = (await comment_by_id(piece.session, comment_id)).submission_id == piece.submission_id
    except NotFound:
        is_here = False
    if not is_here:
        raise invalid_field(
            f"{path}reply_to", "本稿没有这条批注，请刷新。", "The piece has no such comment; reload."
        )
