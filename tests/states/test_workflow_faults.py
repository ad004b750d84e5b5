"""Definitions of reviews: each fault alone, all of them together, and enough people for every signature."""

from dataclasses import replace
from typing import Any

import pytest

from states.item import State
from states.roles import Actor, Role
from states.text import Text
from states.workflow import STANDARD, Deadline, Stage, Workflow
from states.workflow_faults import faults

FIRST, SECOND, FINAL = STANDARD.stages


def _person(name: str, *roles: Role) -> Actor:
    return Actor(name, frozenset(roles))


STAFF = (
    _person("duty", Role.DUTY_EDITOR),
    _person("duty2", Role.DUTY_EDITOR),
    _person("head", Role.DESK_HEAD),
    _person("head2", Role.DESK_HEAD),
    _person("chief", Role.EDITOR_IN_CHIEF),
    _person("writer", Role.CORRESPONDENT),
)


def _extra(key: str = "legal", following: str | None = "final_review", **given: Any) -> Stage:
    return Stage(key, State.EXTRA_REVIEW, Text("法务", "legal"), Role.DESK_HEAD, following, **given)


def _workflow(*stages: Stage, start: str = "first_review") -> Workflow:
    return Workflow(stages, start)


def _deadline(ordinary_min: int, fast_track_min: int, remind_min: int) -> Deadline:
    return Deadline(ordinary_min, fast_track_min, remind_min)


def _found(workflow: Workflow, people: tuple[Actor, ...] = STAFF) -> list[tuple[str, str | None]]:
    return [(fault.code, fault.stage) for fault in faults(workflow, people)]


TO_LEGAL = replace(SECOND, next="legal")


def test_standard_workflow_and_one_with_a_further_stage_have_no_fault() -> None:
    assert _found(STANDARD) == []
    assert _found(_workflow(FIRST, TO_LEGAL, _extra(), FINAL)) == []
    assert _found(_workflow(replace(FIRST, signatures=2), SECOND, FINAL)) == []


ALONE: dict[str, tuple[Workflow, str | None]] = {
    "key-malformed": (_workflow(FIRST, replace(SECOND, next="法务"), _extra("法务"), FINAL), "法务"),
    "key-reserved": (
        _workflow(FIRST, replace(SECOND, next="approved"), _extra("approved"), FINAL),
        "approved",
    ),
    "key-duplicate": (_workflow(FIRST, TO_LEGAL, _extra(), _extra(), FINAL), "legal"),
    "review-key": (
        _workflow(replace(FIRST, next="second"), replace(SECOND, key="second"), FINAL),
        "second",
    ),
    "start-unknown": (_workflow(FIRST, SECOND, FINAL, start="nowhere"), None),
    "start-not-first-review": (
        _workflow(_extra(following="first_review"), FIRST, SECOND, FINAL, start="legal"),
        "legal",
    ),
    "next-unknown": (_workflow(FIRST, SECOND, FINAL, _extra(following="nowhere")), "legal"),
    "cycle": (_workflow(FIRST, SECOND, replace(FINAL, next="first_review")), "first_review"),
    "unreachable": (_workflow(FIRST, SECOND, FINAL, _extra()), "legal"),
    "review-missing": (_workflow(replace(FIRST, next="final_review"), FINAL), None),
    "review-skipped": (_workflow(replace(FIRST, next="final_review"), SECOND, FINAL), "second_review"),
    "review-repeated": (_workflow(FIRST, SECOND, FINAL, replace(FIRST, key="again")), "again"),
    "review-out-of-order": (
        _workflow(
            replace(FIRST, next="final_review"),
            replace(FINAL, next="second_review"),
            replace(SECOND, next=None),
        ),
        "second_review",
    ),
    "final-not-last": (
        _workflow(FIRST, SECOND, replace(FINAL, next="legal"), _extra(following=None)),
        "final_review",
    ),
    "state-no-review": (_workflow(FIRST, TO_LEGAL, replace(_extra(), state=State.HELD), FINAL), "legal"),
    "role-wrong": (_workflow(FIRST, replace(SECOND, role=Role.DUTY_EDITOR), FINAL), "second_review"),
    "role-not-editor": (
        _workflow(FIRST, TO_LEGAL, replace(_extra(), role=Role.CORRESPONDENT), FINAL),
        "legal",
    ),
    "signatures-out-of-range": (_workflow(replace(FIRST, signatures=0), SECOND, FINAL), "first_review"),
    "deadline-not-positive": (
        _workflow(replace(FIRST, deadline=_deadline(0, 30, 0)), SECOND, FINAL),
        "first_review",
    ),
    "reminder-too-long": (
        _workflow(replace(FIRST, deadline=_deadline(60, 30, 61)), SECOND, FINAL),
        "first_review",
    ),
    "role-unheld": (_workflow(FIRST, TO_LEGAL, replace(_extra(), role=Role.OPERATOR), FINAL), "legal"),
    "too-few-people": (_workflow(FIRST, SECOND, replace(FINAL, signatures=2)), "final_review"),
}


@pytest.mark.parametrize("code", sorted(ALONE))
def test_workflow_with_a_fault_names_it_with_its_stage_in_both_languages(code: str) -> None:
    workflow, stage = ALONE[code]
    named = [fault for fault in faults(workflow, STAFF) if fault.code == code]
    assert [fault.stage for fault in named] == [stage]
    text = named[0].text
    assert text.zh.endswith("。")
    assert text.en.endswith(".")
    assert "{" not in text.zh + text.en


@pytest.mark.parametrize("signatures", [-1, 0, 10, 10**12])
def test_signatures_outside_one_to_nine_are_named(signatures: int) -> None:
    found = _found(_workflow(replace(FIRST, signatures=signatures), SECOND, FINAL))
    assert ("signatures-out-of-range", "first_review") in found


@pytest.mark.parametrize(
    ("deadline", "code"),
    [
        (_deadline(240, 0, 0), "deadline-not-positive"),
        (_deadline(-5, 30, 0), "deadline-not-positive"),
        (_deadline(240, 30, -1), "deadline-not-positive"),
        (_deadline(60, 30, 60), None),
        (_deadline(60, 30, 0), None),
    ],
)
def test_deadline_that_cannot_be_kept_is_named(deadline: Deadline, code: str | None) -> None:
    found = _found(_workflow(replace(FIRST, deadline=deadline), SECOND, FINAL))
    assert found == ([(code, "first_review")] if code else [])


def test_workflow_with_many_faults_names_them_all_at_once() -> None:
    workflow = _workflow(
        replace(SECOND, signatures=0, next="second_review"),
        _extra("island", None, signatures=10),
        replace(FINAL, next="nowhere", role=Role.DESK_HEAD),
        start="second_review",
    )
    assert set(_found(workflow, ())) == {
        ("start-not-first-review", "second_review"),
        ("cycle", "second_review"),
        ("signatures-out-of-range", "second_review"),
        ("unreachable", "island"),
        ("signatures-out-of-range", "island"),
        ("next-unknown", "final_review"),
        ("role-wrong", "final_review"),
        ("review-missing", None),
        ("review-skipped", "final_review"),
        ("role-unheld", "second_review"),
        ("role-unheld", "island"),
        ("role-unheld", "final_review"),
    }


def test_workflow_without_stages_names_the_missing_reviews_and_start() -> None:
    assert _found(_workflow(), ()) == [("start-unknown", None), *[("review-missing", None)] * 3]


def test_cycle_of_two_is_named_once() -> None:
    ring = (_extra("a", "b"), _extra("b", "a"), _extra("c", "a"))
    found = _found(_workflow(FIRST, SECOND, FINAL, *ring))
    assert [each for each in found if each[0] == "cycle"] == [("cycle", "a")]
    assert {each for each in found if each[0] == "unreachable"} == {("unreachable", key) for key in "abc"}


def test_one_person_with_every_role_cannot_sign_alone() -> None:
    everything = _person("all", Role.DUTY_EDITOR, Role.DESK_HEAD, Role.EDITOR_IN_CHIEF)
    found = _found(STANDARD, (everything,))
    assert found == [("too-few-people", "second_review"), ("too-few-people", "final_review")]


def test_people_with_several_roles_are_placed_where_they_are_needed() -> None:
    chain = (
        _person("a", Role.DUTY_EDITOR, Role.DESK_HEAD, Role.EDITOR_IN_CHIEF),
        _person("b", Role.DUTY_EDITOR, Role.DESK_HEAD),
        _person("c", Role.DUTY_EDITOR),
    )
    for people in (chain, chain[::-1]):
        assert _found(STANDARD, people) == []
    assert _found(STANDARD, chain[:2]) == [("too-few-people", "final_review")]


def test_countersigning_takes_as_many_people_as_signatures() -> None:
    workflow = _workflow(replace(FIRST, signatures=3), SECOND, FINAL)
    assert _found(workflow) == [("too-few-people", "first_review")]
    assert _found(workflow, (*STAFF, _person("duty3", Role.DUTY_EDITOR))) == []
