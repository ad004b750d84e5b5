"""The reviews of a column as data: what comes after what, and the way to the table and back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.item import REVIEWS, State
from states.roles import EDITORS, Role
from states.text import Text
from states.workflow import REVIEW_ROLES, STANDARD, Deadline, Stage, Workflow

EXTRA = Stage("law", State.EXTRA_REVIEW, Text("法务", "law"), Role.DESK_HEAD, "final_review", 2, None)
LONGER = Workflow(
    (STANDARD.stages[0], replace(STANDARD.stages[1], next="law"), EXTRA, STANDARD.stages[2]), "first_review"
)


def test_standard_is_the_three_reviews_in_order_with_one_signature_each() -> None:
    assert [stage.state for stage in STANDARD.stages] == list(REVIEWS)
    assert [stage.key for stage in STANDARD.stages] == [state.value for state in REVIEWS]
    assert [stage.role for stage in STANDARD.stages] == [
        Role.DUTY_EDITOR,
        Role.DESK_HEAD,
        Role.EDITOR_IN_CHIEF,
    ]
    assert {stage.signatures for stage in STANDARD.stages} == {1}
    assert STANDARD.start == "first_review"


def test_after_leads_through_every_stage_to_the_sign_off() -> None:
    for workflow, keys in (
        (STANDARD, ["second_review", "final_review", None]),
        (LONGER, ["second_review", "law", "final_review", None]),
    ):
        following = workflow.by_key[workflow.start]
        seen: list[str | None] = []
        while following is not None:
            following = workflow.after(following.key)
            seen.append(following.key if following else None)
        assert seen == keys


def test_after_a_stage_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        STANDARD.after("law")


@pytest.mark.parametrize("workflow", [STANDARD, LONGER])
def test_workflow_to_json_and_back_is_the_same(workflow: Workflow) -> None:
    assert Workflow.from_json(json.loads(json.dumps(workflow.to_json()))) == workflow


def test_workflow_from_json_with_an_unknown_state_or_role_is_refused() -> None:
    for change in ({"state": "fourth_review"}, {"role": "reader"}):
        value = STANDARD.to_json()
        value["stages"][0] |= change
        with pytest.raises(ValueError, match="is not a valid"):
            Workflow.from_json(value)


def test_workflow_keeps_the_review_roles_of_the_newsroom() -> None:
    assert set(REVIEW_ROLES) == set(REVIEWS)
    assert set(REVIEW_ROLES.values()) == EDITORS


deadlines = st.none() | st.builds(Deadline, *[st.integers(1, 10_000)] * 3)
stages = st.builds(
    Stage,
    st.text(min_size=1, max_size=8),
    st.sampled_from((*REVIEWS, State.EXTRA_REVIEW)),
    st.builds(Text, st.text(max_size=8), st.text(max_size=8)),
    st.sampled_from(Role),
    st.none() | st.text(max_size=8),
    st.integers(1, 9),
    deadlines,
)


@given(st.lists(stages, max_size=6, unique_by=lambda stage: stage.key).map(tuple), st.text(max_size=8))
def test_any_workflow_to_json_and_back_is_the_same(some: tuple[Stage, ...], start: str) -> None:
    workflow = Workflow(some, start)
    again = Workflow.from_json(json.loads(json.dumps(workflow.to_json())))
    assert again == workflow
    assert again.by_key == {stage.key: stage for stage in some}
