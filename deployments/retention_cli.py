"""`sanshen retention`: what the retention rules would remove, and its removal."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from states.text import Text
from storage.errors import StorageError
from storage.settings import Settings

if TYPE_CHECKING:
    from flows.retention import Due

_RULES = ("drafts", "rejected", "logs")


def retention(
    is_applied: Annotated[
        bool, typer.Option("--apply/--dry-run", help="真正删除；默认只列出。 Remove; by default only list.")
    ] = False,
    rule: Annotated[
        list[str] | None,
        typer.Option(help="drafts、rejected 或 logs，可多次；默认全部。 May be given again; default all."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="以 JSON 输出。 Print JSON.")] = False,
) -> None:
    """按保存期限清理：先列出，再以 --apply 删除。 What the retention rules remove; --apply removes it."""
    from deployments.stack.terminal import reader_language

    if unknown := set(rule or ()) - set(_RULES):
        sys.exit(f"没有这条规则 no such rule: {', '.join(sorted(unknown))}（{', '.join(_RULES)}）")
    try:
        due = asyncio.run(_run(Settings(), tuple(rule or _RULES), is_applied=is_applied))
    except StorageError as error:
        sys.exit(f"{error.text.zh} {error.text.en}")
    if as_json:
        typer.echo(json.dumps({"is_applied": is_applied, **due.to_json()}, ensure_ascii=False, indent=1))
        return
    for text in _words(due, is_applied=is_applied):
        typer.echo(text.in_language(reader_language()))


async def _run(settings: Settings, rules: tuple[str, ...], *, is_applied: bool) -> "Due":
    from flows.retention import apply, dry_run
    from storage.database import Database
    from storage.objects import Objects

    db = Database(settings.require_database_url(), pool_size=2)
    try:
        if is_applied:
            return await apply(settings, db, Objects(settings), rules)
        return await dry_run(settings, db, rules)
    finally:
        await db.close()


def _words(due: "Due", *, is_applied: bool) -> list[Text]:
    lines = []
    for each in due.pieces:
        size_bytes = sum(one.size_bytes for one in each.objects)
        what = f"{each.rule} · {each.submission_id} · {each.untouched_since:%Y-%m-%d}"
        lines.append(
            Text(
                f"{what} · {each.title}：文件 {len(each.files)} 个，清空 {each.forgotten} 版正文，"
                f"存储对象 {len(each.objects)} 个（{size_bytes} 字节）",
                f"{what} · {each.title}: {len(each.files)} files, the text of {each.forgotten} revisions, "
                f"{len(each.objects)} objects ({size_bytes} bytes)",
            )
        )
        lines += [Text(f"    {one.bucket}/{one.key}", f"    {one.bucket}/{one.key}") for one in each.objects]
    lines += [Text(f"logs · {log.path.name}", f"logs · {log.path.name}") for log in due.logs]
    counts = f"{len(due.pieces)} · {len(due.logs)}"
    if is_applied:
        return [*lines, Text(f"已删除（稿件 · 日志）：{counts}", f"Removed (pieces · logs): {counts}")]
    text = Text(
        f"将删除（稿件 · 日志）：{counts}。什么都没有改动；确认后加 --apply。",
        f"Would be removed (pieces · logs): {counts}. Nothing was changed; add --apply when it is right.",
    )
    return [*lines, text]
