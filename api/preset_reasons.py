"""The reasons that a newsroom keeps ready: read by staff, kept by administrators."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.asking import ADMINISTRATORS, STAFF, Asker, Unit, require
from api.openapi import API, problems
from api.preconditions import IfMatch, content_tag, require_current
from api.problems import invalid_field
from api.schemas.comments import NewPresetReason, PresetReasonPage, PresetReasonPatch, PresetReasonShown
from api.schemas.destinations import Slug
from states.events import Event
from states.submission import MOVES
from storage.preset_reasons import (
    add_preset_reason,
    change_preset_reason,
    list_preset_reasons,
    preset_reason,
)
from storage.tables import PresetReason

router = APIRouter(prefix=f"{API}/preset-reasons", tags=["comments"])
_WITH_REASON = frozenset(move.event for move in MOVES if "gives_reason" in move.guards)


@router.get("", summary="预设理由 · Preset reasons", responses=problems("role-missing", "invalid-request"))
async def preset_reasons(
    asker: Asker,
    unit: Unit,
    event: Event | None = None,
    is_all: Annotated[bool, Query(alias="all", description="Those out of use, too.")] = False,
    cursor: Annotated[Slug | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> PresetReasonPage:
    """By event and position, for staff, by page."""
    require(asker, STAFF, "list_preset_reasons")
    rows = await list_preset_reasons(unit, event, cursor, limit + 1, active_only=not is_all)
    shown = [PresetReasonShown.model_validate(row) for row in rows[:limit]]
    return PresetReasonPage(items=shown, next=shown[-1].id if len(rows) > limit else None)


@router.post(
    "",
    status_code=201,
    summary="新增预设理由 · Add a preset reason",
    responses=problems("role-missing", "already-exists", "invalid-request"),
)
async def add(new: NewPresetReason, asker: Asker, unit: Unit) -> PresetReasonShown:
    """For one event that takes a reason. It is stopped when it is no longer wanted, never deleted."""
    require(asker, ADMINISTRATORS, "add_preset_reason")
    if new.event not in _WITH_REASON:
        names = ", ".join(sorted(_WITH_REASON))
        raise invalid_field(
            "event", f"该操作不需要理由；可选：{names}。", f"It takes no reason; choose one of {names}."
        )
    row = PresetReason(**new.model_dump() | {"event": new.event.value})
    return PresetReasonShown.model_validate(await add_preset_reason(unit, row))


@router.get(
    "/{reason_id}",
    summary="某条预设理由 · One preset reason",
    responses=problems("role-missing", "not-found", "invalid-request"),
)
async def one(reason_id: Slug, asker: Asker, unit: Unit, response: Response) -> PresetReasonShown:
    """The reason, in use or not, with the ETag that a change needs."""
    require(asker, STAFF, "list_preset_reasons")
    return _tagged(PresetReasonShown.model_validate(await preset_reason(unit, reason_id)), response)


@router.patch(
    "/{reason_id}",
    summary="修改预设理由 · Change a preset reason",
    responses=problems(
        "role-missing", "not-found", "stale-version", "precondition-required", "invalid-request"
    ),
)
async def change(
    reason_id: Slug,
    patch: PresetReasonPatch,
    asker: Asker,
    unit: Unit,
    response: Response,
    if_match: IfMatch = None,
) -> PresetReasonShown:
    """Change its words or position, or stop it; what was recorded keeps the words of its day."""
    require(asker, ADMINISTRATORS, "change_preset_reason")
    seen = await preset_reason(unit, reason_id, is_held=True)
    require_current(if_match, PresetReasonShown.model_validate(seen))
    changed = await change_preset_reason(unit, reason_id, patch.model_dump(exclude_unset=True))
    return _tagged(PresetReasonShown.model_validate(changed), response)


def _tagged(shown: PresetReasonShown, response: Response) -> PresetReasonShown:
    response.headers["ETag"] = content_tag(shown)
    return shown
