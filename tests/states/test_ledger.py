"""The record's mathematics: RFC 8785, and a hash that changes with every field."""

import hashlib
import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from states.ledger import (
    GENESIS,
    JournalEntry,
    LedgerEvent,
    NotCanonical,
    canonical_json,
    canonical_sha256,
    commitment,
)

EVENT = LedgerEvent(
    submission_id="11111111-1111-4111-8111-111111111111",
    item_seq=7,
    event="approve",
    from_state="final_review",
    to_state="approved",
    actor_id="22222222-2222-4222-8222-222222222222",
    actor_roles=("editor_in_chief",),
    revision_sha256="a" * 64,
    facts={"manifest_sha256": "c" * 64},
    commitments={"reason": "d" * 64},
    at=datetime(2026, 5, 4, 3, 2, 1, 7, tzinfo=UTC),
    prev_hash=GENESIS,
)
CHANGES: dict[str, Any] = {
    "submission_id": "11111111-1111-4111-8111-111111111112",
    "item_seq": 8,
    "event": "reject",
    "from_state": None,
    "to_state": "rejected",
    "actor_id": None,
    "actor_roles": ("editor_in_chief", "desk_head"),
    "revision_sha256": "b" * 64,
    "facts": {"manifest_sha256": "c" * 63 + "d"},
    "commitments": {"reason": "d" * 63 + "e"},
    "at": EVENT.at + timedelta(microseconds=1),
    "prev_hash": "0" * 63 + "1",
}


@pytest.mark.parametrize("field", [each.name for each in fields(LedgerEvent)])
def test_hash_changes_with_each_single_field(field: str) -> None:
    assert replace(EVENT, **{field: CHANGES[field]}).hash() != EVENT.hash()


def test_body_has_every_field_once() -> None:
    assert set(EVENT.body()) == {each.name for each in fields(LedgerEvent)} | {"kind"}


def test_hash_is_that_of_these_bytes_and_stays_so() -> None:
    """Written out once by hand: whoever verifies the record without this code needs exactly these bytes."""
    spelled = (
        '{"actor_id":"22222222-2222-4222-8222-222222222222","actor_roles":["editor_in_chief"],'
        f'"at":"2026-05-04T03:02:01.000007+00:00","commitments":{{"reason":"{"d" * 64}"}},"event":"approve",'
        f'"facts":{{"manifest_sha256":"{"c" * 64}"}},"from_state":"final_review","item_seq":7,'
        f'"kind":"event","prev_hash":"{"0" * 64}","revision_sha256":"{"a" * 64}",'
        '"submission_id":"11111111-1111-4111-8111-111111111111","to_state":"approved"}'
    )
    assert EVENT.hash() == hashlib.sha256(spelled.encode()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"from_state": None, "actor_id": None, "revision_sha256": None, "facts": {}, "commitments": {}},
        {
            "event": 'a"\\\n\u2028三审😀',
            "facts": {"\ufb33": 1, "\U0001f600": [None, True, {"b": 1, "a": "€"}]},
        },
        {"actor_roles": ("b", "a"), "commitments": {"reason": "x", "comment": "y"}},
    ],
)
def test_hash_is_the_canonical_hash_of_the_body(changes: dict[str, Any]) -> None:
    event = replace(EVENT, **changes)
    assert event.hash() == canonical_sha256(event.body())


@pytest.mark.parametrize("changes", [{"event": "\ud800"}, {"facts": {"x": 1.5}}, {"facts": {1: 2}}])
def test_event_without_a_canonical_form_has_no_hash(changes: dict[str, Any]) -> None:
    with pytest.raises(NotCanonical):
        replace(EVENT, **changes).hash()


def test_hash_does_not_depend_on_the_order_of_roles_or_facts_or_on_the_zone() -> None:
    beijing = replace(EVENT, at=EVENT.at.astimezone(timezone(timedelta(hours=8))))
    assert beijing.hash() == EVENT.hash()
    two = replace(EVENT, actor_roles=("a", "b"), facts={"x": 1, "y": [2]})
    assert replace(EVENT, actor_roles=("b", "a"), facts={"y": [2], "x": 1}).hash() == two.hash()


def test_chain_breaks_where_an_earlier_event_is_changed() -> None:
    chain = [EVENT]
    for number in range(8, 12):
        chain.append(replace(EVENT, item_seq=number, prev_hash=chain[-1].hash()))
    for place, event in enumerate(chain[:-1]):
        assert replace(event, event="别的").hash() != chain[place + 1].prev_hash


ENTRY = JournalEntry(
    action="draft_read",
    actor_id="22222222-2222-4222-8222-222222222222",
    subject="submission:11111111-1111-4111-8111-111111111111",
    facts={"version": 3},
    at=EVENT.at,
)
ENTRY_CHANGES: dict[str, Any] = {
    "action": "erased",
    "actor_id": None,
    "subject": "submission:11111111-1111-4111-8111-111111111112",
    "facts": {"version": 4},
    "at": EVENT.at + timedelta(microseconds=1),
}


@pytest.mark.parametrize("field", [each.name for each in fields(JournalEntry)])
def test_hash_of_a_journal_entry_changes_with_each_single_field(field: str) -> None:
    assert replace(ENTRY, **{field: ENTRY_CHANGES[field]}).hash() != ENTRY.hash()


def test_hash_of_a_journal_entry_is_that_of_these_bytes_and_stays_so() -> None:
    spelled = (
        '{"action":"draft_read","actor_id":"22222222-2222-4222-8222-222222222222",'
        '"at":"2026-05-04T03:02:01.000007+00:00","facts":{"version":3},"kind":"journal",'
        '"subject":"submission:11111111-1111-4111-8111-111111111111"}'
    )
    assert ENTRY.hash() == hashlib.sha256(spelled.encode()).hexdigest()


@pytest.mark.parametrize("entry", [EVENT, ENTRY], ids=["event", "journal"])
def test_hash_of_a_time_without_a_zone_is_refused(entry: Any) -> None:
    with pytest.raises(NotCanonical, match="zone"):
        replace(entry, at=EVENT.at.replace(tzinfo=None)).hash()


def test_commitment_is_the_hash_of_field_salt_and_value_and_changes_with_each() -> None:
    made = commitment("reason", "0" * 32, "请补充")
    spelled = '["reason","00000000000000000000000000000000","请补充"]'
    assert made == hashlib.sha256(spelled.encode()).hexdigest()
    others = [
        ("comment", "0" * 32, "请补充"),
        ("reason", "1" * 32, "请补充"),
        ("reason", "0" * 32, "请补充。"),
    ]
    assert made not in {commitment(*other) for other in others}


def test_commitment_cannot_be_read_as_one_of_other_parts() -> None:
    """A hash over parts run together would be the same for both."""
    assert commitment("reason", "ab", "c") != commitment("reason", "a", "bc")
    assert commitment('reason","a', "b", "c") != commitment("reason", 'a","b', "c")


RFC_8785_NAMES = {  # section 3.2.3: the order of names, by UTF-16 code units
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\U0001f600": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
}


def test_names_are_sorted_as_in_the_example_of_rfc_8785() -> None:
    assert list(json.loads(canonical_json(RFC_8785_NAMES)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",  # D83D DE00: before FB33, though its code point is higher
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-1, "-1"),
        (2**53 - 1, "9007199254740991"),
        (-(2**53) + 1, "-9007199254740991"),
        ("", '""'),
        ({}, "{}"),
        ([], "[]"),
        ((1, "a"), '[1,"a"]'),
        ([56, {"d": True, "10": None, "1": []}], '[56,{"1":[],"10":null,"d":true}]'),
        ({"b": {"z": 1, "a": 2}, "a": 3}, '{"a":3,"b":{"a":2,"z":1}}'),
        # Section 3.2.2.2: short escapes, else \u00xx in small letters; all else as it is.
        ('\u20ac$\u000f\u000aA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("\b\t\n\f\r", '"\\b\\t\\n\\f\\r"'),
        ("\u0000\u001f", '"\\u0000\\u001f"'),
        ("\u007f\u0080\u2028\u2029", '"\u007f\u0080\u2028\u2029"'),
        ("三审😀", '"三审😀"'),
        ("e\u0301", '"e\u0301"'),  # no normalization (section 3.1)
    ],
)
def test_canonical_form(value: object, canonical: str) -> None:
    assert canonical_json(value) == canonical.encode()


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        0.5,
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        "\ud800",
        "\udfff\ud800",
        {"\ud800": 1},
        {1: "a number for a name"},
        {None: 1},
        b"bytes",
        {1, 2},
        EVENT.at,
        object(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [{"deep": [value]}]])
def test_value_without_a_canonical_form_is_refused(value: object, wrap: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(wrap(value))


def test_canonical_sha256_is_the_hash_of_the_canonical_form() -> None:
    assert canonical_sha256({"b": 1, "a": "三"}) == hashlib.sha256('{"a":"三","b":1}'.encode()).hexdigest()
