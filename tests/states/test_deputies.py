"""Acting for somebody else: a lent role counts while it lasts; nobody reviews their own piece through a deputy."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from states.decide import allowed_events, decide
from states.events import Event
from states.item import STAGES, Here, Item, Override, Request, State
from states.refusals import GuardRefused, MoveRefused, RoleMissing
from states.roles import Actor, Delegated, Role
from states.submission import MOVES_FROM

Open = Callable[..., tuple[Item, Request]]
HEAD = Role.DESK_HEAD
NOW = datetime.fromisoformat("2026-05-04T09:00+00:00")


def lent(
    role: Role = HEAD, by: str = "principal", columns: tuple[str, ...] = (), seconds: float = 3600
) -> Delegated:
    return Delegated(role, by, frozenset(columns), f"from {by}", NOW + timedelta(seconds=seconds))


def deputy(*delegated: Delegated, roles: tuple[Role, ...] = (), columns: tuple[str, ...] = ()) -> Actor:
    return Actor("me", frozenset(roles), frozenset(columns), delegated)


def second_review(open_situation: Open, actor: Actor, **changes: Any) -> tuple[Item, Request]:
    item, request = open_situation(State.SECOND_REVIEW, None, **changes)
    assert item.now == NOW
    return item, replace(request, actor=actor)


def test_approve_with_a_lent_role_says_on_whose_behalf(open_situation: Open) -> None:
    delegated = lent()
    item, request = second_review(open_situation, deputy(delegated))
    decision = decide(item, Event.APPROVE, request)
    assert (decision.target, decision.delegated) == (State.FINAL_REVIEW, delegated)
    assert {Event.APPROVE, Event.CLAIM, Event.HOLD} <= set(allowed_events(item, request.actor))


def test_approve_with_a_role_of_ones_own_is_in_ones_own_name(open_situation: Open) -> None:
    item, request = second_review(open_situation, deputy(lent(), roles=(HEAD,)))
    assert decide(item, Event.APPROVE, request).delegated is None


LENDABLE = [
    event for event in Event if (event, State.SECOND_REVIEW) in MOVES_FROM and event is not Event.ASK_OVERRIDE
]


@pytest.mark.parametrize("event", LENDABLE)
def test_lent_role_opens_every_event_that_the_role_itself_does(event: Event, open_situation: Open) -> None:
    """Withdrawing what goes on is for whoever may; the machine's events are lent to nobody."""
    holder = "somebody else" if event is Event.FORCE_RELEASE else "me"
    item, request = second_review(open_situation, Actor("me", frozenset({HEAD})), claimed_by=holder)
    try:
        target = decide(item, event, request).target
    except MoveRefused as refusal:
        with pytest.raises(type(refusal)):
            decide(item, event, replace(request, actor=deputy(lent())))
        return
    assert decide(item, event, replace(request, actor=deputy(lent()))).target is target


def test_override_is_asked_for_in_ones_own_right_only(open_situation: Open) -> None:
    """Or who lends the role could review another stage, and the three would be two."""
    item, request = second_review(open_situation, deputy(lent()))
    with pytest.raises(RoleMissing):
        decide(item, Event.ASK_OVERRIDE, request)
    own = replace(request, actor=deputy(lent(), roles=(Role.DUTY_EDITOR,)))
    assert decide(item, Event.ASK_OVERRIDE, own).delegated is None


@pytest.mark.parametrize(("seconds", "counts"), [(1, True), (0, False), (-1, False)])
def test_lent_role_counts_until_its_end(seconds: float, counts: bool, open_situation: Open) -> None:
    item, request = second_review(open_situation, deputy(lent(seconds=seconds)))
    if counts:
        assert decide(item, Event.APPROVE, request).delegated is not None
        return
    with pytest.raises(RoleMissing):
        decide(item, Event.APPROVE, request)
    assert allowed_events(item, request.actor) == ()


def test_lent_role_of_another_stage_is_none(open_situation: Open) -> None:
    for role in set(Role) - {HEAD}:
        item, request = second_review(open_situation, deputy(lent(role)))
        with pytest.raises(RoleMissing):
            decide(item, Event.APPROVE, request)


@pytest.mark.parametrize(
    ("changes", "guard"),
    [
        ({"author_id": "principal"}, "not_author"),
        ({"last_editor_id": "principal"}, "not_last_editor"),
        ({"reviewers": frozenset({("first_review", "principal")})}, "not_earlier_reviewer"),
        ({"author_id": "me"}, "not_author"),
        ({"last_editor_id": "me"}, "not_last_editor"),
        ({"reviewers": frozenset({("first_review", "me")})}, "not_earlier_reviewer"),
        ({"claimed_by": "principal"}, "not_claimed_by_another"),
        ({"here": Here("second_review", HEAD, 2, frozenset({"me"}), State.FINAL_REVIEW)}, "signs_once"),
        (
            {"here": Here("second_review", HEAD, 2, frozenset({"principal"}), State.FINAL_REVIEW)},
            "signs_once",
        ),
    ],
)
def test_approve_for_somebody_who_may_not_or_by_somebody_who_may_not_is_refused(
    changes: dict[str, Any], guard: str, open_situation: Open
) -> None:
    item, request = second_review(open_situation, deputy(lent()), **changes)
    with pytest.raises(GuardRefused) as refused:
        decide(item, Event.APPROVE, request)
    assert refused.value.guard == guard


@pytest.mark.parametrize(
    ("own", "theirs", "fits"),
    [
        ((), ("news",), True),
        ((), ("sports",), False),
        (("sports",), ("news",), True),
        (("sports",), (), True),
        (("news",), ("sports",), False),
    ],
)
def test_lent_role_reaches_the_columns_of_whose_it_is(
    own: tuple[str, ...], theirs: tuple[str, ...], fits: bool, open_situation: Open
) -> None:
    item, request = second_review(open_situation, deputy(lent(columns=theirs), columns=own))
    if fits:
        decide(item, Event.APPROVE, request)
        return
    with pytest.raises(GuardRefused) as refused:
        decide(item, Event.APPROVE, request)
    assert refused.value.guard == "column_fits"


def test_lent_role_counts_where_the_same_role_of_ones_own_does_not_reach(open_situation: Open) -> None:
    """The head of sports stands in for the head of news."""
    actor = deputy(lent(columns=("news",)), roles=(HEAD,), columns=("sports",))
    item, request = second_review(open_situation, actor)
    assert decide(item, Event.APPROVE, request).delegated is not None


def test_approve_for_the_second_principal_when_the_first_may_not(open_situation: Open) -> None:
    actor = deputy(lent(by="author"), lent(by="other head"))
    item, request = second_review(open_situation, actor, author_id="author")
    decision = decide(item, Event.APPROVE, request)
    assert decision.delegated is not None
    assert decision.delegated.principal_id == "other head"


def test_approve_in_ones_own_name_after_somebody_did_the_first_review_in_it_is_refused(
    open_situation: Open,
) -> None:
    """The deputy's first review stands on record for both, so neither of them does another stage."""
    both = frozenset({("first_review", "me"), ("first_review", "principal")})
    for actor in (deputy(lent(by="other head")), Actor("principal", frozenset({HEAD}))):
        item, request = second_review(open_situation, actor, reviewers=both)
        with pytest.raises(GuardRefused) as refused:
            decide(item, Event.APPROVE, request)
        assert refused.value.guard == "not_earlier_reviewer"


def test_approve_in_person_after_the_deputy_signed_in_ones_name_is_refused(open_situation: Open) -> None:
    here = Here("second_review", HEAD, 2, frozenset({"me"}), State.FINAL_REVIEW, frozenset({"principal"}))
    principal = Actor("principal", frozenset({HEAD}))
    item, request = second_review(open_situation, principal, here=here, claimed_by=None)
    with pytest.raises(GuardRefused) as refused:
        decide(item, Event.APPROVE, request)
    assert refused.value.guard == "signs_once"


def test_signature_of_a_deputy_counts_once(open_situation: Open) -> None:
    here = Here("second_review", HEAD, 3, frozenset({"deputy"}), State.FINAL_REVIEW, frozenset({"principal"}))
    item, request = second_review(open_situation, Actor("me", frozenset({HEAD})), here=here)
    assert decide(item, Event.APPROVE, request).target is State.SECOND_REVIEW


def test_lent_role_never_opens_what_is_the_authors(open_situation: Open) -> None:
    for state, event in (
        (State.DRAFT, Event.EDIT),
        (State.RETURNED, Event.SUBMIT),
        (State.SECOND_REVIEW, Event.WITHDRAW),
    ):
        item, request = open_situation(state, None, author_id="principal")
        with pytest.raises((GuardRefused, RoleMissing)):
            decide(item, event, replace(request, actor=deputy(lent(Role.CORRESPONDENT), lent())))


@pytest.mark.parametrize("stage", STAGES)
def test_lent_system_role_does_not_exist_for_any_person(stage: State, open_situation: Open) -> None:
    """`lend` refuses it; were it there, it would still sign nothing."""
    item, request = open_situation(stage, None)
    actor = deputy(lent(Role.SYSTEM), lent(Role.OPERATOR), lent(Role.ADMINISTRATOR))
    with pytest.raises(RoleMissing):
        decide(item, Event.APPROVE, replace(request, actor=actor))


def test_confirm_of_an_override_by_the_deputy_of_who_asked_is_refused(open_situation: Open) -> None:
    asked = Override(Actor("principal", frozenset({HEAD})), "second_review", "a" * 64)
    item, request = second_review(open_situation, deputy(lent()), override=asked)
    with pytest.raises(GuardRefused) as refused:
        decide(item, Event.CONFIRM_OVERRIDE, request)
    assert refused.value.guard == "not_override_asker"


def test_hand_over_to_a_deputy_is_made_and_to_one_of_the_author_refused(open_situation: Open) -> None:
    for principal, fits in (("other head", True), ("somebody else", False)):  # the author
        item, request = open_situation(State.SECOND_REVIEW, HEAD)
        successor = Actor("next", frozenset(), frozenset(), (lent(by=principal),))
        asking = replace(request, successor=successor)
        if fits:
            assert decide(item, Event.HAND_OVER, asking).target is State.SECOND_REVIEW
            continue
        with pytest.raises(GuardRefused):
            decide(item, Event.HAND_OVER, asking)
