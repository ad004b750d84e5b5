"""`sanshen reconcile`: database and store compared, in words or as JSON."""

import asyncio
import json
import sys
from typing import Annotated

import typer

from storage.errors import StorageError
from storage.settings import Settings

CLEAN, DIFFERS, NOT_DONE = 0, 1, 2


def reconcile(
    hashes: Annotated[
        bool, typer.Option("--hashes", help="读出每个对象核对哈希（慢）。 Read every object back; slow.")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", help="修复能修复的。 Mend what can be mended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="以 JSON 输出。 Print JSON.")] = False,
) -> None:
    """双向核对数据库与存储。 Compare database and store, both ways. Exit status 1 on differences, 2 if not done."""
    from deployments.reconcile import examine, lines_of
    from deployments.stack.terminal import reader_language

    try:
        report = asyncio.run(examine(Settings(), reads_back=hashes, repairs=repair))
    except StorageError as error:
        typer.echo(error.text.in_language(reader_language()), err=True)
        sys.exit(NOT_DONE)
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=1))
    else:
        for line in lines_of(report, reader_language()):
            typer.echo(line)
    sys.exit(CLEAN if report.is_clean else DIFFERS)
