"""Who may look at somebody else's draft, and who counts as staff."""

from datetime import UTC, datetime

import pytest

from states.access import can_inspect, can_see
from states.item import State
from states.roles import SYSTEM, Actor, Delegated, Role


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("role", [None, *Role])
def test_can_inspect_is_for_administrators_and_others_drafts_alone(state: State, role: Role | None) -> None:
    roles = frozenset({role} if role else ())
    expected = state is State.DRAFT and role is Role.ADMINISTRATOR
    assert can_inspect(state, "author", Actor("other", roles)) is expected
    assert not can_inspect(state, "author", Actor("author", roles))
    assert not can_inspect(state, "author", SYSTEM)


def test_can_see_a_deputy_sees_what_was_sent_in_and_no_drafts() -> None:
    lent = Delegated(Role.DUTY_EDITOR, "principal", frozenset(), "d", datetime(2026, 1, 1, tzinfo=UTC))
    deputy = Actor("deputy", frozenset({Role.CORRESPONDENT}), delegated=(lent,))
    assert can_see(State.RECEIVED, "author", deputy)
    assert not can_see(State.DRAFT, "author", deputy)
    assert not can_inspect(State.DRAFT, "author", deputy)
