"""The table of moves, cell by cell, against a table written by hand from the newsroom's rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from itertools import product
from typing import Any

import pytest

from states.decide import decide
from states.events import Event
from states.item import STAGES, Here, State
from states.refusals import GuardRefused, IllegalMove, RoleMissing
from states.roles import EDITORS, Role

# event | from | to (`=` stays) | who | while (all of it holds of the piece; empty: always) | guards | effects
# new: nothing of it is before readers; live: a signed revision is, or is about to be: aired, or unaired so far.
# more: the stage wants another signature; to_X: the next signature is its last and the workflow goes on to X.
# now, later: when it is to go out. waits: signed, not released yet; went: not so. other, same: what an edit brings.
# stage: the role that the workflow names for the stage.
EXPECTED = """
edit               | draft returned   | =             | writer       |                  | is_author     |
edit               | correcting       | =             | editor       |                  | holds_claim   |
edit               | STAGES           | received      | stage        | other            | REWRITES      | intake
edit               | STAGES           | =             | stage        | same             | holds_claim   |
submit             | draft returned   | received      | writer       |                  | is_author SENDABLE| intake
submit             | correcting       | received      | editor       |                  | holds_claim AMENDED| intake
withdraw           | draft returned   | withdrawn     | writer       | new              | is_author     |
withdraw           | IN_HAND          | withdrawn     | writer       | new              | is_author     |
withdraw           | IN_HAND          | published     | writer       | aired            | is_author_or_editor|
withdraw           | IN_HAND          | approved      | writer       | unaired          | is_author_or_editor|
withdraw           | correcting       | published     | writer       | aired            | is_author_or_editor|
withdraw           | correcting       | approved      | writer       | unaired          | is_author_or_editor|

intake_passed      | received         | =             | system       | ordinary         | CURRENT       |
intake_passed      | received         | =             | system       | fast             | CURRENT       | render
intake_refused     | received         | returned      | system       | new              | CURRENT       |
intake_refused     | received         | correcting    | system       | live             | CURRENT       |
media_ready        | IN_HAND          | =             | system       |                  | CURRENT       |
media_failed       | IN_HAND          | =             | system       |                  | CURRENT       |
remind             | received STAGES  | =             | system       |                  |               |
escalate           | received STAGES  | =             | system       |                  |               |

claim              | received         | first_review  | stage        |                  | intake_done INDEPENDENT|
claim              | STAGES           | =             | stage        |                  | INDEPENDENT signs_once|
claim              | correcting       | =             | editor       |                  | FREE          |
release            | STAGES correcting| =             | editor       |                  | holds_claim   |
hand_over          | STAGES correcting| =             | editor       |                  | holds_claim successor_fits|
force_release      | STAGES correcting| =             | head         |                  | TAKEN_BACK    |

approve            | NOT_FINAL        | =             | stage        | more             | SIGNS         |
approve            | first_review     | second_review | stage        | to_second_review | SIGNS         | render
approve            | first_review     | extra_review  | stage        | to_extra_review  | SIGNS         | render
approve            | second_review    | extra_review  | stage        | to_extra_review  | SIGNS         |
approve            | second_review    | final_review  | stage        | to_final_review  | SIGNS         |
approve            | extra_review     | extra_review  | stage        | to_extra_review  | SIGNS         |
approve            | extra_review     | second_review | stage        | to_second_review | SIGNS         |
approve            | extra_review     | final_review  | stage        | to_final_review  | SIGNS         |
approve            | final_review     | =             | stage        | more             | SIGNS SIGNABLE|
approve            | final_review     | approved      | stage        | to_approved now  | SIGNS SIGNABLE| distribute
approve            | final_review     | approved      | stage        | to_approved later| SIGNS SIGNABLE| release

return_for_revision| STAGES           | returned      | stage        | new              | ADVERSE       |
return_for_revision| STAGES           | correcting    | stage        | live             | ADVERSE       |
reject             | STAGES           | rejected      | stage        | new              | ADVERSE       |
reject             | STAGES           | published     | stage        | aired            | ADVERSE       |
reject             | STAGES           | approved      | stage        | unaired          | ADVERSE       |
hold               | STAGES           | held          | stage        |                  | ADVERSE       |
resume             | held             | first_review  | stage        | held_from_first_review| column_fits   |
resume             | held             | second_review | stage        | held_from_second_review| column_fits   |
resume             | held             | final_review  | stage        | held_from_final_review| column_fits   |
resume             | held             | extra_review  | stage        | held_from_extra_review| column_fits   |

ask_override       | NOT_FINAL        | =             | editor       |                  | ASKS          |
ask_override       | received         | first_review  | editor       |                  | intake_done ASKS|
decline_override   | NOT_FINAL        | =             | head         |                  | override_asked gives_reason|
confirm_override   | NOT_FINAL        | =             | head         | more             | CONFIRMS      |
confirm_override   | first_review     | second_review | head         | to_second_review | CONFIRMS      | render
confirm_override   | first_review     | extra_review  | head         | to_extra_review  | CONFIRMS      | render
confirm_override   | second_review    | extra_review  | head         | to_extra_review  | CONFIRMS      |
confirm_override   | second_review    | final_review  | head         | to_final_review  | CONFIRMS      |
confirm_override   | extra_review     | extra_review  | head         | to_extra_review  | CONFIRMS      |
confirm_override   | extra_review     | second_review | head         | to_second_review | CONFIRMS      |
confirm_override   | extra_review     | final_review  | head         | to_final_review  | CONFIRMS      |

schedule           | STAGES held      | =             | editor       |                  | TIMED         |
unschedule         | STAGES held      | =             | editor       |                  | column_fits   |
schedule           | approved         | =             | chief        | waits            | TIMED         | release
unschedule         | approved         | =             | chief        | waits            |               | release
go_out             | approved         | =             | system       | waits            | is_due        | distribute
recall             | approved         | returned      | chief        | waits new        | gives_reason  |
recall             | approved         | correcting    | chief        | waits live       | gives_reason  |

delivery_confirmed | approved         | published     | system editor| signed went      | CURRENT       |
delivery_confirmed | approved         | published     | system editor| unsigned         |               |
delivery_confirmed | approved         | =             | system editor| waits live       |               |
delivery_confirmed | AFTER_SIGN_OFF   | =             | system editor| live             |               |
delivery_handed_off| approved         | =             | system       |                  |               |
delivery_handed_off| AFTER_SIGN_OFF   | =             | system       | live             |               |
delivery_refused   | approved         | =             | system       |                  |               |
delivery_refused   | AFTER_SIGN_OFF   | =             | system       | live             |               |
delivery_unknown   | approved         | =             | system       |                  |               |
delivery_unknown   | AFTER_SIGN_OFF   | =             | system       | live             |               |

correct            | published        | correcting    | editor       |                  | gives_reason  |
correct            | approved         | correcting    | editor       | went             | gives_reason  |
retract            | approved published| retracted     | chief        |                  | gives_reason  | retract
retract            | correcting IN_HAND| retracted     | chief        | live             | gives_reason  | retract
"""
SHORT = {
    "STAGES": "first_review second_review final_review extra_review",
    "NOT_FINAL": "first_review second_review extra_review",
    "IN_HAND": "received first_review second_review final_review extra_review held",
    "AFTER_SIGN_OFF": "published correcting retracted received first_review second_review final_review "
    "extra_review held",
    "APART": "not_author not_last_editor not_earlier_reviewer",
    "INDEPENDENT": "not_author not_last_editor not_earlier_reviewer column_fits not_claimed_by_another",
    "FREE": "column_fits not_claimed_by_another",
    "SIGNS": "not_author not_last_editor not_earlier_reviewer column_fits not_claimed_by_another "
    "sees_current_revision signs_once",
    "CURRENT": "sees_current_revision",
    "ADVERSE": "not_author not_last_editor not_earlier_reviewer column_fits not_claimed_by_another "
    "sees_current_revision gives_reason",
    "ASKS": "not_author not_last_editor not_earlier_reviewer signs_once sees_current_revision gives_reason",
    "CONFIRMS": "override_asked not_override_asker asker_independent not_author not_last_editor "
    "sees_current_revision gives_reason",
    "TAKEN_BACK": "is_held_by_another column_fits gives_reason",
    "TIMED": "column_fits release_in_future after_embargo",
    "REWRITES": "holds_claim column_fits has_title has_content ai_declared",
    "AMENDED": "has_changes has_title has_content ai_declared uploads_finished has_destination",
    "SENDABLE": "has_title has_content ai_declared uploads_finished has_destination",
    "SIGNABLE": "ai_declared has_destination renditions_ready within_platform_limits",
    "editor": "duty_editor desk_head editor_in_chief",
    "chief": "editor_in_chief",
    "head": "desk_head editor_in_chief",
    "writer": "correspondent duty_editor desk_head editor_in_chief",
}


@dataclass(frozen=True)
class Kind:
    """What a piece and a request are like, beside state and role: whatever the words of `while` speak of."""

    is_live: bool = False
    is_aired: bool = False
    is_fast: bool = False
    held_from: State | None = None
    stage_role: Role | None = None
    leads_to: State | None = None  # None, in a stage: it wants another signature
    is_later: bool = False
    is_signed: bool = False
    is_changed: bool = True
    is_same: bool = False  # what an edit brings

    @property
    def words(self) -> frozenset[str]:
        waits = self.is_signed and (not self.is_live or self.is_changed)
        return frozenset(
            {
                "live" if self.is_live else "new",
                *(("aired" if self.is_aired else "unaired",) if self.is_live else ()),
                "fast" if self.is_fast else "ordinary",
                f"held_from_{self.held_from}",
                "more" if self.leads_to is None else f"to_{self.leads_to}",
                "later" if self.is_later else "now",
                "signed" if self.is_signed else "unsigned",
                "waits" if waits else "went",
                "same" if self.is_same else "other",
            }
        )


@dataclass(frozen=True)
class Row:
    """One row of the hand-written table, for one source."""

    event: Event
    source: State
    target: State
    who: tuple[str, ...]
    situation: frozenset[str]
    guards: tuple[str, ...]
    effects: tuple[str, ...]

    def fits(self, kind: Kind) -> bool:
        return self.situation <= kind.words

    def roles(self, kind: Kind) -> frozenset[Role]:
        if self.who == ("stage",):
            return frozenset({kind.stage_role} if kind.stage_role else ())
        return frozenset(map(Role, self.who))

    def __str__(self) -> str:
        return f"{self.event}-{self.source}-{self.target}-{'+'.join(sorted(self.situation))}"


def words(cell: str) -> tuple[str, ...]:
    return tuple(" ".join(SHORT.get(word, word) for word in cell.split()).split())


def rows_of(line: str) -> list[Row]:
    event, sources, target, roles, situation, guards, effects = (cell.strip() for cell in line.split("|"))
    return [
        Row(
            Event(event),
            State(source),
            State(source if target == "=" else target),
            words(roles),
            frozenset(situation.split()),
            words(guards),
            words(effects),
        )
        for source in words(sources)
    ]


ROWS = [row for line in EXPECTED.splitlines() if line.strip() for row in rows_of(line)]
STAGE_ROLE = {
    State.RECEIVED: Role.DUTY_EDITOR,
    State.FIRST_REVIEW: Role.DUTY_EDITOR,
    State.SECOND_REVIEW: Role.DESK_HEAD,
    State.FINAL_REVIEW: Role.EDITOR_IN_CHIEF,
}


def stage_roles(state: State) -> tuple[Role, ...]:
    """A review has its role; an extra stage has one of the three editors', as its workflow says."""
    return tuple(EDITORS) if state is State.EXTRA_REVIEW else (STAGE_ROLE[state],)


@cache
def kinds(state: State, event: Event) -> tuple[Kind, ...]:
    """Every situation that the rules tell apart for this cell, those that no workflow leads to included."""
    return tuple(_kinds(state, event))


def _kinds(state: State, event: Event) -> Iterator[Kind]:
    for is_live, is_aired in ((False, False), (True, False), (True, True)):
        plain = Kind(is_live, is_aired)
        if state is State.RECEIVED:
            for is_fast in (False, True):
                yield replace(plain, is_fast=is_fast, stage_role=STAGE_ROLE[state])
        elif state is State.HELD:
            for stage, role in ((each, role) for each in STAGES for role in stage_roles(each)):
                yield replace(plain, held_from=stage, stage_role=role)
        elif state in STAGES:
            yield from _kinds_of_a_stage(plain, state, event)
        elif state is State.APPROVED:
            for is_signed, is_changed in product((False, True), repeat=2):
                yield replace(plain, is_signed=is_signed, is_changed=is_changed)
        else:
            yield plain


def _kinds_of_a_stage(plain: Kind, state: State, event: Event) -> Iterator[Kind]:
    signs = event in (Event.APPROVE, Event.CONFIRM_OVERRIDE)
    onwards = (None, *STAGES, State.APPROVED) if signs else (None, State.APPROVED)
    brings = (False, True) if event is Event.EDIT else (False,)
    releases = (False, True) if signs else (False,)
    for role, leads_to, later, same in product(stage_roles(state), onwards, releases, brings):
        yield replace(plain, stage_role=role, leads_to=leads_to, is_later=later, is_same=same)


def expected_row(state: State, event: Event, kind: Kind) -> Row | None:
    found = [row for row in ROWS if (row.source, row.event) == (state, event) and row.fits(kind)]
    assert len(found) <= 1, f"two rows for one cell: {found}"
    return found[0] if found else None


def situation_of(
    state: State, role: Role, kind: Kind, row: Row | None, open_situation: Callable[..., Any]
) -> Any:
    guards = set(row.guards) if row else set()
    item, request = open_situation(
        state,
        role,
        is_mine=bool({"is_author", "is_author_or_editor"} & guards),
        claimed_by="somebody else" if "is_held_by_another" in guards else "me",
        held_from=kind.held_from,
        is_live=kind.is_live,
        is_published=kind.is_aired,
        is_fast_track=kind.is_fast,
        is_signed=kind.is_signed,
        is_changed_since_live=kind.is_changed,
    )
    if kind.is_later:
        item = replace(item, release_at=item.now + timedelta(seconds=1))
    if kind.is_same:
        request = replace(request, brings_sha256=item.revision_sha256)
    return replace(item, here=_here(item.here, kind)), request


def _here(here: Here | None, kind: Kind) -> Here | None:
    if here is None or kind.stage_role is None:
        return here
    here = replace(here, role=kind.stage_role)
    if kind.leads_to is None:
        return replace(here, signatures=2)
    return replace(here, leads_to=kind.leads_to)


def is_bilingual(refusal: Any) -> bool:
    def has_chinese(text: str) -> bool:
        return any("\u4e00" <= letter <= "\u9fff" for letter in text)

    return has_chinese(refusal.text.zh) and bool(refusal.text.en) and not has_chinese(refusal.text.en[:30])


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_cell_when_every_guard_is_open(
    state: State, event: Event, open_situation: Callable[..., Any]
) -> None:
    for kind, role in product(kinds(state, event), Role):
        row = expected_row(state, event, kind)
        item, request = situation_of(state, role, kind, row, open_situation)
        if row is not None and role in row.roles(kind):
            move = decide(item, event, request).move
            assert (move.event, move.source, move.target) == (event, state, row.target), (kind, role)
            assert tuple(effect.value for effect in move.effects) == row.effects, (kind, role)
            assert set(move.guards) == set(row.guards), (kind, role)
            assert move.is_approval is (event in (Event.APPROVE, Event.CONFIRM_OVERRIDE))
            continue
        with pytest.raises(IllegalMove if row is None else RoleMissing) as refused:
            decide(item, event, request)
        if isinstance(refused.value, IllegalMove):
            assert event.value not in refused.value.allowed, (kind, role)
        else:
            assert refused.value.roles == (row.roles(kind) if row else None), (kind, role)
        assert is_bilingual(refused.value)


CLOSED = [(row, guard) for row in ROWS for guard in row.guards]


@pytest.mark.parametrize(("row", "guard"), CLOSED, ids=[f"{row}-{guard}" for row, guard in CLOSED])
def test_cell_when_one_guard_is_closed(
    row: Row, guard: str, open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    fitting = [kind for kind in kinds(row.source, row.event) if row.fits(kind)]
    assert fitting
    for kind in fitting:
        for role in row.roles(kind):
            situation = situation_of(row.source, role, kind, row, open_situation)
            item, request = close[guard](*situation)
            if guard == "is_author_or_editor" and role is not Role.CORRESPONDENT:
                decide(item, row.event, request)  # an editor's role is enough for this one
                continue
            with pytest.raises(GuardRefused) as refused:
                decide(item, row.event, request)
            assert refused.value.guard == guard, (kind, role)
            assert is_bilingual(refused.value)
            assert all(each in refused.value.text.zh for each in refused.value.details)


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
