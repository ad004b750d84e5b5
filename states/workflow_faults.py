"""What may be wrong with a workflow: every fault at once, in words. Three reviews, by three people, in order."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from states.item import REVIEWS, STAGES, State
from states.names import STATE_NAMES
from states.roles import EDITORS, ROLE_NAMES, Actor
from states.text import Text
from states.workflow import REVIEW_ROLES, Deadline, Stage, Workflow

MOST_SIGNATURES = 9
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_STATES = {state.value for state in State}

# By code, which is stable. `{name}` and `{role}` are filled in the language of the sentence.
_WORDS: Mapping[str, Text] = MappingProxyType(
    {
        "key-malformed": Text(
            "环节标识须以小写字母开头，只含小写字母、数字和下划线，最多 40 个字符。",
            "A stage's key begins with a small letter and has small letters, digits and underscores, 40 at most.",
        ),
        "key-reserved": Text(
            "该环节标识是另一状态的名称，请换一个。",
            "This key is the name of another state; choose another key.",
        ),
        "review-key": Text(
            "三审环节的标识固定为 {key}，请改正。", "The key of this review is always {key}; correct it."
        ),
        "key-duplicate": Text("环节标识重复，请改名。", "This key is taken already; rename one of the two."),
        "start-unknown": Text(
            "起点 {key} 不存在，请改为初审环节的标识。",
            "There is no stage {key} to start at; name the first review's key.",
        ),
        "start-not-first-review": Text("流程须从初审开始。", "The way must start at the first review."),
        "next-unknown": Text(
            "下一环节 {key} 不存在，请改正。", "There is no stage {key} to go on to; name one that is there."
        ),
        "cycle": Text(
            "流程绕回本环节，到不了签发，请改正下一环节。",
            "The way comes back to this stage and never reaches the sign-off; change what comes next.",
        ),
        "unreachable": Text(
            "没有环节通向这里，请接上或删除。",
            "No way from the start leads here; link this stage or remove it.",
        ),
        "review-missing": Text(
            "缺少{name}；三审不可减少，请补上。",
            "The {name} is missing; the three reviews are never fewer, so add it.",
        ),
        "review-skipped": Text(
            "从起点到签发不经过{name}，稿件会漏审，请把它接上。",
            "The way from the start to the sign-off skips the {name}; link it.",
        ),
        "review-repeated": Text(
            "{name}只能有一个；需要多人签时请增加签名人数。",
            "There is more than one {name}; where several people shall sign, raise its signatures instead.",
        ),
        "review-out-of-order": Text(
            "三审须依次为初审、复审、终审，请调整{name}的位置。",
            "The reviews come in the order first, second, final; move the {name}.",
        ),
        "final-not-last": Text(
            "终审即签发，其后不能再有环节，请移到终审之前。",
            "The final review is the sign-off and nothing may follow it; move what does before it.",
        ),
        "state-no-review": Text(
            "环节须是三审之一或加审（extra_review）。",
            "A stage is one of the three reviews or an extra_review.",
        ),
        "role-wrong": Text("{name}须由{role}完成。", "The {name} takes the role {role}."),
        "role-not-editor": Text(
            "加审只能交给当班编辑、部主任或总编辑。",
            "An extra stage takes a duty editor, a desk head or the editor-in-chief.",
        ),
        "signatures-out-of-range": Text(
            f"签名人数须为 1 至 {MOST_SIGNATURES}。", f"A stage takes 1 to {MOST_SIGNATURES} signatures."
        ),
        "deadline-not-positive": Text(
            "时限至少 1 分钟，提醒提前量不能为负。",
            "A deadline is 1 minute at least, and a reminder does not come after it.",
        ),
        "reminder-too-long": Text(
            "提醒提前量不能超过时限。",
            "The reminder would come before the deadline begins to run; shorten it.",
        ),
        "role-unheld": Text(
            "本栏目没有人担任{role}，请先安排人员。",
            "Nobody in charge of this column holds the role {role}; give it to somebody first.",
        ),
        "too-few-people": Text(
            "人手不够：同一稿件每人只能审一个环节，每个签名须由不同的人完成。请增加人员或减少签名人数。",
            "Too few people: nobody signs at two stages of one piece, so every signature takes another person. "
            "Add people or lower the signatures.",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its stable code, the key of the stage that has it (None: the whole), and the words."""

    code: str
    stage: str | None
    text: Text


def faults(workflow: Workflow, holders: Iterable[Actor]) -> tuple[Fault, ...]:
    """Every fault of the definition; none: it can be used.

    `holders` are the active people in charge of the column, with the roles that they hold themselves.
    """
    found = [*_keys(workflow), *_start(workflow), *_links(workflow), *_reviews(workflow)]
    for stage in workflow.stages:
        found += [*_role(stage), *_numbers(stage)]
    return (*found, *_people(workflow, tuple(holders)))


def _fault(code: str, stage: Stage | None, **names: Text) -> Fault:
    words = _WORDS[code]
    zh = words.zh.format(**{name: text.zh for name, text in names.items()})
    en = words.en.format(**{name: text.en for name, text in names.items()})
    return Fault(code, stage.key if stage else None, Text(zh, en))


def _keys(workflow: Workflow) -> Iterator[Fault]:
    seen: set[str] = set()
    for stage in workflow.stages:
        if stage.state in REVIEWS and stage.key != stage.state.value:
            # The database counts the three reviews of a sign-off by these keys.
            yield _fault("review-key", stage, key=Text(stage.state.value, stage.state.value))
        elif not _KEY.fullmatch(stage.key):
            yield _fault("key-malformed", stage)
        elif stage.key in _STATES and stage.key != stage.state.value:
            yield _fault("key-reserved", stage)
        if stage.key in seen:
            yield _fault("key-duplicate", stage)
        seen.add(stage.key)


def _start(workflow: Workflow) -> Iterator[Fault]:
    start = workflow.by_key.get(workflow.start)
    if start is None:
        yield _fault("start-unknown", None, key=Text(workflow.start, workflow.start))
    elif start.state is not REVIEWS[0]:
        yield _fault("start-not-first-review", start)


def _links(workflow: Workflow) -> Iterator[Fault]:
    reached = {stage.key for stage in _way(workflow, workflow.start)}
    in_cycles: set[str] = set()
    for stage in workflow.stages:
        if stage.next is not None and stage.next not in workflow.by_key:
            yield _fault("next-unknown", stage, key=Text(stage.next, stage.next))
        following = {each.key for each in _way(workflow, stage.next)}
        if stage.key in following - in_cycles:
            in_cycles |= following
            yield _fault("cycle", stage)
        if stage.key not in reached and stage.state not in REVIEWS:  # of a review it is `review-skipped`
            yield _fault("unreachable", stage)


def _way(workflow: Workflow, key: str | None) -> list[Stage]:
    """The stages from one on, each once, as far as the links lead."""
    way: list[Stage] = []
    while key is not None and (stage := workflow.by_key.get(key)) is not None and stage not in way:
        way.append(stage)
        key = stage.next
    return way


def _reviews(workflow: Workflow) -> Iterator[Fault]:
    way = _way(workflow, workflow.start)
    passed = {stage.state for stage in way}
    for review in REVIEWS:
        name = STATE_NAMES[review]
        stages = [stage for stage in workflow.stages if stage.state is review]
        if not stages:
            yield _fault("review-missing", None, name=name)
        elif review not in passed:
            yield _fault("review-skipped", stages[0], name=name)
        for repeated in stages[1:]:
            yield _fault("review-repeated", repeated, name=name)
    yield from _order(way)


def _order(way: Sequence[Stage]) -> Iterator[Fault]:
    latest = 0
    for stage in way:
        if stage.state not in REVIEWS:
            continue
        place = REVIEWS.index(stage.state)
        if place < latest:
            yield _fault("review-out-of-order", stage, name=STATE_NAMES[stage.state])
        latest = max(latest, place)
        if stage.state is REVIEWS[-1] and stage.next is not None:
            yield _fault("final-not-last", stage)


def _role(stage: Stage) -> Iterator[Fault]:
    if stage.state not in STAGES:
        yield _fault("state-no-review", stage)
    elif (role := REVIEW_ROLES.get(stage.state, stage.role)) is not stage.role:
        yield _fault("role-wrong", stage, name=STATE_NAMES[stage.state], role=ROLE_NAMES[role])
    elif stage.role not in EDITORS:
        yield _fault("role-not-editor", stage)


def _numbers(stage: Stage) -> Iterator[Fault]:
    if not 1 <= stage.signatures <= MOST_SIGNATURES:
        yield _fault("signatures-out-of-range", stage)
    if stage.deadline is not None:
        yield from _deadline(stage, stage.deadline)


def _deadline(stage: Stage, deadline: Deadline) -> Iterator[Fault]:
    if min(deadline.ordinary_min, deadline.fast_track_min) < 1 or deadline.remind_min < 0:
        yield _fault("deadline-not-positive", stage)
    elif deadline.remind_min > deadline.ordinary_min:
        # Not compared with the fast track's: there the reminder comes half-way (states.deadlines).
        yield _fault("reminder-too-long", stage)


def _people(workflow: Workflow, people: Sequence[Actor]) -> Iterator[Fault]:
    """Roles that nobody holds, and stages for which nobody is left: a matching of people to signatures."""
    seat_of: dict[str, str] = {}  # by person
    fitting: dict[str, list[str]] = {}  # by seat: who could sign there
    for place, stage in enumerate(workflow.stages):
        holders = [each.person_id for each in people if each.person_id and stage.role in each.roles]
        seats = [f"{place}/{number}" for number in range(min(stage.signatures, MOST_SIGNATURES))]
        fitting |= dict.fromkeys(seats, holders)
        if not holders:
            yield _fault("role-unheld", stage, role=ROLE_NAMES[stage.role])
        elif not all(_seat(seat, fitting, seat_of, set()) for seat in seats):
            yield _fault("too-few-people", stage)


def _seat(seat: str, fitting: dict[str, list[str]], seat_of: dict[str, str], asked: set[str]) -> bool:
    """Whether somebody was found for the seat; others move to another seat where they can (Kuhn's algorithm)."""
    for person in fitting[seat]:
        if person in asked:
            continue
        asked.add(person)
        if person not in seat_of or _seat(seat_of[person], fitting, seat_of, asked):
            seat_of[person] = seat
            return True
    return False
