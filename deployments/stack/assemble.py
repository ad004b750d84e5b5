"""The whole stack of one machine, put together from the settings. `run_stack` is `sanshen up`."""

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from deployments.stack import leftovers, postgres, prefect_server, s3
from deployments.stack.addresses import (
    Embedded,
    as_environment,
    embedded_parts,
    with_addresses,
    write_stack_file,
)
from deployments.stack.answers import answers
from deployments.stack.errors import StackError
from deployments.stack.home import hold_home, open_home
from deployments.stack.parts import Item, Part, Step
from deployments.stack.ports import WantedPort, check_ports
from deployments.stack.secrets import load_secrets
from deployments.stack.servers import server_items
from deployments.stack.supervisor import Supervisor
from deployments.stack.terminal import Terminal
from states.text import Text
from storage.settings import Settings

SERVERS = ("postgres", "s3", "prefect")
OURS = ("api", "worker", "dispatch")
OUR_COMMANDS: Mapping[str, tuple[str, ...]] = {
    name: (sys.executable, "-m", "deployments.cli", name) for name in OURS
}

_LABELS = {
    "api": Text(zh="接口服务", en="API"),
    "worker": Text(zh="处理进程", en="Worker"),
    "dispatch": Text(zh="派发进程", en="Dispatcher"),
}


@dataclass(frozen=True, slots=True)
class Preparation:
    """Something to do once the servers are up and before our processes start, at every start.

    `after` names servers (`postgres`, `s3`, `prefect`; those given from outside count as up) or other
    preparations; `needed_by` names those of our processes that wait for it.
    """

    name: str
    label: Text
    run: Callable[[Settings], Awaitable[None]]
    after: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = OURS


async def run_stack(
    settings: Settings,
    steps: Sequence[Preparation],
    on_ready: Callable[[Settings], Awaitable[None]] | None = None,
    *,
    exit_after: bool = False,
    commands: Mapping[str, tuple[str, ...]] = OUR_COMMANDS,
) -> int:
    """Run the stack until SIGINT or SIGTERM; gives the exit status, 1 when it did not come up.

    `on_ready` gets the settings with all addresses once everything is healthy. Its failure is shown and the
    stack stays up; with `exit_after` the stack ends when `on_ready` does, with 1 if that failed.
    """
    terminal = Terminal()
    try:
        home = open_home(settings.home)
        with hold_home(home):
            settings = settings.model_copy(update={"home": home})
            settings, items = await asyncio.to_thread(_plan, settings, steps, commands)
            supervisor = Supervisor(home, items, terminal)
            when_ready = functools.partial(on_ready, settings) if on_ready else None
            return await supervisor.run(when_ready, exit_after=exit_after)
    except StackError as error:
        terminal.fail(error.text)
        return 1


def wanted_ports(settings: Settings, embedded: Embedded, ours: Sequence[str] = OURS) -> list[WantedPort]:
    """Every port that the parts of this stack will listen on."""
    wanted = []
    if "api" in ours:
        wanted.append(WantedPort(settings.port, "SANSHEN_PORT", settings.host))
        wanted.append(WantedPort(settings.packages_port, "SANSHEN_PACKAGES_PORT", settings.host))
    if embedded.prefect:
        wanted.append(WantedPort(settings.prefect_port, "SANSHEN_PREFECT_PORT"))
    if embedded.s3:
        wanted.extend(WantedPort(number, "SANSHEN_S3_PORT") for number in s3.ports(settings.s3_port))
    return wanted


def _plan(
    settings: Settings, steps: Sequence[Preparation], commands: Mapping[str, tuple[str, ...]]
) -> tuple[Settings, list[Item]]:
    """End what an earlier run left, check the ports, write `stack.env`, and list what is to be started."""
    leftovers.end_leftovers(settings.home)
    embedded = embedded_parts(settings)
    check_ports(wanted_ports(settings, embedded, tuple(commands)))
    if embedded.s3:
        s3.check_sockets(settings.s3_port)
    keys = load_secrets(settings.home)
    cluster = postgres.cluster_in(settings.home / "postgres")
    if embedded.postgres:
        # Also one that outlived its pid file; before the start, so that the wait is not counted as its own.
        postgres.stop_left_over(cluster)
    settings = with_addresses(settings, embedded, keys, cluster)
    write_stack_file(settings, embedded)
    servers = server_items(settings, embedded, keys, cluster)
    return settings, [*servers, *_steps(settings, steps, servers), *_ours(settings, steps, commands)]


def _steps(settings: Settings, steps: Sequence[Preparation], servers: Sequence[Item]) -> list[Item]:
    known = {*SERVERS, *(step.name for step in steps)}
    if unknown := {name for step in steps for name in step.after} - known:
        raise ValueError(f"no such server or step: {sorted(unknown)}")
    started = {server.name for server in servers} | {step.name for step in steps}
    return [
        Step(
            name=step.name,
            label=step.label,
            run=functools.partial(step.run, settings),
            after=tuple(name for name in map(_usable, step.after) if name in started),
        )
        for step in steps
    ]


def _usable(name: str) -> str:
    """PostgreSQL can be used when its databases are there."""
    return "databases" if name == "postgres" else name


def _ours(
    settings: Settings, steps: Sequence[Preparation], commands: Mapping[str, tuple[str, ...]]
) -> list[Item]:
    env = {**prefect_server.client_environment(settings.home), **as_environment(settings)}
    return [
        Part(
            name=name,
            label=_LABELS[name],
            command=command,
            env=env,
            ready=functools.partial(_api_answers, settings) if name == "api" else None,
            url=f"http://{_reachable(settings.host)}:{settings.port}" if name == "api" else None,
            after=tuple(step.name for step in steps if name in step.needed_by),
        )
        for name, command in commands.items()
    ]


async def _api_answers(settings: Settings) -> bool:
    return await answers(settings.port, "/healthz", host=_reachable(settings.host))


def _reachable(host: str) -> str:
    """Where this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
