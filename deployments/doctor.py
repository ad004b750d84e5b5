"""`sanshen doctor`: looks at every part of an installation and says how to mend what is missing."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx

from deployments.doctor_check import Check
from deployments.doctor_disk import disks
from deployments.doctor_malware import clamd
from deployments.doctor_store import ProbeS3, store_checks
from deployments.stack import postgres, s3
from deployments.stack.addresses import Embedded, embedded_parts
from deployments.stack.assemble import wanted_ports
from deployments.stack.errors import StackError
from deployments.stack.home import supervisor_of
from deployments.stack.ports import is_free
from media import syscalls
from media.sandbox import walls
from states.text import Text
from storage.grants import is_held_by_grant
from storage.settings import Settings
from storage.store_probe import StoreFacts

__all__ = ["Check", "examine"]

_TIMEOUT_S = 5.0


async def examine(settings: Settings, probe_s3: ProbeS3) -> list[Check]:
    """Every check of this installation, in the order in which they should be mended. Changes nothing.

    Servers of the embedded stack are asked only while it runs; `sanshen up` starts them otherwise.
    """
    home = settings.home.expanduser().resolve()
    supervisor = supervisor_of(home)
    settings = settings.model_copy(update={"home": home})
    embedded = embedded_parts(settings)
    checks = [_python(), _home(home), *disks(home), *_ports(settings, embedded, supervisor)]
    checks += await asyncio.to_thread(lambda: list(_programs(embedded)))
    checks += [await _ffmpeg(), _pyav()]
    checks.append(await _server("PostgreSQL", embedded.postgres, supervisor, lambda: _ask_postgres(settings)))
    checks.append(await _record(settings, checks[-1], supervisor))
    checks += await _store(settings, embedded, supervisor, probe_s3)
    checks.append(await _server("Prefect", embedded.prefect, supervisor, lambda: _ask_prefect(settings)))
    return [*checks, _bubblewrap(), await clamd(settings)]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(
        "Python",
        sys.version_info >= (3, 11),
        Text(zh=f"版本 {version}", en=f"version {version}"),
        Text(zh="请安装 Python 3.11 或更新版本。", en="Install Python 3.11 or newer."),
    )


def _home(home: Path) -> Check:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    return Check(
        "home",
        os.access(existing, os.W_OK | os.X_OK),
        Text(zh=f"数据目录 {home}", en=f"data folder {home}"),
        Text(
            zh=f"当前用户不能写 {existing}。请修改权限，或用 SANSHEN_HOME 指定另一个目录。",
            en=f"You cannot write to {existing}. Change its permissions, or set SANSHEN_HOME.",
        ),
    )


def _ports(settings: Settings, embedded: Embedded, supervisor: int | None) -> Iterator[Check]:
    by_setting: dict[str, list[int]] = {}
    for port in wanted_ports(settings, embedded):
        taken = by_setting.setdefault(port.setting, [])
        if supervisor is None and not (0 < port.number < 65536 and is_free(port)):
            taken.append(port.number)
    for setting, taken in by_setting.items():
        yield _port(setting, taken, supervisor)


def _port(setting: str, taken: list[int], supervisor: int | None) -> Check:
    numbers = ", ".join(map(str, taken))
    if supervisor is not None:
        found = Text(
            zh=f"由正在运行的 sanshen up（进程 {supervisor}）使用",
            en=f"used by the running sanshen up (process {supervisor})",
        )
    elif taken:
        found = Text(zh=f"端口 {numbers} 不可用", en=f"cannot be used: {numbers}")
    else:
        found = Text(zh="空闲", en="free")
    return Check(
        setting,
        not taken,
        found,
        Text(
            zh=f"请停掉占用它的程序，或者设置 {setting} 换一个端口。",
            en=f"Stop the program that uses it, or set {setting} to another port.",
        ),
    )


def _programs(embedded: Embedded) -> Iterator[Check]:
    if embedded.postgres:
        yield _program("postgres", lambda: postgres.program("postgres"), "--version")
    if embedded.s3:
        yield _program("weed", s3.program, "version")
    if embedded.prefect:
        yield _prefect_importable()


def _program(name: str, find: Callable[[], str], argument: str) -> Check:
    try:
        ran = subprocess.run(
            [find(), argument], capture_output=True, text=True, check=True, timeout=_TIMEOUT_S * 4
        )
    except StackError as error:
        return Check(name, False, Text(zh="没有找到", en="not found"), error.text)
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name, False, Text(zh=f"无法运行：{error}", en=f"does not run: {error}"), _REINSTALL)
    shown = (ran.stdout or ran.stderr).strip().splitlines()[0]
    return Check(name, True, Text(zh=shown, en=shown))


def _prefect_importable() -> Check:
    # In a process of its own: the import takes seconds and sets up logging for the whole process.
    ran = subprocess.run(
        [sys.executable, "-c", "import prefect.server.api.server as s; print(s.prefect.__version__)"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "DO_NOT_TRACK": "1"},
    )
    found = (ran.stdout if ran.returncode == 0 else ran.stderr).strip().splitlines()[-1:] or [""]
    return Check("Prefect server", ran.returncode == 0, Text(zh=found[0], en=found[0]), _REINSTALL)


async def _ffmpeg() -> Check:
    """A fifth of a second really encoded: a listed encoder may still not run."""
    try:
        from media._ffmpeg import Limits, ffmpeg_build, run

        source = ("-f", "lavfi", "-i", "color=s=64x64:d=0.2", "-f", "lavfi", "-i", "sine=d=0.2")
        await run(
            (*source, "-c:v", "libx264", "-c:a", "aac", "-f", "null", "-"),
            Limits(wall_s=30, file_bytes=10**6),
        )
        build = ffmpeg_build()
    except Exception as error:  # whatever stands in the way is the finding
        found = Text(zh=f"不能编码 H.264/AAC：{error}", en=f"cannot encode H.264 and AAC: {error}")
        return Check("ffmpeg", False, found, _REINSTALL)
    return Check("ffmpeg", True, Text(zh=f"{build}，libx264、aac 可用", en=f"{build}; libx264, aac work"))


def _pyav() -> Check:
    try:
        import media.streams  # noqa: F401 - the only user of PyAV
    except ImportError as error:
        return Check(
            "PyAV", False, Text(zh=f"无法导入：{error}", en=f"cannot be imported: {error}"), _REINSTALL
        )
    return Check("PyAV", True, Text(zh="可用", en="can be used"))


def _bubblewrap() -> Check:
    """Decoders of strangers' files run inside it where they can; without it they have limits and a filter."""
    around = walls()
    if around is not None:
        inside = Text(
            zh=f"{around.program}，每个解码进程都在其中运行",
            en=f"{around.program}; every decoder runs inside",
        )
        return Check("bubblewrap", True, inside)
    why, left = Text("没有安装", "not installed"), Text("资源限制", "limits")
    if shutil.which("bwrap"):
        why = Text("已安装，但此处不允许建命名空间", "installed, but may not make namespaces here")
    if syscalls.FILTER:
        left = Text("资源限制和系统调用过滤", "limits and the system call filter")
    warning = Text(
        zh=f"警告：{why.zh}；解码进程仅有{left.zh}，能读本用户的文件。建议安装 bubblewrap",
        en=f"Warning: {why.en}; decoders have {left.en} alone and can read this user's files. Install bubblewrap",
    )
    return Check("bubblewrap", True, warning)


async def _server(
    name: str, is_embedded: bool, supervisor: int | None, ask: Callable[[], Awaitable[str]]
) -> Check:
    if is_embedded and supervisor is None:
        return Check(
            name, True, Text(zh="未启动；sanshen up 会启动它", en="not running; sanshen up starts it")
        )
    try:
        found = await asyncio.wait_for(ask(), _TIMEOUT_S * 2)
    except Exception as error:  # whatever it raises is the finding
        reason = f"{type(error).__name__}: {error}"
        text = Text(zh=f"无法使用：{reason}", en=f"cannot be used: {reason}")
        return Check(name, False, text, _mend_server(name, is_embedded))
    return Check(name, True, Text(zh=found, en=found))


async def _ask_postgres(settings: Settings) -> str:
    connection = await asyncpg.connect(settings.database_url, timeout=_TIMEOUT_S)
    try:
        version = await connection.fetchval("SHOW server_version")
        known = await connection.fetchval("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
    finally:
        await connection.close()
    if not known:
        raise LookupError("pg_trgm (postgresql-contrib) is not installed on the server")
    return f"{version}, pg_trgm"


async def _record(settings: Settings, server: Check, supervisor: int | None) -> Check:
    """Whether the record is held by grant beside the triggers; a warning only: one login is a choice too."""
    name = "append-only"
    is_asked = server.ok and (supervisor is not None or settings.database_url is not None)
    if not is_asked:
        return Check(
            name, True, Text(zh="数据库未运行，未检查", en="the database is not running; not looked at")
        )
    try:
        is_held = await is_held_by_grant(settings.require_database_url())
    except Exception as error:  # whatever it raises is the finding
        found = Text(zh=f"无法检查：{error}", en=f"cannot be looked at: {error}")
        return Check(name, False, found, _mend_server("PostgreSQL", is_embedded=False))
    if is_held:
        return Check(
            name, True, Text(zh="触发器和授权都禁止改动留痕", en="the record is held by trigger and by grant")
        )
    return Check(name, True, _BY_TRIGGER_ALONE)


async def _store(
    settings: Settings, embedded: Embedded, supervisor: int | None, probe_s3: ProbeS3
) -> list[Check]:
    found: list[StoreFacts] = []

    async def ask() -> str:
        found.append(await probe_s3(settings))
        return str(settings.s3_endpoint)

    server = await _server("S3", embedded.s3, supervisor, ask)
    return [server, *(check for facts in found for check in store_checks(facts))]


async def _ask_prefect(settings: Settings) -> str:
    url = str(settings.prefect_api_url).rstrip("/")
    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
        (await client.get(f"{url}/ready")).raise_for_status()
        version = (await client.get(f"{url}/admin/version")).json()
    return f"{version}, {url}"


_BY_TRIGGER_ALONE = Text(
    zh="警告：留痕只由触发器保护，应用的登录能撤掉触发器。请建一个不拥有任何表的登录写入 SANSHEN_DATABASE_URL，"
    "把现在的登录写入 SANSHEN_DATABASE_OWNER_URL，再运行 sanshen prepare。",
    en="Warning: the record is held by triggers alone, and the application's login can take them away. Make a login "
    "that owns no table for SANSHEN_DATABASE_URL, name the present one in SANSHEN_DATABASE_OWNER_URL, and run "
    "sanshen prepare.",
)


def _mend_server(name: str, is_embedded: bool) -> Text:
    if is_embedded:
        return Text(
            zh=f"请看数据目录 logs/ 中的日志，或重新运行 sanshen up。（{name}）",
            en=f"See the logs in logs/ of the data folder, or start sanshen up again. ({name})",
        )
    setting = {"PostgreSQL": "SANSHEN_DATABASE_URL", "S3": "SANSHEN_S3_ENDPOINT"}.get(name, "PREFECT_API_URL")
    return Text(
        zh=f"请检查 {setting} 的地址和账号；去掉这项设置就会使用内置的 {name}。",
        en=f"Check the address and account in {setting}; without it the embedded {name} is used.",
    )


_REINSTALL = Text(zh="请重新安装依赖：make setup。", en="Install the dependencies again: make setup.")
