"""The verifier that travels alone: what it accepts, and that it accepts nothing else."""

import ast
import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature

from deployments import verify_proof
from states.content import Content
from states.events import Event
from states.ledger import GENESIS, LedgerEvent, canonical_sha256, commitment
from states.merkle import consistency_path, inclusion_path, leaf_hash, root_of
from states.roles import SYSTEM
from storage.erasure import erase_value
from storage.notes import ItemHead, Signer, TreeHead, new_signer
from storage.proofs import proof_of

pytestmark = pytest.mark.slow

SOURCE = Path(verify_proof.__file__)
SIGNER = Signer("sanshen/test", bytes(range(32)))
KEY = str(SIGNER.verifier)
ITEM = "11111111-1111-4111-8111-111111111111"
CONTENT = Content(title="新桥通车", body="正文。", ai_label="none", destinations=("app",))
LATER = Content(title="新桥通车", body="更正后的正文。", ai_label="none", destinations=("app",))


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., str | None]:
    """check(proof): what does not hold, or None."""

    def checked(proof: Any, key: str = KEY, older: str | None = None) -> str | None:
        file, note = tmp_path / "proof.json", tmp_path / "older.note"
        file.write_text(proof if isinstance(proof, str) else json.dumps(proof), encoding="utf-8")
        if older is not None:
            note.write_text(older, encoding="utf-8")
        try:
            assert "It holds" in verify_proof.check(file, key, note if older is not None else None)
        except (  # what `main` foresees, and nothing else
            InvalidSignature,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            return f"{type(error).__name__}: {error}"
        return None

    return checked


# The file itself.


def test_verifier_has_at_most_two_hundred_lines_and_needs_nothing_of_ours() -> None:
    source = SOURCE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 200
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported - sys.stdlib_module_names == {"cryptography"}


async def test_verifier_copied_alone_to_another_place_says_what_is_proved(book: Any, tmp_path: Path) -> None:
    item = await book.published()
    await book.sequence()
    proof = await _proof(book, item)
    (tmp_path / "proof.json").write_text(json.dumps(proof, ensure_ascii=False), encoding="utf-8")
    proof["events"].pop(5)
    (tmp_path / "short.json").write_text(json.dumps(proof, ensure_ascii=False), encoding="utf-8")
    shutil.copy(SOURCE, tmp_path / "verify_proof.py")

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-I", "verify_proof.py", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
        )

    good = run("proof.json", "--key", KEY)
    assert (good.returncode, good.stderr) == (0, "")
    for words in (
        "成立。 It holds.",
        str(item),
        "【证明】",
        "【不证明】",
        "It proves",
        "It does not prove",
        "published",
    ):
        assert words in good.stdout
    bad = run("short.json", "--key", KEY)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "不成立" in bad.stderr
    assert "does not hold" in bad.stderr
    other = run("proof.json", "--key", str(new_signer("sanshen/test").verifier))
    assert other.returncode == 1
    assert run("nothing.json", "--key", KEY).returncode != 0


# Proofs of the real thing.


async def _proof(book: Any, item: UUID, **more: Any) -> dict[str, Any]:
    async with book.newsroom.db.transaction() as session:
        found = await proof_of(session, item, **more)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


async def _returned_and_rejected(book: Any) -> UUID:
    item: UUID = await book.newsroom.received()
    await book.newsroom.send(item, Event.CLAIM, "duty")
    await book.newsroom.send(item, Event.RETURN_FOR_REVISION, "duty", "请补充", comment="第二段")
    await book.newsroom.edit(item, body="补充后的正文。")
    await book.newsroom.send(item, Event.SUBMIT, "writer")
    await book.newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    await book.newsroom.send(item, Event.CLAIM, "duty")
    await book.newsroom.send(item, Event.REJECT, "duty", "重复稿")
    return item


async def test_proof_with_any_event_removed_fails(book: Any, check: Any) -> None:
    for item in (await _returned_and_rejected(book), await book.published()):
        await book.sequence()
        proof = await _proof(book, item)
        assert check(proof, book_key(book)) is None
        for number in range(len(proof["events"])):
            short = copy.deepcopy(proof)
            del short["events"][number]
            assert check(short, book_key(book)) is not None
            for at, event in enumerate(short["events"], 1):  # and with the gap painted over
                event["body"]["item_seq"] = at
                if at > 1:
                    event["body"]["prev_hash"] = verify_proof.sha256(short["events"][at - 2]["body"])
            assert check(short, book_key(book)) is not None


def book_key(book: Any) -> str:
    return str(book.signer.verifier)


async def test_proof_with_its_rejection_at_the_end_removed_fails_with_an_older_head_too(
    book: Any, check: Any
) -> None:
    item = await book.newsroom.received()
    await book.newsroom.send(item, Event.CLAIM, "duty")
    await book.sequence()
    before = await _proof(book, item)
    await book.newsroom.send(item, Event.REJECT, "duty", "重复稿")
    await book.sequence()
    after = await _proof(book, item)
    short = copy.deepcopy(after)
    short["events"].pop()
    assert "事件不完整" in str(check(short))
    # Whoever kept an older proof has a true one, of an older log; it says as of which entry.
    short["item_head"] = before["item_head"]
    file_says = check(short)
    assert file_says is None
    assert check(before) is None


async def test_proof_with_an_event_of_another_item_pasted_in_fails(book: Any, check: Any) -> None:
    item, other = await book.published(), await book.published(title="另一篇")
    await book.sequence()
    proof, foreign = await _proof(book, item), await _proof(book, other)
    for number, event in enumerate(foreign["events"]):
        if event["body"]["event"] != "approve":
            continue
        for pasted in (event, _renamed(event, proof)):
            replaced, inserted = copy.deepcopy(proof), copy.deepcopy(proof)
            replaced["events"][number] = pasted
            inserted["events"].insert(number, pasted)
            assert check(replaced) is not None
            assert check(inserted) is not None
    swapped = copy.deepcopy(proof) | {"approvals": foreign["approvals"]}
    assert foreign["approvals"] != proof["approvals"]
    assert "审批与事件不符" in str(check(swapped))


def _renamed(event: dict[str, Any], proof: dict[str, Any]) -> dict[str, Any]:
    event = copy.deepcopy(event)
    event["body"]["submission_id"] = proof["submission_id"]
    seq = event["body"]["item_seq"]
    if seq > 1:
        event["body"]["prev_hash"] = verify_proof.sha256(proof["events"][seq - 2]["body"])
    return event


def _changes(value: Any) -> Iterator[Any]:
    """The same JSON with one value changed, or one thing left out or doubled."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield {other: one for other, one in value.items() if other != name}
            yield from ({**value, name: changed} for changed in _changes(each))
        yield {**value, "more": 1}
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield [*value[:number], *value[number + 1 :]]
            yield [*value[:number], each, *value[number:]]
            yield from ([*value[:number], changed, *value[number + 1 :]] for changed in _changes(each))
    elif isinstance(value, str):
        yield value + "x"
        yield value[1:] if value else "x"
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        yield -value - 1
    else:
        yield "x"


# What is there for convenience, and what only a person may leave out: values that were erased or are withheld.
_UNSIGNED = ("format", "verifier_key", "workflows", "consistency")


async def test_proof_with_any_single_change_fails(book: Any, check: Any) -> None:
    item = await book.published()
    await book.sequence()
    proof = await _proof(book, item)
    assert check(proof) is None
    count = 0
    for name, value in proof.items():
        if name in _UNSIGNED:
            continue
        for changed in _changes(value):
            forged = {**proof, name: changed}
            if _is_less_told(proof, forged) or _has_more_beside(name, forged, proof):
                continue
            count += 1
            assert check(forged) is not None, f"{name}: {_difference(value, changed)}"
    assert count > 500


def _is_less_told(proof: Any, forged: Any) -> bool:
    """Whether the forged one is the same but for values of people that are left out."""
    if len(forged["events"]) != len(proof["events"]) or {**forged, "events": 0} != {**proof, "events": 0}:
        return False
    for one, other in zip(proof["events"], forged["events"], strict=True):
        if not isinstance(other, dict) or {**one, "opened": 0} != {**other, "opened": 0}:
            return False
        told = other.get("opened")
        if not isinstance(told, dict) or any(one["opened"].get(name) != each for name, each in told.items()):
            return False
    return True


def _has_more_beside(name: str, forged: Any, proof: Any) -> bool:
    """More manifests than were signed, and names beside those that an event has, say nothing and prove nothing."""
    if name == "manifests":
        return all(each in forged["manifests"] for each in proof["manifests"])
    if name != "events" or len(forged["events"]) != len(proof["events"]):
        return False
    return all(
        {**each, "more": 1} == {**other, "more": 1}
        for each, other in zip(proof["events"], forged["events"], strict=True)
    )


def _difference(value: Any, changed: Any) -> str:
    pairs = zip(value, changed, strict=False) if isinstance(value, list) else [(value, changed)]
    return next((f"{one} → {other}" for one, other in pairs if one != other), "longer or shorter")[:2000]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"checkpoint": 1, "checkpoint": 2}',
        '{"events": []}',
        "[" * 100_000,
    ],
)
def test_file_that_is_no_proof_fails(check: Any, text: str) -> None:
    assert check(text) is not None


async def test_proof_with_a_name_twice_fails(book: Any, check: Any) -> None:
    item = await book.published()
    await book.sequence()
    spelled = json.dumps(await _proof(book, item))
    assert check(spelled) is None
    doubled = spelled.replace('"event": "approve"', '"event": "reject", "event": "approve"', 1)
    assert "重名" in str(check(doubled))


async def test_proof_after_an_erasure_holds_and_counts_what_is_not_told(
    book: Any, check: Any, tmp_path: Path
) -> None:
    item = await _returned_and_rejected(book)
    await book.sequence()
    async with book.owner.transaction() as session:
        await erase_value(session, item, 5, "reason")
    await book.sequence()
    proof = await _proof(book, item)
    assert set(proof["events"][4]["opened"]) == {"actor_name", "comment"}
    assert check(proof) is None
    (tmp_path / "erased.json").write_text(json.dumps(proof))
    assert "1 项个人信息" in verify_proof.check(tmp_path / "erased.json", KEY, None)
    withheld = await _proof(book, item, withhold=("actor_name",))
    assert check(withheld) is None
    assert not any("actor_name" in event["opened"] for event in withheld["events"])


async def test_proof_is_held_against_a_checkpoint_that_was_kept(book: Any, check: Any) -> None:
    item = await book.published()
    await book.sequence()
    kept = await book.scalar("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")
    size = TreeHead.open(kept, SIGNER.verifier).size
    assert check(await _proof(book, item), older=kept) is None  # the same size
    for _ in range(3):
        await book.newsroom.draft()
        await book.sequence()
        proof = await _proof(book, item, since=size)
        assert check(proof, older=kept) is None
        assert f"?since={size}" in str(check(await _proof(book, item), older=kept))
        other = TreeHead(SIGNER.name, size, b"\1" * 32)
        assert "改写" in str(check(proof, older=SIGNER.sign(other.text())))
        assert check(proof, older=new_signer("sanshen/test").sign(other.text())) is not None
        for path in ([], proof["consistency"]["path"][1:], [*proof["consistency"]["path"], "0" * 64]):
            forged = {**proof, "consistency": {"old_size": size, "path": path}}
            assert check(forged, older=kept) is not None


# Proofs that a forger with the key might make: the log is sound, the newsroom's rules are not kept.


@dataclass(frozen=True)
class Step:
    """One event of a made-up item."""

    event: str
    target: str
    actor: str | None = None
    content: Content | None = None
    facts: tuple[tuple[str, Any], ...] = ()


def _facts(**facts: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(facts.items())


def _review(stage: str, target: str, who: str | None, event: str = "approve", **facts: Any) -> Step:
    more = {"manifest_sha256": canonical_sha256([])} if target == "approved" else {}
    return Step(event, target, who, facts=_facts(stage=stage, **facts, **more))


BEGINNING = (
    Step("create", "draft", "author", CONTENT),
    Step("submit", "received", "author"),
    Step("claim", "first_review", "duty"),
)
THREE = (
    _review("first_review", "second_review", "duty"),
    _review("second_review", "final_review", "head"),
    _review("final_review", "approved", "chief"),
)
OUT = Step("delivery_confirmed", "published", facts=_facts(revision_number=1))
CORRECTED = (
    Step("correct", "correcting", "duty"),
    Step("edit", "correcting", "duty", LATER),
    Step("submit", "received", "duty"),
    Step("claim", "first_review", "duty2"),
)
THREE_AGAIN = (
    _review("first_review", "second_review", "duty2"),
    _review("second_review", "final_review", "head"),
    _review("final_review", "approved", "chief"),
)


def _made(steps: Sequence[Step], **more: Any) -> dict[str, Any]:
    """A proof of a made-up item in a log of its own, signed with the key."""
    bodies, state, previous, content = [], None, GENESIS, CONTENT
    revisions: list[Any] = []
    for seq, step in enumerate(steps, 1):
        content = step.content or content
        if step.content:
            revisions.append(content.canonical())
        event = LedgerEvent(
            ITEM, seq, step.event, state, step.target, step.actor, ("editor",), content.sha256(), dict(step.facts),
            {"actor_name": commitment("actor_name", "00", "某人")},
            datetime(2026, 5, 4, tzinfo=UTC) + timedelta(seconds=seq), previous,
        )  # fmt: skip
        bodies.append(event.body())
        state, previous = step.target, event.hash()
    leaves = [leaf_hash(bytes.fromhex(canonical_sha256(body))) for body in bodies]
    size = len(leaves)
    return {
        "submission_id": ITEM,
        "checkpoint": SIGNER.sign(TreeHead(SIGNER.name, size, root_of(leaves)).text()),
        "item_head": SIGNER.sign(ItemHead(SIGNER.name, UUID(ITEM), size, bytes.fromhex(previous), size).text()),
        "consistency": None,
        "events": [
            {
                "index": index,
                "body": body,
                "path": [root_of(leaves[first:end]).hex() for first, end in inclusion_path(index, size)],
                "opened": {"actor_name": ["00", "某人"]},
            }
            for index, body in enumerate(bodies)
        ],
        "approvals": [
            [body["item_seq"], body["facts"].get("override_asked_by", body["actor_id"]), body["facts"]["stage"],
             body["revision_sha256"]]
            for body in bodies
            if body["event"] in ("approve", "confirm_override")
        ],
        "revisions": revisions,
        "manifests": [[]],
    } | more  # fmt: skip


@pytest.mark.parametrize(
    "steps",
    [
        BEGINNING[:1],
        (*BEGINNING, *THREE, OUT),
        (*BEGINNING, *THREE, OUT, *CORRECTED, *THREE_AGAIN, OUT),
        (*BEGINNING, *THREE, OUT, *CORRECTED, Step("withdraw", "published", "duty"), OUT),
        # Countersigned, with an extra stage, and an override at the second review.
        (
            *BEGINNING,
            _review("first_review", "first_review", "duty"),
            _review("first_review", "extra_review", "duty2"),
            _review("law", "second_review", "lawyer"),
            _review("second_review", "final_review", "chief2", "confirm_override", override_asked_by="head"),
            _review("final_review", "approved", "chief", on_behalf_of="chief3"),
            OUT,
        ),
        # Returned, changed, and three new approvals.
        (
            *BEGINNING,
            THREE[0],
            Step("return_for_revision", "returned", "head"),
            Step("edit", "returned", "author", LATER),
            Step("submit", "received", "author"),
            Step("claim", "first_review", "duty"),
            *THREE,
            Step("delivery_confirmed", "published", facts=_facts(revision_number=2)),
        ),
    ],
    ids=["draft", "published", "corrected", "correction withdrawn", "all kinds of approval", "returned"],
)
def test_history_by_the_rules_holds(check: Any, steps: Sequence[Step]) -> None:
    assert check(_made(steps)) is None


BROKEN: dict[str, tuple[str, Sequence[Step]]] = {
    "two reviews": ("未完成三审", (*BEGINNING, THREE[0], _review("second_review", "approved", "head"), OUT)),
    "no sign-off": ("未签发", (*BEGINNING, *THREE[:2], OUT)),
    "out before the sign-off": (
        "未签发",
        (*BEGINNING, *THREE[:2], OUT, Step("claim", "final_review"), THREE[2]),
    ),
    "reviewed by the author": (
        "不独立",
        (*BEGINNING, _review("first_review", "second_review", "author"), *THREE[1:]),
    ),
    "two stages by one person": (
        "不独立",
        (*BEGINNING, *THREE[:2], _review("final_review", "approved", "duty")),
    ),
    "by nobody": ("不独立", (*BEGINNING, _review("first_review", "second_review", None), *THREE[1:])),
    "as a deputy of the author": (
        "不独立",
        (*BEGINNING, _review("first_review", "second_review", "duty", on_behalf_of="author"), *THREE[1:]),
    ),
    "override asked and confirmed by one": (
        "不独立",
        (
            *BEGINNING,
            _review("first_review", "second_review", "duty", "confirm_override", override_asked_by="duty"),
            *THREE[1:],
        ),
    ),
    "override confirmed by the author": (
        "不独立",
        (
            *BEGINNING,
            _review("first_review", "second_review", "author", "confirm_override", override_asked_by="duty"),
            *THREE[1:],
        ),
    ),
    "reviewed by the last editor": (
        "不独立",
        (
            *BEGINNING,
            *THREE,
            OUT,
            *CORRECTED,
            _review("first_review", "second_review", "duty"),
            *THREE_AGAIN[1:],
        ),
    ),
    "approvals of before a change": (
        "未完成三审",
        (
            *BEGINNING,
            *THREE[:2],
            Step("edit", "received", "head", LATER),
            Step("claim", "first_review", "duty"),
            Step("claim", "final_review", "duty"),
            THREE[2],
        ),
    ),
    "a revision that nobody signed": (
        "未签发",
        (*BEGINNING, *THREE, Step("delivery_confirmed", "published", facts=_facts(revision_number=2))),
    ),
    "the correction before its reviews": (
        "未签发",
        (
            *BEGINNING,
            *THREE,
            OUT,
            *CORRECTED,
            Step("delivery_confirmed", "first_review", facts=_facts(revision_number=2)),
        ),
    ),
    "after the sign-off was taken back": (
        "未签发",
        (*BEGINNING, *THREE, Step("recall", "returned", "chief"), Step("go_out", "approved")),
    ),
    "a second beginning": ("不连续", (*BEGINNING, Step("create", "draft", "author", LATER))),
    "no beginning": ("不连续", (Step("submit", "received", "author", CONTENT),)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_history_against_the_rules_fails_though_its_log_is_sound(check: Any, name: str) -> None:
    why, steps = BROKEN[name]
    assert why in str(check(_made(steps)))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"revisions": [LATER.canonical()]}, "内容被改动"),
        ({"revisions": []}, "内容被改动"),
        ({"manifests": []}, "成品清单"),
        ({"manifests": [[{"files": []}]]}, "成品清单"),
        ({"approvals": []}, "审批与事件不符"),
        ({"submission_id": ITEM[:-1] + "2"}, "另一稿件"),
    ],
)
def test_content_beside_the_log_that_is_not_what_was_signed_fails(check: Any, more: Any, why: str) -> None:
    assert why in str(check(_made((*BEGINNING, *THREE, OUT), **more)))


def test_head_that_is_newer_than_the_checkpoint_fails(check: Any) -> None:
    proof = _made((*BEGINNING, *THREE, OUT))
    last = canonical_sha256(proof["events"][-1]["body"])
    for size in (0, 6, 8):
        head = ItemHead(SIGNER.name, UUID(ITEM), 7, bytes.fromhex(last), size)
        assert "末端声明" in str(check(proof | {"item_head": SIGNER.sign(head.text())}))
    assert check(proof | {"item_head": proof["checkpoint"]}) is not None
    assert check(proof | {"checkpoint": proof["item_head"]}) is not None


# The two implementations of RFC 9162 agree: this one is written apart, as it travels alone.


@pytest.mark.parametrize("size", range(1, 20))
def test_consistency_is_judged_as_by_the_log_itself(size: int) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    for old in range(1, size + 1):
        roots = root_of(leaves[:old]), root_of(leaves)
        path = [root_of(leaves[first:end]) for first, end in consistency_path(old, size)]
        fits = [at for at in range(size + 2) if verify_proof.is_consistent(at, size, roots, path)]
        assert fits == [old]
        assert not verify_proof.is_consistent(old, size, roots, [*path, b"\0" * 32])
        if path:
            assert not verify_proof.is_consistent(old, size, roots, path[1:])
            assert not verify_proof.is_consistent(old, size, roots, [path[0][:-1], *path[1:]])
            assert not verify_proof.is_consistent(old, size, roots, [*path[:-1], path[-1] + b"\0"])
            assert not verify_proof.is_consistent(old, size, (b"", roots[1]), path)
