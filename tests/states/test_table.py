"""The table of moves, cell by cell, against a table written by hand from the newsroom's rules."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest

from states.decide import decide
from states.item import REVIEWS, State
from states.refusals import GuardRefused, IllegalMove, RoleMissing
from states.roles import Role
from states.submission import Event

# event | from | to (`=` stays) | who | while (of the piece; empty: always) | guards | effects
# `new`: nothing of it is before readers; `live`: a signed revision is, or is about to be.
EXPECTED = """
edit               | draft returned   | =                | writer         |         | is_author            |
edit               | correcting       | =                | writer         |         | holds_claim          |
submit             | draft returned   | received         | writer         |         | is_author SENDABLE   | intake
submit             | correcting       | received         | writer         |         | holds_claim AMENDED  | intake
withdraw           | draft returned   | withdrawn        | writer         | new     | is_author            |
withdraw           | IN_HAND          | withdrawn        | writer         | new     | is_author            |
withdraw           | IN_HAND          | published        | writer         | live    | is_author_or_editor  |
withdraw           | correcting       | published        | writer         | live    | is_author_or_editor  |

intake_passed      | received         | =                | system         | ordinary| CURRENT              |
intake_passed      | received         | =                | system         | fast    | CURRENT              | render
intake_refused     | received         | returned         | system         | new     | CURRENT              |
intake_refused     | received         | correcting       | system         | live    | CURRENT              |
media_ready        | IN_HAND          | =                | system         |         | CURRENT              |
media_failed       | IN_HAND          | =                | system         |         | CURRENT              |

claim              | received         | first_review     | duty_editor    |         | intake_done INDEPENDENT |
claim              | first_review     | =                | duty_editor    |         | INDEPENDENT          |
claim              | second_review    | =                | desk_head      |         | INDEPENDENT          |
claim              | final_review     | =                | editor_in_chief|         | INDEPENDENT          |
release            | first_review     | =                | duty_editor    |         | holds_claim          |
release            | second_review    | =                | desk_head      |         | holds_claim          |
release            | final_review     | =                | editor_in_chief|         | holds_claim          |

approve            | first_review     | second_review    | duty_editor    |         | REVIEWS              | render
approve            | second_review    | final_review     | desk_head      |         | REVIEWS              |
approve            | final_review     | approved         | editor_in_chief|         | REVIEWS SIGNABLE  | distribute

return_for_revision| first_review     | returned         | duty_editor    | new     | ADVERSE              |
return_for_revision| second_review    | returned         | desk_head      | new     | ADVERSE              |
return_for_revision| final_review     | returned         | editor_in_chief| new     | ADVERSE              |
return_for_revision| first_review     | correcting       | duty_editor    | live    | ADVERSE              |
return_for_revision| second_review    | correcting       | desk_head      | live    | ADVERSE              |
return_for_revision| final_review     | correcting       | editor_in_chief| live    | ADVERSE              |
reject             | first_review     | rejected         | duty_editor    | new     | ADVERSE              |
reject             | second_review    | rejected         | desk_head      | new     | ADVERSE              |
reject             | final_review     | rejected         | editor_in_chief| new     | ADVERSE              |
reject             | first_review     | published        | duty_editor    | live    | ADVERSE              |
reject             | second_review    | published        | desk_head      | live    | ADVERSE              |
reject             | final_review     | published        | editor_in_chief| live    | ADVERSE              |
hold               | first_review     | held             | duty_editor    |         | ADVERSE              |
hold               | second_review    | held             | desk_head      |         | ADVERSE              |
hold               | final_review     | held             | editor_in_chief|         | ADVERSE              |
resume             | held             | first_review     | duty_editor    | held_from_first_review  | column_fits |
resume             | held             | second_review    | desk_head      | held_from_second_review | column_fits |
resume             | held             | final_review     | editor_in_chief| held_from_final_review  | column_fits |

delivery_confirmed | approved         | published        | system editor  |         | CURRENT              |
delivery_confirmed | AFTER_SIGN_OFF   | =                | system editor  | live    |                      |
delivery_handed_off| approved         | =                | system         |         |                      |
delivery_handed_off| AFTER_SIGN_OFF   | =                | system         | live    |                      |
delivery_refused   | approved         | =                | system         |         |                      |
delivery_refused   | AFTER_SIGN_OFF   | =                | system         | live    |                      |
delivery_unknown   | approved         | =                | system         |         |                      |
delivery_unknown   | AFTER_SIGN_OFF   | =                | system         | live    |                      |

correct            | published        | correcting       | editor         |         | gives_reason         |
retract            | approved published | retracted      | editor_in_chief|         | gives_reason         | retract
retract            | correcting IN_HAND | retracted      | editor_in_chief| live    | gives_reason         | retract
"""
SHORT = {
    "IN_HAND": "received first_review second_review final_review held",
    "AFTER_SIGN_OFF": "published correcting retracted received first_review second_review final_review held",
    "INDEPENDENT": "not_author not_last_editor not_earlier_reviewer column_fits not_claimed_by_another",
    "REVIEWS": "not_author not_last_editor not_earlier_reviewer column_fits not_claimed_by_another "
    "sees_current_revision",
    "CURRENT": "sees_current_revision",
    "ADVERSE": "not_author not_last_editor not_earlier_reviewer column_fits not_claimed_by_another "
    "sees_current_revision gives_reason",
    "AMENDED": "has_changes has_title has_content ai_declared uploads_finished has_destination",
    "SENDABLE": "has_title has_content ai_declared uploads_finished has_destination",
    "SIGNABLE": "ai_declared has_destination renditions_ready within_platform_limits",
    "editor": "duty_editor desk_head editor_in_chief",
    "writer": "correspondent duty_editor desk_head editor_in_chief",
}


@dataclass(frozen=True)
class Row:
    """One row of the hand-written table, for one source."""

    event: Event
    source: State
    target: State
    roles: frozenset[Role]
    situation: str
    guards: tuple[str, ...]
    effects: tuple[str, ...]


def words(cell: str) -> list[str]:
    return " ".join(SHORT.get(word, word) for word in cell.split()).split()


def rows_of(line: str) -> list[Row]:
    event, sources, target, roles, situation, guards, effects = (cell.strip() for cell in line.split("|"))
    return [
        Row(
            Event(event),
            State(source),
            State(source if target == "=" else target),
            frozenset(map(Role, words(roles))),
            situation,
            tuple(words(guards)),
            tuple(words(effects)),
        )
        for source in words(sources)
    ]


ROWS = [row for line in EXPECTED.splitlines() if line.strip() for row in rows_of(line)]
Kind = tuple[bool, bool, State | None]  # what a piece is like, beside its state: live, fast track, held from


def kinds(state: State) -> list[Kind]:
    return list(product((False, True), (False, True), REVIEWS if state is State.HELD else (None,)))


def fits(row: Row, live: bool, fast: bool, held_from: State | None) -> bool:
    said = {"": True, "new": not live, "live": live, "ordinary": not fast, "fast": fast}
    return said.get(row.situation, row.situation == f"held_from_{held_from}")


def expected_row(state: State, event: Event, kind: Kind) -> Row | None:
    found = [row for row in ROWS if (row.source, row.event) == (state, event) and fits(row, *kind)]
    assert len(found) <= 1, f"two rows for one cell: {found}"
    return found[0] if found else None


def changes_of(kind: Kind) -> dict[str, Any]:
    return dict(zip(("is_live", "is_fast_track", "held_from"), kind, strict=True))


def is_mine(row: Row | None) -> bool:
    return row is not None and bool({"is_author", "is_author_or_editor"} & set(row.guards))


def is_bilingual(refusal: Any) -> bool:
    def has_chinese(text: str) -> bool:
        return any("\u4e00" <= letter <= "\u9fff" for letter in text)

    return has_chinese(refusal.text.zh) and bool(refusal.text.en) and not has_chinese(refusal.text.en[:30])


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_cell_when_every_guard_is_open(
    state: State, event: Event, role: Role, open_situation: Callable[..., Any]
) -> None:
    for kind in kinds(state):
        row = expected_row(state, event, kind)
        item, request = open_situation(state, role, is_mine=is_mine(row), **changes_of(kind))
        if row is not None and role in row.roles:
            move = decide(item, event, request).move
            assert (move.event, move.source, move.target) == (event, state, row.target), kind
            assert tuple(effect.value for effect in move.effects) == row.effects, kind
            assert move.is_approval is (event is Event.APPROVE)
            continue
        with pytest.raises(IllegalMove if row is None else RoleMissing) as refused:
            decide(item, event, request)
        assert is_bilingual(refused.value)
        if isinstance(refused.value, IllegalMove):
            assert event.value not in refused.value.allowed
        else:
            assert refused.value.roles == (row.roles if row else None)


CLOSED = [(row, role, guard) for row in ROWS for role in sorted(row.roles) for guard in row.guards]


@pytest.mark.parametrize(
    ("row", "role", "guard"),
    CLOSED,
    ids=[f"{row.event}-{row.source}-{row.situation}-{role}-{guard}" for row, role, guard in CLOSED],
)
def test_cell_when_one_guard_is_closed(
    row: Row, role: Role, guard: str, open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    for kind in (kind for kind in kinds(row.source) if fits(row, *kind)):
        situation = open_situation(row.source, role, is_mine=is_mine(row), **changes_of(kind))
        item, request = close[guard](*situation)
        if guard == "is_author_or_editor" and role is not Role.CORRESPONDENT:
            decide(item, row.event, request)  # an editor's role is enough for this one
            continue
        with pytest.raises(GuardRefused) as refused:
            decide(item, row.event, request)
        assert refused.value.guard == guard
        assert is_bilingual(refused.value)
        assert all(each in refused.value.text.zh for each in refused.value.details)


def test_guards_of_each_cell_are_those_expected_and_no_others(open_situation: Callable[..., Any]) -> None:
    for row in ROWS:
        kind = next(kind for kind in kinds(row.source) if fits(row, *kind))
        role = min(row.roles)
        item, request = open_situation(row.source, role, is_mine=is_mine(row), **changes_of(kind))
        assert set(decide(item, row.event, request).move.guards) == set(row.guards), row


def test_renditions_that_are_not_ready_are_named_in_the_refusal(
    open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    situation = open_situation(State.FINAL_REVIEW, Role.EDITOR_IN_CHIEF)
    item, request = close["renditions_ready"](*situation)
    with pytest.raises(GuardRefused) as refused:
        decide(item, Event.APPROVE, request)
    assert refused.value.details == ("app_hls (failed)",)
    assert "app_hls (failed)" in refused.value.text.zh
    assert "app_hls (failed)" in refused.value.text.en


def test_one_person_with_every_role_still_cannot_do_two_reviews(
    open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    item, request = close["not_earlier_reviewer"](*open_situation(State.FINAL_REVIEW, None))
    everything = replace(request.actor, roles=frozenset(Role) - {Role.SYSTEM})
    with pytest.raises(GuardRefused, match="three people"):
        decide(item, Event.APPROVE, replace(request, actor=everything))
