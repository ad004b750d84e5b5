"""The command `sanshen`: one door to everything that is started or asked from a terminal."""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.backup_cli import backup, restore
from deployments.ledger_cli import ledger_app
from deployments.media_cli import media_app
from deployments.reconcile_cli import reconcile
from deployments.retention_cli import retention
from deployments.stack.prefect_server import client_environment
from states.roles import Role
from storage.settings import SettingMissing, Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="三审：新闻稿件的三审与分发引擎。 Sanshen: three reviews, every platform, one record.",
)
user_app = typer.Typer(no_args_is_help=True, help="人员管理。 People.")
app.add_typer(user_app, name="user")
app.add_typer(media_app, name="media")
app.add_typer(ledger_app, name="ledger")
app.command()(reconcile)
app.command()(backup)
app.command()(restore)
app.command()(retention)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except SettingMissing as error:
        sys.exit(str(error))


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return None


def _logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)


@app.command()
def up(
    demo: Annotated[
        bool, typer.Option(help="首次启动时运行演示。 Run the demo when this home has none yet.")
    ] = False,
    exit_after: Annotated[
        bool,
        typer.Option("--exit-after", help="就绪（及演示）后即停止。 Stop when ready, and after the demo."),
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="就绪（及演示）后创建此文件。 Make this file when ready.")
    ] = None,
) -> None:
    """启动本机全套服务，按 Ctrl-C 停止。 Start everything on this machine; Ctrl-C stops it."""
    from deployments.demo import demo_once, with_receiver
    from deployments.preparations import PREPARATIONS
    from deployments.stack.assemble import run_stack

    async def when_ready(settings: Settings) -> None:
        if demo:
            await demo_once(settings)
        if ready_file is not None:
            ready_file.touch()

    settings = with_receiver(Settings()) if demo else Settings()
    sys.exit(_run(run_stack(settings, PREPARATIONS, when_ready, exit_after=exit_after)) or 0)


@app.command()
def api() -> None:
    """运行接口服务。 Run the API (part of `sanshen up`)."""
    settings = _settings()
    from deployments.api_server import serve

    serve(settings)


@app.command()
def worker() -> None:
    """运行处理进程，可在多台主机上运行。 Run a worker; any number, on any host."""
    settings = _settings()
    from deployments.worker import work

    _logging()
    _run(work(settings))


@app.command()
def dispatch() -> None:
    """运行派发进程。 Run the dispatcher: it hands work to Prefect and finds runs that died."""
    settings = _settings()
    from flows.dispatcher import dispatch as run_dispatcher

    _logging()
    _run(run_dispatcher(settings))


@app.command()
def prepare() -> None:
    """准备外部服务：数据库结构、存储桶、部署，可重复执行。 Schema, buckets, deployments; may be repeated."""
    settings = _settings()
    from deployments.preparations import prepare_all

    _run(prepare_all(settings))


@app.command()
def demo() -> None:
    """在运行中的服务上走完一篇演示稿件。 Take one demo story through the running stack."""
    from deployments.demo import run_demo

    _run(run_demo(_settings()))


@app.command()
def doctor() -> None:
    """检查各部件，并说明如何修复。 Check every part and say how to mend what is missing."""
    from deployments.doctor import examine
    from deployments.stack.terminal import reader_language
    from storage.store_probe import probe_store

    language = reader_language()
    checks = _run(examine(_settings(), probe_store))
    for check in checks:
        mark = "✓" if check.ok else "✗"
        typer.echo(f"{mark} {check.name}: {check.text.in_language(language)}")
        if not check.ok and check.mend is not None:
            typer.echo(f"    → {check.mend.in_language(language)}")
    sys.exit(0 if all(check.ok for check in checks) else 1)


@user_app.command("add")
def user_add(
    username: str,
    display_name: Annotated[str, typer.Option(help="姓名。 The name shown.")],
    role: Annotated[list[Role], typer.Option(help="角色，可多次。 A role; may be given again.")],
    password_file: Annotated[
        Path | None, typer.Option(help="从文件读取密码；否则询问。 Read it from a file instead of asking.")
    ] = None,
) -> None:
    """新增人员。 Add a person."""
    from deployments.people import add

    password = (
        password_file.read_text(encoding="utf-8").strip()
        if password_file
        else typer.prompt("密码 Password", hide_input=True, confirmation_prompt=True)
    )
    _run(add(_settings(), username, display_name, password, role))
    typer.echo(f"已新增 added: {username}")


@user_app.command("list")
def user_list() -> None:
    """列出人员。 List the people."""
    from deployments.people import everybody

    for person in _run(everybody(_settings())):
        state = "" if person.is_active else "（停用 closed）"
        typer.echo(f"{person.username}\t{person.display_name}\t{', '.join(person.roles)}{state}")


def _settings() -> Settings:
    """The settings, with Prefect's own variables set: it reads them when it is imported, so call this first."""
    settings = Settings()
    if settings.prefect_api_url is not None:
        os.environ.setdefault("PREFECT_API_URL", settings.prefect_api_url)
    for name, value in client_environment(settings.home.resolve(), settings.prefect_api_url).items():
        os.environ.setdefault(name, value)
    return settings


if __name__ == "__main__":
    main()
