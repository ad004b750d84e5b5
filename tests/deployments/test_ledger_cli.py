"""`sanshen ledger` as a person types it."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from deployments.verify_proof import check
from states.events import Event
from storage.log_copies import to_be_copied, write_copy
from storage.notes import TreeHead, Verifier, load_signer, new_signer

pytestmark = pytest.mark.slow

Run = Callable[..., Any]


@pytest.fixture
def run(book: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_apart: Any) -> Run:
    """run("verify", …): the command's result, with a home of this test's own."""
    monkeypatch.setenv("SANSHEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SANSHEN_DATABASE_URL", book.newsroom.db.url)
    monkeypatch.setenv("SANSHEN_DATABASE_OWNER_URL", book.owner.url)
    monkeypatch.setenv("SANSHEN_LEDGER_KEY", str(tmp_path / "key"))
    (tmp_path / "key").write_text(book.signer.encoded())
    monkeypatch.setenv("LANG", "en_US.UTF-8")

    def command(*arguments: object) -> Any:
        found: list[Any] = []
        run_apart(lambda: found.append(CliRunner().invoke(app, ["ledger", *map(str, arguments)])))
        return found[0]

    return command


async def _copies(book: Any, folder: Path) -> None:
    async with book.newsroom.db.transaction() as session:
        for copied in await to_be_copied(session, "nowhere"):
            write_copy(folder, copied)


async def test_checkpoint_signs_what_waits_and_verify_finds_nothing_wrong(
    book: Any, run: Run, tmp_path: Path
) -> None:
    await book.published()
    done = run("checkpoint")
    assert done.exit_code == 0, done.output
    head = TreeHead.open(done.output, book.signer.verifier)
    assert head.size == await book.scalar("SELECT count(*) FROM event")
    (tmp_path / "kept.note").write_text(done.output)
    await book.newsroom.draft()
    assert run("checkpoint").output != done.output
    await _copies(book, tmp_path / "copies")
    for more in (
        (),
        ("--checkpoint", tmp_path / "kept.note"),
        ("--copies", tmp_path / "copies"),
        ("--key", str(book.signer.verifier)),
    ):
        verified = run("verify", *more)
        assert (verified.exit_code, verified.output[0]) == (0, "✓"), verified.output


async def test_verify_names_what_was_changed_and_ends_with_one(book: Any, run: Run, tmp_path: Path) -> None:
    await book.published()
    await book.sequence()
    other = new_signer(book.signer.name)
    forged = TreeHead(other.name, 3, b"\1" * 32).text()
    (tmp_path / "forged.note").write_text(book.signer.sign(forged))
    verified = run("verify", "--checkpoint", tmp_path / "forged.note")
    assert verified.exit_code == 1
    assert "✗ log 0–2" in verified.output
    (tmp_path / "home" / "checkpoints").mkdir(parents=True)  # the copies of this home are used unasked
    (tmp_path / "home" / "checkpoints" / "000000000003.note").write_text(book.signer.sign(forged))
    assert "✗ log 0–2" in run("verify").output
    assert run("verify", "--key", other.verifier).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("verify", "--checkpoint", "/nowhere/old.note"), "No such file"),
        (("verify", "--key", "nonsense"), "name+hash+base64"),
        (("proof", "11111111-1111-4111-8111-111111111111"), "not in the log yet"),
        (("erase",), "Give --person"),
        (("erase", "--person", "a", "--event", "b/1", "--field", "reason"), "Give --person"),
        (("erase", "--event", "b/1"), "Give --person"),
        (("erase", "--event", "b/1", "--field", "reason"), "SUBMISSION/SEQ"),
        (("erase", "--person", "nobody"), "no person nobody"),
        (
            ("erase", "--event", "11111111-1111-4111-8111-111111111111/1", "--field", "reason"),
            "has no reason",
        ),
    ],
)
async def test_command_that_cannot_be_done_says_what_to_do(
    book: Any, run: Run, arguments: tuple[str, ...], words: str
) -> None:
    await book.newsroom.draft()
    await book.sequence()
    done = run(*arguments)
    assert done.exit_code == 1
    assert words in done.output


async def test_key_is_made_at_first_and_verify_makes_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANSHEN_LEDGER_KEY", str(tmp_path / "other"))
    monkeypatch.setenv("SANSHEN_LEDGER_ORIGIN", "news.example.org/log")
    refused = run("verify")
    assert (refused.exit_code, "--key" in refused.output) == (1, True)
    assert not (tmp_path / "other").exists()
    told = run("key").output
    assert Verifier.parse(told).name == "news.example.org/log"
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o600
    assert run("key").output == told
    assert load_signer(tmp_path / "other").encoded() not in told


async def test_lost_key_is_replaced_only_when_asked_for(
    book: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await book.newsroom.draft()
    await book.sequence()
    await book.newsroom.draft()
    monkeypatch.setenv("SANSHEN_LEDGER_KEY", str(tmp_path / "new"))
    refused = run("checkpoint")
    assert (refused.exit_code, "--new-key" in refused.output) == (1, True)
    made = run("checkpoint", "--new-key")
    assert made.exit_code == 0, made.output
    new = load_signer(tmp_path / "new").verifier
    assert TreeHead.open(made.output, new)
    assert run("verify").exit_code == 1  # the older checkpoints are of a key that it does not know
    assert run("verify", "--key", new, "--key", book.signer.verifier).exit_code == 0
    # Back, for the tests that follow in this database.
    await book.newsroom.draft()
    monkeypatch.setenv("SANSHEN_LEDGER_KEY", str(tmp_path / "key"))
    assert run("checkpoint", "--new-key").exit_code == 0


async def test_proof_is_printed_for_the_verifier_and_outlives_an_erasure(
    book: Any, run: Run, tmp_path: Path
) -> None:
    item = await book.newsroom.received()
    await book.newsroom.send(item, Event.CLAIM, "all_reviews")
    await book.newsroom.send(item, Event.RETURN_FOR_REVISION, "all_reviews", "请补充")
    await book.sequence()
    for command in (
        (),
        ("erase", "--event", f"{item}/5", "--field", "reason"),
        ("erase", "--person", "all_reviews"),
    ):
        if command:
            done = run(*command)
            assert (done.exit_code, "Erased" in done.output) == (0, True), done.output
        told = run("proof", item)
        (tmp_path / "proof.json").write_text(told.output, encoding="utf-8")
        assert str(item) in check(tmp_path / "proof.json", str(book.signer.verifier), None)
    last = json.loads(told.output)["events"][-1]
    assert last["opened"] == {}
    assert set(last["body"]["commitments"]) == {"actor_name", "reason"}
    size = await book.scalar("SELECT min(size) FROM checkpoint")
    assert json.loads(run("proof", item, "--since", size).output)["consistency"]["old_size"] == size
