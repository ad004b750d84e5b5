"""Signed notes: Go's own vector, and everything that is not a note of this key."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from storage.notes import (
    ItemHead,
    NoteInvalid,
    Signer,
    TreeHead,
    Verifier,
    load_signer,
    new_signer,
    open_note,
)

# The documented example of golang.org/x/mod/sumdb/note.
GO_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_NOTE = (
    f"{GO_TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6R"
    "yyBwJnAM=\n"
)
SIGNER = Signer("sanshen/test", bytes(range(32)))
HEAD = TreeHead("sanshen/test", 20852163, bytes(32))
ITEM = UUID("11111111-1111-4111-8111-111111111111")


def test_note_of_the_go_documentation_is_signed_and_opened_alike() -> None:
    signer = Signer.parse(GO_KEY)
    assert str(signer.verifier) == GO_VERIFIER
    assert signer.encoded() == GO_KEY
    assert signer.sign(GO_TEXT) == GO_NOTE
    assert open_note(GO_NOTE, Verifier.parse(GO_VERIFIER)) == GO_TEXT


def test_signer_shown_does_not_show_its_key() -> None:
    assert "01\\x02" not in repr(SIGNER)
    assert "seed" not in repr(SIGNER)


def test_note_with_any_byte_changed_is_refused() -> None:
    note = SIGNER.sign(HEAD.text())
    for at in range(len(note)):
        for other in ("x", "\n", "", " ", "\x07"):
            changed = note[:at] + other + note[at + 1 :]
            if changed == note:
                continue
            with pytest.raises(NoteInvalid):
                TreeHead.open(changed, SIGNER.verifier)


def test_checkpoint_text_is_that_of_the_specification() -> None:
    lines = SIGNER.sign(HEAD.text()).split("\n")
    assert lines[:4] == ["sanshen/test", "20852163", "A" * 43 + "=", ""]
    assert lines[4].startswith("— sanshen/test ")
    assert TreeHead.open(SIGNER.sign(HEAD.text()), SIGNER.verifier) == HEAD


@pytest.mark.parametrize(
    "text",
    [
        "sanshen/other\n1\n" + "A" * 43 + "=\n",
        "sanshen/test\n01\n" + "A" * 43 + "=\n",
        "sanshen/test\n-1\n" + "A" * 43 + "=\n",
        "sanshen/test\n１\n" + "A" * 43 + "=\n",
        "sanshen/test\n1\n" + "A" * 42 + "==\n",
        "sanshen/test\n1\n" + "A" * 43 + "\n",
        "sanshen/test\n1\n" + "A" * 42 + "B=\n",
        "sanshen/test\n1\n",
        "sanshen/test\n1\n" + "A" * 43 + "=\nmore\n",
    ],
)
def test_signed_text_that_is_no_checkpoint_of_this_log_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        TreeHead.open(SIGNER.sign(text), SIGNER.verifier)


def test_item_head_and_checkpoint_do_not_pass_for_each_other() -> None:
    head = ItemHead("sanshen/test", ITEM, 7, bytes(32), 40)
    assert ItemHead.open(SIGNER.sign(head.text()), SIGNER.verifier) == head
    with pytest.raises(NoteInvalid):
        TreeHead.open(SIGNER.sign(head.text()), SIGNER.verifier)
    with pytest.raises(NoteInvalid):
        ItemHead.open(SIGNER.sign(HEAD.text()), SIGNER.verifier)


def test_signature_of_another_key_is_ignored_and_alone_is_not_enough() -> None:
    note = SIGNER.sign(HEAD.text())
    other = new_signer("sanshen/test")
    with pytest.raises(NoteInvalid, match="not signed by"):
        open_note(other.sign(HEAD.text()), SIGNER.verifier)
    both = note + other.sign(HEAD.text()).rpartition("\n\n")[2]
    assert open_note(both, SIGNER.verifier) == open_note(both, other.verifier) == HEAD.text()


def test_bad_signature_of_the_key_beside_a_good_one_is_refused() -> None:
    note = SIGNER.sign(HEAD.text())
    wrong = SIGNER.sign("another\n").rpartition("\n\n")[2]
    with pytest.raises(NoteInvalid, match="does not hold"):
        open_note(note + wrong, SIGNER.verifier)


@pytest.mark.parametrize(
    "text", ["", "no newline", "a\x00b\n", "tab\there\n", "carriage\rreturn\n", "escape \x1b\n"]
)
def test_text_that_no_note_may_have_is_not_signed(text: str) -> None:
    with pytest.raises(NoteInvalid):
        SIGNER.sign(text)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a",
        "a+b",
        "a b+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        GO_VERIFIER.replace("c74f20a3", "c74f20a4"),
        GO_VERIFIER.replace("PeterNeumann", "peterneumann"),
        GO_VERIFIER.replace("+ARpc", "+ERpc"),
        GO_VERIFIER[:-4],
        GO_VERIFIER + "=",
        GO_KEY,
    ],
)
def test_text_that_is_no_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(NoteInvalid):
        Verifier.parse(key)


def test_private_key_that_is_damaged_is_refused_without_being_quoted() -> None:
    for damaged in (GO_VERIFIER, GO_KEY[:-4], GO_KEY.replace("c74f", "c74e"), GO_KEY[1:]):
        with pytest.raises(NoteInvalid) as refused:
            Signer.parse(damaged)
        assert damaged[-20:] not in str(refused.value)


def test_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "ledger.key"
    with ThreadPoolExecutor(8) as pool:
        signers = list(pool.map(lambda _: load_signer(path, "example.org/log"), range(16)))
    assert len(set(signers)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert load_signer(path, "another.example").name == "example.org/log"


def test_two_installations_have_two_origins() -> None:
    assert new_signer().name != new_signer().name
