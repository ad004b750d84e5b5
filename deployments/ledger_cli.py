"""`sanshen ledger`: the commands of the log."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from storage.errors import StorageError
from storage.settings import Settings

ledger_app = typer.Typer(no_args_is_help=True, help="留痕账本。 The ledger: verify, sign, prove, erase.")
_MOST_SHOWN = 200


@ledger_app.command("verify")
def verify(
    checkpoint: Annotated[
        Path | None, typer.Option(help="与此前保存的检查点比对。 Compare with a checkpoint that you kept.")
    ] = None,
    copies: Annotated[
        Path | None, typer.Option(help="与副本目录比对。 Compare with a folder of copies.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="验证公钥，可多次。 A verifier key; may be given again.")
    ] = None,
) -> None:
    """重放全部记录并核对，逐条指出问题。 Replay the whole record; every fault is named. Exit status 1 on any."""
    from deployments import ledger
    from deployments.stack.terminal import reader_language

    with _told():
        found = asyncio.run(ledger.verify(Settings(), key or (), checkpoint, copies))
    language = reader_language()
    for fault in found.faults[:_MOST_SHOWN]:
        typer.echo(f"✗ {fault.where}: {fault.text.in_language(language)}")
    if len(found.faults) > _MOST_SHOWN:
        typer.echo(f"… {len(found.faults)}")
    typer.echo(
        f"{'✗' if found.faults else '✓'} {found.entries} 条 entries · {found.events} 个事件 events · "
        f"{found.items} 篇稿件 items · {found.checkpoints} 个检查点 checkpoints · {found.waiting} 个待写入 waiting · "
        f"{found.erased} 项已删除 erased · {len(found.faults)} 个问题 faults"
    )
    sys.exit(1 if found.faults else 0)


@ledger_app.command("checkpoint")
def checkpoint(
    new_key: Annotated[
        bool,
        typer.Option(
            "--new-key", help="原密钥已遗失，用新密钥续签。 The old key is lost; go on with a new one."
        ),
    ] = False,
) -> None:
    """写入等待的事件，并打印最新检查点，请保存到别处。 Sign what waits and print the newest checkpoint: keep it."""
    from deployments import ledger

    with _told():
        note = asyncio.run(ledger.checkpoint(Settings(), is_new_key=new_key))
    if note is None:
        sys.exit("日志还是空的。 The log is empty.")
    typer.echo(note, nl=False)


@ledger_app.command("key")
def key() -> None:
    """打印验证公钥，可公开。 Print the verifier key; it may be published."""
    from deployments import ledger

    with _told():
        typer.echo(ledger.verifier_key(Settings()))


@ledger_app.command("proof")
def proof(
    submission_id: UUID,
    since: Annotated[
        int | None, typer.Option(min=1, help="与多少条时的检查点比对。 Size of a checkpoint to compare with.")
    ] = None,
) -> None:
    """打印一篇稿件的证明文件，用 verify_proof.py 离线核验。 Print a submission's proof, to be checked offline."""
    from deployments import ledger

    with _told():
        found = asyncio.run(ledger.proof(Settings(), submission_id, since))
    typer.echo(json.dumps(found, ensure_ascii=False, indent=1))


@ledger_app.command("erase")
def erase(
    person: Annotated[
        str | None,
        typer.Option(help="登录名：删除其姓名和地址，停用账号。 A person: name, addresses, account."),
    ] = None,
    event: Annotated[str | None, typer.Option(help="事件：稿件编号/序号。 An event: SUBMISSION/SEQ.")] = None,
    field: Annotated[str | None, typer.Option(help="reason 或 comment。 Which text of the event.")] = None,
) -> None:
    """删除记录中的个人信息，证明仍然有效。 Erase personal data; proofs stay valid. It cannot be undone."""
    from deployments import ledger

    if (person is None) == (event is None) or (event is None) != (field is None):
        sys.exit("请用 --person，或 --event 加 --field。 Give --person, or --event with --field.")
    with _told():
        if person is not None:
            count = asyncio.run(ledger.erase(Settings(), person))
            typer.echo(f"已从 {count} 个事件中删除。 Erased from {count} events.")
            return
        submission, item_seq = _event(str(event))
        asyncio.run(ledger.erase_field(Settings(), submission, item_seq, str(field)))
        typer.echo("已删除。 Erased.")


def _event(text: str) -> tuple[UUID, int]:
    submission, _, seq = text.partition("/")
    try:
        return UUID(submission), int(seq)
    except ValueError:
        sys.exit("事件写作 稿件编号/序号。 An event is written SUBMISSION/SEQ.")


@contextmanager
def _told() -> Iterator[None]:
    """Ends the command with the words of a refusal, in both languages."""
    try:
        yield
    except StorageError as error:
        sys.exit(f"{error.text.zh} {error.text.en}")
    except OSError as error:
        sys.exit(str(error))
