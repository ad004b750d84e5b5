"""A piece for which every guard stands open, and for each guard the one change that closes it alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from states.item import Here, Item, Override, Request, State
from states.roles import Actor, Role
from states.wall_time import WallTime

ME = "me"
OTHER = "somebody else"
ASKER = "who asked for an override"
REVISION = "a" * 64
NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
LATER = WallTime("2026-05-04T20:00", "Asia/Shanghai")  # 12:00 UTC: still to come
PAST = WallTime("2026-05-04T16:00", "Asia/Shanghai")  # 08:00 UTC: gone

Situation = tuple[Item, Request]
Close = Callable[[Item, Request], Situation]

# Of the three reviews; an extra stage has whichever of the three roles its workflow names.
ROLE_OF = {
    State.RECEIVED: Role.DUTY_EDITOR,
    State.FIRST_REVIEW: Role.DUTY_EDITOR,
    State.SECOND_REVIEW: Role.DESK_HEAD,
    State.FINAL_REVIEW: Role.EDITOR_IN_CHIEF,
}
ONWARDS = {
    State.RECEIVED: State.SECOND_REVIEW,
    State.FIRST_REVIEW: State.SECOND_REVIEW,
    State.SECOND_REVIEW: State.FINAL_REVIEW,
    State.EXTRA_REVIEW: State.FINAL_REVIEW,
    State.FINAL_REVIEW: State.APPROVED,
}


def _item(**changes: object) -> Close:
    return lambda item, request: (replace(item, **changes), request)  # type: ignore[arg-type]


def _asks(**changes: object) -> Close:
    return lambda item, request: (item, replace(request, **changes))  # type: ignore[arg-type]


def _other_column(item: Item, request: Request) -> Situation:
    return item, replace(request, actor=replace(request.actor, columns=frozenset({"sports"})))


def _reviewed_another_stage(item: Item, request: Request) -> Situation:
    return replace(item, reviewers=item.reviewers | {("another stage", ME)}), request


def _signed_before(item: Item, request: Request) -> Situation:
    assert item.here is not None
    return replace(item, here=replace(item.here, signed_by=item.here.signed_by | {ME})), request


def _asked_by(person_id: str) -> Close:
    def close(item: Item, request: Request) -> Situation:
        assert item.override is not None
        asked = replace(item.override, asker=replace(item.override.asker, person_id=person_id))
        return replace(item, override=asked), request

    return close


def _asker_reviewed(item: Item, request: Request) -> Situation:
    return replace(item, reviewers=item.reviewers | {("another stage", ASKER)}), request


def _successor_without_role(item: Item, request: Request) -> Situation:
    assert request.successor is not None
    return item, replace(request, successor=replace(request.successor, roles=frozenset({Role.OPERATOR})))


CLOSE: dict[str, Close] = {
    "is_author": _item(author_id=OTHER),
    "is_author_or_editor": _item(author_id=OTHER),
    "not_author": _item(author_id=ME),
    "not_last_editor": _item(last_editor_id=ME),
    "not_earlier_reviewer": _reviewed_another_stage,
    "column_fits": _other_column,
    "not_claimed_by_another": _item(claimed_by=OTHER),
    "holds_claim": _item(claimed_by=None),
    "is_held_by_another": _item(claimed_by=ME),
    "successor_fits": _successor_without_role,
    "sees_current_revision": _asks(revision_sha256="b" * 64),
    "gives_reason": _asks(reason=" \n"),
    "intake_done": _item(is_intake_done=False),
    "has_changes": _item(is_changed_since_live=False),
    "has_title": _item(has_title=False),
    "has_content": _item(has_body_or_asset=False),
    "ai_declared": _item(is_ai_declared=False),
    "uploads_finished": _item(has_open_uploads=True),
    "has_destination": _item(has_destination=False),
    "renditions_ready": _item(missing_renditions=("app_hls (failed)",)),
    "within_platform_limits": _item(destination_problems=("抖音: 太长 / too long",)),
    "signs_once": _signed_before,
    "release_in_future": _asks(release=PAST),
    "after_embargo": _item(embargo_until=LATER.instant() + timedelta(seconds=1)),
    "is_due": _item(release_at=LATER.instant()),
    "override_asked": _item(override=None),
    "not_override_asker": _asked_by(ME),
    "asker_independent": _asker_reviewed,
}


def _here(state: State, held_from: State | None) -> Here | None:
    """The stage of the standard workflow; for an extra stage one that a desk head signs."""
    stage = held_from if state is State.HELD and held_from else state
    if stage not in ONWARDS:
        return None
    key = "first_review" if stage is State.RECEIVED else stage.value
    return Here(key, ROLE_OF.get(stage, Role.DESK_HEAD), leads_to=ONWARDS[stage])


def _open(
    state: State,
    role: Role | None,
    *,
    is_mine: bool = False,
    claimed_by: str | None = ME,
    held_from: State | None = None,
    **changes: object,
) -> Situation:
    """Everything is in order; `is_mine` says whether the actor wrote the piece."""
    author = ME if is_mine else OTHER
    here = _here(state, held_from)
    item = Item(
        state=state,
        author_id=author,
        last_editor_id=author,
        column="news",
        revision_sha256=REVISION,
        now=NOW,
        here=here,
        claimed_by=claimed_by,
        held_from=held_from,
        override=Override(Actor(ASKER, frozenset({Role.DUTY_EDITOR})), here.key, REVISION) if here else None,
        is_changed_since_live=True,
        is_intake_done=True,
        has_title=True,
        has_body_or_asset=True,
        is_ai_declared=True,
    )
    actor = Actor(None if role is Role.SYSTEM else ME, frozenset({role} if role else ()))
    request = Request(
        actor,
        REVISION,
        "because",
        brings_sha256="c" * 64,
        successor=Actor("who takes over", frozenset(Role) - {Role.SYSTEM}),
        release=LATER,
    )
    return replace(item, **changes), request  # type: ignore[arg-type]


@pytest.fixture
def open_situation() -> Callable[..., Situation]:
    """`open_situation(state, role, is_mine=…, claimed_by=…, **changes of the item)`: an item and a request."""
    return _open


@pytest.fixture
def close() -> dict[str, Close]:
    """For each guard, the change that makes it refuse and leaves the others open."""
    return CLOSE
