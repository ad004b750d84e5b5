"""Unsaved work of one submission: kept while somebody types, recovered after a claim was lost."""

from uuid import UUID

from fastapi import APIRouter, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import Asker, Unit
from api.detail import person
from api.openapi import API, problems
from api.problems import invalid_field
from api.schemas.autosaves import Autosaves, AutosaveShown, NewAutosave
from states.roles import Actor, Role
from storage.autosaves import Typed, autosave_of, drop_autosave, keep_autosave, list_autosaves
from storage.people import display_names
from storage.seeing import visible_submission
from storage.tables import Autosave, Submission

router = APIRouter(prefix=f"{API}/submissions/{{submission_id}}", tags=["submissions"])
_PROBLEMS = problems("not-found", "invalid-request")
_HEADS = frozenset({Role.DESK_HEAD, Role.EDITOR_IN_CHIEF})
_MOST = 20


@router.put(
    "/autosave",
    summary="自动保存 · Keep unsaved work",
    responses=problems("not-found", "guard-refused", "invalid-request"),
)
async def keep(submission_id: UUID, new: NewAutosave, asker: Asker, unit: Unit) -> AutosaveShown:
    """Keep what you typed, in place of your copy before. It makes no revision and no event, and needs no If-Match.

    It is taken from the author and from whoever has the piece or had it: a claim that was taken back loses no text.
    """
    row = await visible_submission(unit, submission_id, asker)
    if new.base_revision_number > row.revision_number:
        raise invalid_field(
            "base_revision_number",
            f"本稿目前只到第 {row.revision_number} 版，请刷新。",
            f"The piece has {row.revision_number} revisions only; reload.",
        )
    typed = Typed(new.base_revision_number, new.content.model_dump(exclude_unset=True))
    kept = await keep_autosave(unit, row, UUID(asker.person_id), typed)
    return (await _shown(unit, row, [kept]))[0]


@router.get("/autosave", summary="我的自动保存 · Your unsaved work", responses=_PROBLEMS)
async def own(submission_id: UUID, asker: Asker, unit: Unit) -> AutosaveShown:
    """Your copy, if you have one."""
    row = await visible_submission(unit, submission_id, asker)
    kept = await autosave_of(unit, submission_id, UUID(asker.person_id))
    return (await _shown(unit, row, [kept]))[0]


@router.delete(
    "/autosave", status_code=204, summary="删除我的自动保存 · Drop your unsaved work", responses=_PROBLEMS
)
async def drop(submission_id: UUID, asker: Asker, unit: Unit) -> Response:
    """Drop your copy, as when it was saved; none is dropped already."""
    await visible_submission(unit, submission_id, asker)
    await drop_autosave(unit, submission_id, UUID(asker.person_id))
    return Response(status_code=204)


@router.get("/autosaves", summary="找回未保存内容 · Everybody's unsaved work", responses=_PROBLEMS)
async def everybodys(submission_id: UUID, asker: Asker, unit: Unit) -> Autosaves:
    """For heads, and whoever acts for one: everybody's copies, the newest 20. For all others: their own."""
    row = await visible_submission(unit, submission_id, asker)
    whose = None if _is_head(asker) else UUID(asker.person_id)
    return Autosaves(
        autosaves=await _shown(unit, row, await list_autosaves(unit, submission_id, whose, _MOST))
    )


def _is_head(actor: Actor) -> bool:
    return bool(_HEADS & (actor.roles | {each.role for each in actor.delegated}))


async def _shown(session: AsyncSession, row: Submission, kept: list[Autosave]) -> list[AutosaveShown]:
    names = await display_names(session, {each.person_id for each in kept}) if kept else {}
    return [
        AutosaveShown(
            person=person(each.person_id, names),
            base_revision_number=each.base_revision_number,
            current_revision_number=row.revision_number,
            is_outdated=each.base_revision_number != row.revision_number,
            saved_at=each.saved_at,
            content=each.content,
        )
        for each in kept
    ]
