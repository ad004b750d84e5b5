"""The fine points of the guards: claims that end, successors, countersignatures, overrides, times to the second."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from states.decide import decide
from states.events import Effect, Event
from states.item import STAGES, Here, Item, Override, Request, State
from states.refusals import GuardRefused, IllegalMove
from states.roles import Actor, Role
from states.wall_time import WallTime

Open = Callable[..., tuple[Item, Request]]
HEAD = Role.DESK_HEAD
SECOND = State.SECOND_REVIEW


def refusing(item: Item, event: Event, request: Request) -> str:
    with pytest.raises(GuardRefused) as refused:
        decide(item, event, request)
    return refused.value.guard


# Claims


def test_claim_of_a_piece_whose_holder_let_the_lease_end_is_free(open_situation: Open) -> None:
    item, request = open_situation(SECOND, HEAD, claimed_by="absent")
    for seconds, is_free in ((-1, True), (0, True), (1, False)):
        item = replace(item, claimed_until=item.now + timedelta(seconds=seconds))
        if is_free:
            assert decide(item, Event.CLAIM, request).target is SECOND
            assert decide(item, Event.APPROVE, request).target is State.FINAL_REVIEW
        else:
            assert refusing(item, Event.CLAIM, request) == "not_claimed_by_another"
            assert refusing(item, Event.APPROVE, request) == "not_claimed_by_another"


def test_claim_without_an_end_lasts(open_situation: Open) -> None:
    item, request = open_situation(SECOND, HEAD, claimed_by="absent", claimed_until=None)
    assert refusing(item, Event.CLAIM, request) == "not_claimed_by_another"


def test_claim_of_ones_own_piece_renews_it_though_the_lease_ended(open_situation: Open) -> None:
    item, request = open_situation(SECOND, HEAD)
    item = replace(item, claimed_until=item.now - timedelta(hours=1))
    for event in (Event.CLAIM, Event.EDIT, Event.RELEASE, Event.HAND_OVER):
        decide(item, event, request)


def test_force_release_of_a_piece_that_nobody_or_oneself_holds_is_refused(open_situation: Open) -> None:
    for holder in (None, "me"):
        item, request = open_situation(SECOND, HEAD, claimed_by=holder)
        assert refusing(item, Event.FORCE_RELEASE, request) == "is_held_by_another"


def test_force_release_while_the_lease_runs_is_what_it_is_for(open_situation: Open) -> None:
    for state in (*STAGES, State.CORRECTING):
        item, request = open_situation(state, Role.EDITOR_IN_CHIEF, claimed_by="absent")
        item = replace(item, claimed_until=item.now + timedelta(hours=1))
        assert decide(item, Event.FORCE_RELEASE, request).target is state


# Handing over

SUCCESSORS: dict[str, tuple[dict[str, Any], Actor]] = {
    "has another stage's role": ({}, Actor("next", frozenset({Role.DUTY_EDITOR}))),
    "has no role": ({}, Actor("next", frozenset())),
    "has other columns": ({}, Actor("next", frozenset({HEAD}), frozenset({"sports"}))),
    "wrote the piece": ({"author_id": "next"}, Actor("next", frozenset({HEAD}))),
    "edited it last": ({"last_editor_id": "next"}, Actor("next", frozenset({HEAD}))),
    "reviewed another stage": (
        {"reviewers": frozenset({("first_review", "next")})},
        Actor("next", frozenset({HEAD})),
    ),
}


@pytest.mark.parametrize("why", SUCCESSORS)
def test_hand_over_to_somebody_who_may_not_review_is_refused(why: str, open_situation: Open) -> None:
    changes, successor = SUCCESSORS[why]
    item, request = open_situation(SECOND, HEAD, **changes)
    assert refusing(item, Event.HAND_OVER, replace(request, successor=successor)) == "successor_fits"


def test_hand_over_to_nobody_is_refused(open_situation: Open) -> None:
    item, request = open_situation(SECOND, HEAD)
    assert refusing(item, Event.HAND_OVER, replace(request, successor=None)) == "successor_fits"


def test_hand_over_to_somebody_who_signed_at_this_stage_is_refused(open_situation: Open) -> None:
    item, request = open_situation(SECOND, HEAD)
    assert item.here is not None
    item = replace(item, here=replace(item.here, signatures=2, signed_by=frozenset({"next"})))
    successor = Actor("next", frozenset({HEAD}))
    assert refusing(item, Event.HAND_OVER, replace(request, successor=successor)) == "successor_fits"


def test_hand_over_to_a_colleague_of_the_same_stage_and_column_is_made(open_situation: Open) -> None:
    reviewed_here = frozenset({("second_review", "next")})  # in an earlier round
    item, request = open_situation(SECOND, HEAD, reviewers=reviewed_here)
    successor = Actor("next", frozenset({HEAD}), frozenset({"news", "sports"}))
    assert decide(item, Event.HAND_OVER, replace(request, successor=successor)).target is SECOND


def test_hand_over_of_a_correction_goes_to_any_editor_of_the_column(open_situation: Open) -> None:
    item, request = open_situation(State.CORRECTING, HEAD, last_editor_id="next")
    for role, columns, fits in (
        (Role.DUTY_EDITOR, frozenset(), True),
        (Role.EDITOR_IN_CHIEF, frozenset({"news"}), True),
        (Role.CORRESPONDENT, frozenset(), False),
        (Role.DUTY_EDITOR, frozenset({"sports"}), False),
    ):
        asking = replace(request, successor=Actor("next", frozenset({role}), columns))
        if fits:
            assert decide(item, Event.HAND_OVER, asking).target is State.CORRECTING
        else:
            assert refusing(item, Event.HAND_OVER, asking) == "successor_fits"


# Countersignatures


def test_approve_at_a_stage_of_three_signatures_moves_on_with_the_third(open_situation: Open) -> None:
    for state in STAGES:
        item, request = open_situation(state, None)
        assert item.here is not None
        request = replace(request, actor=Actor("me", frozenset({item.here.role})))
        for signed in range(3):
            here = replace(
                item.here, signatures=3, signed_by=frozenset(str(number) for number in range(signed))
            )
            target = decide(replace(item, here=here), Event.APPROVE, request).target
            assert target is (state if signed < 2 else item.here.leads_to)


def test_second_signature_of_one_person_is_refused(open_situation: Open) -> None:
    item, request = open_situation(SECOND, HEAD)
    item = replace(item, here=Here("second_review", HEAD, 2, frozenset({"me"}), State.FINAL_REVIEW))
    assert refusing(item, Event.APPROVE, request) == "signs_once"
    assert refusing(item, Event.CLAIM, request) == "signs_once"
    assert refusing(item, Event.ASK_OVERRIDE, request) == "signs_once"


def test_extra_stages_of_one_state_are_told_apart_by_their_keys(open_situation: Open) -> None:
    item, request = open_situation(
        State.EXTRA_REVIEW, HEAD, here=Here("law", HEAD, leads_to=SECOND), reviewers={("facts", "me")}
    )
    assert refusing(item, Event.APPROVE, request) == "not_earlier_reviewer"
    item = replace(item, reviewers=frozenset({("law", "me")}))  # in an earlier round
    assert decide(item, Event.APPROVE, request).target is SECOND


# Overrides


@pytest.mark.parametrize(
    ("stage", "sha256"), [("first_review", "a" * 64), ("second_review", "b" * 64), ("", "")]
)
def test_confirm_of_an_override_for_another_stage_or_content_is_refused(
    stage: str, sha256: str, open_situation: Open
) -> None:
    asked = Override(Actor("asker", frozenset({Role.DUTY_EDITOR})), stage, sha256)
    item, request = open_situation(SECOND, HEAD, override=asked)
    assert refusing(item, Event.CONFIRM_OVERRIDE, request) == "override_asked"
    assert refusing(item, Event.DECLINE_OVERRIDE, request) == "override_asked"


@pytest.mark.parametrize(
    "changes",
    [
        {"author_id": "asker"},
        {"last_editor_id": "asker"},
        {"reviewers": frozenset({("first_review", "asker")})},
        {"here": Here("second_review", HEAD, 2, frozenset({"asker"}), State.FINAL_REVIEW)},
    ],
    ids=["wrote it", "edited it", "reviewed another stage", "signed here"],
)
def test_confirm_of_an_override_by_somebody_who_is_not_apart_is_refused(
    changes: dict[str, Any], open_situation: Open
) -> None:
    asked = Override(Actor("asker", frozenset({Role.DUTY_EDITOR})), "second_review", "a" * 64)
    item, request = open_situation(SECOND, HEAD, override=asked, **changes)
    assert refusing(item, Event.CONFIRM_OVERRIDE, request) == "asker_independent"


def test_override_lifts_role_column_and_claim_and_nothing_else(open_situation: Open) -> None:
    item, request = open_situation(SECOND, Role.DUTY_EDITOR, claimed_by="absent", override=None)
    stranger = Actor("me", frozenset({Role.DUTY_EDITOR}), frozenset({"sports"}))
    asking = replace(request, actor=stranger)
    assert decide(item, Event.ASK_OVERRIDE, asking).target is SECOND
    asked = replace(item, override=Override(stranger, "second_review", "a" * 64))
    confirming = replace(request, actor=Actor("head", frozenset({HEAD}), frozenset({"culture"})))
    confirmed = decide(asked, Event.CONFIRM_OVERRIDE, confirming)
    assert (confirmed.target, confirmed.move.is_approval) == (State.FINAL_REVIEW, True)
    for changes, guard in (
        ({"author_id": "head"}, "not_author"),
        ({"last_editor_id": "head"}, "not_last_editor"),
    ):
        assert refusing(replace(asked, **changes), Event.CONFIRM_OVERRIDE, confirming) == guard
    for changes, guard in (
        ({"author_id": "me"}, "not_author"),
        ({"last_editor_id": "me"}, "not_last_editor"),
        ({"reviewers": frozenset({("first_review", "me")})}, "not_earlier_reviewer"),
    ):
        assert refusing(replace(item, **changes), Event.ASK_OVERRIDE, asking) == guard


def test_override_of_the_sign_off_is_no_move(open_situation: Open) -> None:
    item, request = open_situation(State.FINAL_REVIEW, Role.EDITOR_IN_CHIEF)
    for event in (Event.ASK_OVERRIDE, Event.CONFIRM_OVERRIDE, Event.DECLINE_OVERRIDE):
        with pytest.raises(IllegalMove):
            decide(item, event, request)


def test_override_for_one_of_two_signatures_leaves_the_other_due(open_situation: Open) -> None:
    item, request = open_situation(SECOND, HEAD)
    item = replace(item, here=Here("second_review", HEAD, 2, frozenset(), State.FINAL_REVIEW))
    assert decide(item, Event.CONFIRM_OVERRIDE, request).target is SECOND


# Times


def test_schedule_to_the_second_is_refused_for_now_and_made_for_the_next(open_situation: Open) -> None:
    item, request = open_situation(State.APPROVED, Role.EDITOR_IN_CHIEF, is_signed=True)
    now = item.now.replace(tzinfo=None)
    for seconds, fits in ((-1, False), (0, False), (1, True)):
        local = (now + timedelta(seconds=seconds)).isoformat()
        asking = replace(request, release=WallTime(local, "UTC"))
        if fits:
            assert decide(item, Event.SCHEDULE, asking).move.effects == (Effect.RELEASE,)
        else:
            assert refusing(item, Event.SCHEDULE, asking) == "release_in_future"


def test_schedule_without_a_time_is_refused(open_situation: Open) -> None:
    item, request = open_situation(State.APPROVED, Role.EDITOR_IN_CHIEF, is_signed=True)
    assert refusing(item, Event.SCHEDULE, replace(request, release=None)) == "release_in_future"


def test_schedule_before_the_embargo_ends_is_refused_and_at_its_end_made(open_situation: Open) -> None:
    embargo = WallTime("2026-05-05T08:00", "Asia/Shanghai")
    item, request = open_situation(
        State.APPROVED, Role.EDITOR_IN_CHIEF, is_signed=True, embargo_until=embargo.instant()
    )
    for local, fits in (("2026-05-05T07:59:59", False), ("2026-05-05T08:00", True)):
        asking = replace(request, release=WallTime(local, "Asia/Shanghai"))
        if fits:
            decide(item, Event.SCHEDULE, asking)
        else:
            assert refusing(item, Event.SCHEDULE, asking) == "after_embargo"


def test_go_out_and_sign_off_to_the_second(open_situation: Open) -> None:
    waiting, system = open_situation(State.APPROVED, Role.SYSTEM, is_signed=True)
    signing, chief = open_situation(State.FINAL_REVIEW, Role.EDITOR_IN_CHIEF)
    for seconds, is_due in ((-1, True), (0, True), (1, False)):
        release_at = waiting.now + timedelta(seconds=seconds)
        effects = decide(replace(signing, release_at=release_at), Event.APPROVE, chief).move.effects
        assert effects == ((Effect.DISTRIBUTE,) if is_due else (Effect.RELEASE,))
        due = replace(waiting, release_at=release_at)
        if is_due:
            assert decide(due, Event.GO_OUT, system).move.effects == (Effect.DISTRIBUTE,)
        else:
            assert refusing(due, Event.GO_OUT, system) == "is_due"


def test_go_out_of_what_is_out_or_was_recalled_is_no_move(open_situation: Open) -> None:
    for state, changes in (
        (State.APPROVED, {"is_signed": True, "is_live": True, "is_changed_since_live": False}),
        (State.APPROVED, {"is_signed": False, "is_live": True}),
        (State.RETURNED, {}),
        (State.CORRECTING, {"is_live": True}),
        (State.PUBLISHED, {"is_live": True}),
        (State.RETRACTED, {"is_live": True}),
    ):
        item, request = open_situation(state, Role.SYSTEM, **changes)
        with pytest.raises(IllegalMove):
            decide(item, Event.GO_OUT, request)


@pytest.mark.parametrize("role", [Role.SYSTEM, Role.DUTY_EDITOR])
def test_delivery_confirmed_of_what_waits_for_its_release_does_not_publish_it(
    role: Role, open_situation: Open
) -> None:
    item, request = open_situation(State.APPROVED, role, is_signed=True)
    with pytest.raises(IllegalMove):
        decide(item, Event.DELIVERY_CONFIRMED, request)


def test_delivery_confirmed_of_the_old_revision_while_the_new_one_waits_is_recorded(
    open_situation: Open,
) -> None:
    item, request = open_situation(State.APPROVED, Role.DUTY_EDITOR, is_signed=True, is_live=True)
    earlier = replace(request, revision_sha256="0" * 64)
    assert decide(item, Event.DELIVERY_CONFIRMED, earlier).target is State.APPROVED


# Edits under review


@pytest.mark.parametrize("state", STAGES)
def test_edit_under_review_sends_the_piece_in_anew_unless_it_changes_nothing(
    state: State, open_situation: Open
) -> None:
    item, request = open_situation(state, None)
    assert item.here is not None
    request = replace(request, actor=Actor("me", frozenset({item.here.role})))
    changed = decide(item, Event.EDIT, request)
    assert (changed.target, changed.move.effects) == (State.RECEIVED, (Effect.INTAKE,))
    same = decide(item, Event.EDIT, replace(request, brings_sha256=item.revision_sha256))
    assert (same.target, same.move.effects) == (state, ())
