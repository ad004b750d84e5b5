"""A piece for which every guard stands open, and for each guard the one change that closes it alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from states.item import Item, Request, State
from states.roles import Actor, Role

ME = "me"
OTHER = "somebody else"
REVISION = "a" * 64

Situation = tuple[Item, Request]
Close = Callable[[Item, Request], Situation]


def _item(**changes: object) -> Close:
    return lambda item, request: (replace(item, **changes), request)  # type: ignore[arg-type]


def _wrong_revision(item: Item, request: Request) -> Situation:
    return item, replace(request, revision_sha256="b" * 64)


def _blank_reason(item: Item, request: Request) -> Situation:
    return item, replace(request, reason=" \n")


def _other_column(item: Item, request: Request) -> Situation:
    return item, replace(request, actor=replace(request.actor, columns=frozenset({"sports"})))


def _reviewed_another_stage(item: Item, request: Request) -> Situation:
    is_first = item.state in (State.RECEIVED, State.FIRST_REVIEW)
    elsewhere = State.SECOND_REVIEW if is_first else State.FIRST_REVIEW
    return replace(item, reviewers=frozenset({(elsewhere, ME)})), request


CLOSE: dict[str, Close] = {
    "is_author": _item(author_id=OTHER),
    "is_author_or_editor": _item(author_id=OTHER),
    "not_author": _item(author_id=ME),
    "not_last_editor": _item(last_editor_id=ME),
    "not_earlier_reviewer": _reviewed_another_stage,
    "column_fits": _other_column,
    "not_claimed_by_another": _item(claimed_by=OTHER),
    "holds_claim": _item(claimed_by=None),
    "sees_current_revision": _wrong_revision,
    "gives_reason": _blank_reason,
    "intake_done": _item(is_intake_done=False),
    "has_changes": _item(is_changed_since_live=False),
    "has_title": _item(has_title=False),
    "has_content": _item(has_body_or_asset=False),
    "ai_declared": _item(is_ai_declared=False),
    "uploads_finished": _item(has_open_uploads=True),
    "has_destination": _item(has_destination=False),
    "renditions_ready": _item(missing_renditions=("app_hls (failed)",)),
    "within_platform_limits": _item(destination_problems=("抖音: 太长 / too long",)),
}


def _open(state: State, role: Role | None, *, is_mine: bool = False, **changes: object) -> Situation:
    """Everything is in order; `is_mine` says whether the actor wrote the piece."""
    author = ME if is_mine else OTHER
    item = Item(
        state=state,
        author_id=author,
        last_editor_id=author,
        column="news",
        revision_sha256=REVISION,
        claimed_by=ME,
        is_changed_since_live=True,
        is_intake_done=True,
        has_title=True,
        has_body_or_asset=True,
        is_ai_declared=True,
    )
    actor = Actor(None if role is Role.SYSTEM else ME, frozenset({role} if role else ()))
    return replace(item, **changes), Request(actor, REVISION, "because")  # type: ignore[arg-type]


@pytest.fixture
def open_situation() -> Callable[..., Situation]:
    """`open_situation(state, role, is_mine=…, **changes of the item)`: an item and a request."""
    return _open


@pytest.fixture
def close() -> dict[str, Close]:
    """For each guard, the change that makes it refuse and leaves the others open."""
    return CLOSE
