"""What the record says of a move beside who, when and from where to where: identifiers, times and hashes only."""

from typing import Any

from states.events import Event
from states.item import STAGES, State
from storage.move_values import Moving


def facts_of(moving: Moving) -> dict[str, Any]:
    """The facts that came with the event, and those that only the write path knows."""
    facts = dict(moving.facts)
    delegated = moving.decision.delegated
    if delegated is not None:
        facts["on_behalf_of"] = delegated.principal_id
        facts["delegation"] = {"id": delegated.delegation_id, "until": delegated.until.isoformat()}
    if moving.beginning is not None:
        facts["workflow"] = moving.beginning[0]
    if moving.row.stage is not None and moving.row.state in (State.RECEIVED, *STAGES):
        facts["stage"] = moving.row.stage
    return facts | _event_facts(moving)


def _event_facts(moving: Moving) -> dict[str, Any]:
    row, override = moving.row, moving.loaded.item.override
    if moving.signs_off:
        return {"manifest_sha256": row.media_manifest_sha256}
    if moving.event is Event.CONFIRM_OVERRIDE and override is not None:
        return {"override_asked_by": override.asker.person_id}
    if moving.event is Event.SCHEDULE and moving.request.release is not None:
        release = moving.request.release
        return {"release": release.to_json() | {"at": release.instant().isoformat()}}
    if moving.event is Event.HAND_OVER and moving.request.successor is not None:
        return {"to": moving.request.successor.person_id}
    if moving.event is Event.FORCE_RELEASE:
        return {"held_by": str(row.claimed_by)}
    return {}
