"""What chooses between two rows of one event and state. Conditions refuse nothing by themselves."""

from collections.abc import Callable
from datetime import datetime

from states.item import STAGES, Item, Request, State

Condition = Callable[[Item, Request], bool]


def is_later(item: Item, moment: datetime | None) -> bool:
    """Whether the moment is still to come for the item's clock; None never is."""
    return moment is not None and moment > item.now


def _completes_stage(item: Item) -> bool:
    return item.here is None or len(item.here.signed_by) + 1 >= item.here.signatures


def _leads_to(state: State) -> Condition:
    return lambda item, request: (
        item.here is not None and _completes_stage(item) and item.here.leads_to is state
    )


def _held_from(state: State) -> Condition:
    return lambda item, request: item.held_from is state


def _awaits_release(item: Item) -> bool:
    return item.is_signed and (not item.is_live or item.is_changed_since_live)


CONDITIONS: dict[str, Condition] = {
    "is_live": lambda item, request: item.is_live,
    "not_live": lambda item, request: not item.is_live,
    "was_published": lambda item, request: item.is_live and item.is_published,
    "never_published": lambda item, request: item.is_live and not item.is_published,
    "is_fast_track": lambda item, request: item.is_fast_track,
    "is_ordinary": lambda item, request: not item.is_fast_track,
    "changes_content": lambda item, request: request.brings_sha256 != item.revision_sha256,
    "changes_nothing": lambda item, request: request.brings_sha256 == item.revision_sha256,
    "needs_countersignature": lambda item, request: not _completes_stage(item),
    "goes_out_now": lambda item, request: not is_later(item, item.release_at),
    "goes_out_later": lambda item, request: is_later(item, item.release_at),
    "is_signed": lambda item, request: item.is_signed,
    "not_signed": lambda item, request: not item.is_signed,
    "awaits_release": lambda item, request: _awaits_release(item),
    "was_released": lambda item, request: not _awaits_release(item),
    **{f"leads_to_{state.value}": _leads_to(state) for state in (*STAGES[1:], State.APPROVED)},
    **{f"held_from_{state.value}": _held_from(state) for state in STAGES},
}
