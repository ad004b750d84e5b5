"""`sanshen backup` and `sanshen restore`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deployments.stack.errors import StackError
from states.text import Text
from storage.errors import StorageError
from storage.settings import Settings


def backup(
    into: Annotated[Path, typer.Argument(help="备份放在此目录下。 The folder to put it in.")],
) -> None:
    """备份数据库、密钥、检查点和对象清单，可在运行中进行。 Back up, while running; objects stay in the store."""
    from deployments.backup import make_backup

    with _told():
        made = asyncio.run(make_backup(Settings(), into))
    about = made.manifest.about
    typer.echo(made.folder)
    _say(
        Text(
            f"✓ {about['events']} 个事件、{about['submissions']} 篇稿件，账本 {about['log_size']} 条。\n"
            "⚠ 其中有签名密钥和登录密钥，未加密，只有您能读。带离本机前请加密。\n"
            f"⚠ 对象本身不在其中（{about['objects']} 个，{about['objects_bytes']} 字节，清单 objects.jsonl.gz）："
            "请另行备份存储。",
            f"✓ {about['events']} events, {about['submissions']} submissions, {about['log_size']} log entries.\n"
            "⚠ It holds the signing key and the secrets, not encrypted, readable by you alone. Encrypt it before it "
            "leaves this machine.\n"
            f"⚠ The objects are not in it ({about['objects']}, {about['objects_bytes']} bytes, listed in "
            "objects.jsonl.gz): back up the store as well.",
        )
    )


def restore(
    folder: Annotated[Path, typer.Argument(help="备份目录。 The folder of one backup.")],
) -> None:
    """恢复到空的安装，并核验账本和证明。 Restore into an empty installation; ends by verifying ledger and proofs."""
    from deployments.restore import restore as restore_into

    with _told():
        status = asyncio.run(restore_into(Settings(), folder, _say))
    if status == 0:
        _say(Text("✓ 恢复完成。请用 sanshen up 启动。", "✓ Restored. Start it with `sanshen up`."))
    else:
        home = Settings().home
        _say(
            Text(
                f"✗ 没有恢复成功。查明原因后删除 {home} 再试；备份没有改动。",
                f"✗ Not restored. Find out why, remove {home}, and try again; the backup is as it was.",
            )
        )
    sys.exit(status)


def _say(text: Text) -> None:
    from deployments.stack.terminal import reader_language

    typer.echo(text.in_language(reader_language()))


@contextmanager
def _told() -> Iterator[None]:
    """Ends the command with the words of a refusal."""
    try:
        yield
    except (StorageError, StackError) as error:
        sys.exit(f"{error.text.zh} {error.text.en}")
    except OSError as error:
        sys.exit(str(error))
