"""Who sees a piece; what refusals and sentences say in both languages."""

import pytest

from states.access import can_see, can_see_capture
from states.events import Event
from states.guards import GUARDS
from states.item import State
from states.names import EVENT_NAMES, STATE_NAMES
from states.refusals import GuardRefused, IllegalMove, RoleMissing
from states.roles import EDITORS, ROLE_NAMES, SYSTEM, Actor, Role
from states.text import Text


@pytest.mark.parametrize("role", [*Role, None])
@pytest.mark.parametrize("state", State)
def test_can_see(state: State, role: Role | None) -> None:
    roles = frozenset({role} if role else ())
    assert can_see(state, "author", Actor("author", roles))
    is_staff = role is not None and role is not Role.CORRESPONDENT
    assert can_see(state, "author", Actor("other", roles)) is (is_staff and state is not State.DRAFT)


def test_can_see_a_correspondent_who_is_also_an_editor_sees_what_was_sent_in() -> None:
    both = Actor("other", frozenset({Role.CORRESPONDENT, Role.DUTY_EDITOR}))
    assert can_see(State.RECEIVED, "author", both)
    assert not can_see(State.DRAFT, "author", both)


def test_can_see_the_machine_is_no_author() -> None:
    assert not can_see(State.DRAFT, "author", SYSTEM)
    assert can_see(State.RECEIVED, "author", SYSTEM)


@pytest.mark.parametrize("role", Role)
def test_can_see_capture_is_for_the_author_and_for_editors(role: Role) -> None:
    assert can_see_capture("author", Actor("author", frozenset({role})))
    assert can_see_capture("author", Actor("other", frozenset({role}))) is (role in EDITORS)


def has_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


@pytest.mark.parametrize("guard", GUARDS.values(), ids=list(GUARDS))
def test_words_of_each_guard_are_chinese_and_english_sentences(guard: object) -> None:
    refusal = guard.refusal  # type: ignore[attr-defined]
    assert has_chinese(refusal.zh)
    assert refusal.zh.endswith("。")
    assert not has_chinese(refusal.en)
    assert refusal.en.endswith(".")


def test_words_are_there_for_every_role_and_no_two_are_alike() -> None:
    assert set(ROLE_NAMES) == set(Role)
    assert (
        len({text.zh for text in ROLE_NAMES.values()}) == len({text.en for text in ROLE_NAMES.values()}) == 7
    )


def test_words_are_there_for_every_state_and_event() -> None:
    assert set(STATE_NAMES) == set(State)
    assert set(EVENT_NAMES) == set(Event)
    assert all(has_chinese(text.zh) and text.en for text in (*STATE_NAMES.values(), *EVENT_NAMES.values()))


def test_words_of_an_illegal_move_say_what_can_be_done_instead() -> None:
    refused = IllegalMove("approve", "draft", ("edit", "submit"))
    assert "修改（edit）、提交（submit）" in refused.text.zh
    assert "edit, submit" in refused.text.en
    nothing = IllegalMove("approve", "rejected", ())
    assert nothing.text == Text(
        "稿件目前为已退稿（rejected），不能通过（approve）。现在没有可用操作。",
        "The item is in rejected and takes no approve. It takes no event now.",
    )


def test_words_of_a_missing_role_name_the_roles() -> None:
    text = RoleMissing("correct", EDITORS).text
    assert "当班编辑、部主任、总编辑" in text.zh
    assert "duty editor, desk head, editor-in-chief" in text.en


def test_words_of_a_refusal_carry_its_details_and_are_its_message() -> None:
    refused = GuardRefused("renditions_ready", Text("未完成", "Not ready"), ("a", "b"))
    assert refused.text == Text("未完成：a；b", "Not ready: a; b")
    assert str(refused) == "Not ready: a; b"


def test_text_in_either_language_and_to_json_and_back() -> None:
    text = Text("三审", "three reviews")
    assert (text.in_language("zh"), text.in_language("en")) == ("三审", "three reviews")
    assert Text.from_json(text.to_json()) == text
    with pytest.raises(KeyError):
        Text.from_json({"zh": "三审"})
