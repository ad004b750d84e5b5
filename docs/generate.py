"""Writes the generated pages of docs/ from the code that they describe; `--check` names the stale ones."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from api.app import create_app
from deployments.cli import app as cli
from platforms.registry import PLATFORMS
from states.events import Event
from states.guards import GUARDS
from states.item import STAGES, State
from states.names import EVENT_NAMES, STATE_NAMES
from states.roles import EDITORS, ROLE_NAMES, Role
from states.submission import MOVES, Move
from states.text import Text
from storage.settings import Settings

DOCS = Path(__file__).resolve().parent
NOTE = "<!-- 由 docs/generate.py 生成，请勿手改；运行 make docs。 Generated: run `make docs`. -->"

_CONDITION_WORDS = {
    "not_live": "新稿 new: nothing of it is before readers",
    "is_live": "已签发 live: a signed revision is, or is about to be, before readers",
    "is_fast_track": "绿色通道 fast track",
    "is_ordinary": "普通 ordinary",
    "was_published": "已发布过 readers have had a revision",
    "never_published": "尚未到达读者 signed off before, but no delivery was confirmed",
    "changes_content": "内容有改动 the edit changes something",
    "changes_nothing": "内容无改动 the edit changes nothing",
    "needs_countersignature": "还需会签 another signature is due at this stage",
    "goes_out_now": "立即发布 no release time is to come",
    "goes_out_later": "定时发布 a release time or an embargo is to come",
    "is_signed": "当前版本已签发 the current revision is signed",
    "not_signed": "当前版本未签发 the current revision is not signed",
    "awaits_release": "已签发待发布 signed, and not out yet",
    "was_released": "不在等待发布 nothing signed waits",
    **{
        f"held_from_{state.value}": f"待用前在{STATE_NAMES[state].zh} held in {STATE_NAMES[state].en}"
        for state in STAGES
    },
    **{
        f"leads_to_{state.value}": f"下一环节为{STATE_NAMES[state].zh} the last signature here leads to "
        f"{STATE_NAMES[state].en}"
        for state in (*STAGES, State.APPROVED)
    },
}


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar in a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(names: Iterable[str]) -> str:
    """The names as code, separated by commas; a dash for none."""
    return ", ".join(f"`{name}`" for name in names) or "–"


def states_page() -> str:
    """The diagram and the table of moves, from `states/submission.py`."""
    return "\n\n".join(
        [
            "# 稿件状态与操作 · States and moves of a submission",
            "来源 source: `states/submission.py`, `states/guards.py`",
            "## 名称 · Names",
            table(("状态 state", "中文", "English"), _names(STATE_NAMES)),
            table(("操作 event", "中文", "English"), _names(EVENT_NAMES)),
            "## 新稿 · A new piece",
            _diagram(_new_moves()),
            "## 更正与撤稿 · Correction and retraction",
            "签发之后：更正重新经过三审，原版本继续在线。 After the sign-off: a correction passes the three "
            "reviews again while the old revision stays up.",
            _diagram(_live_moves()),
            "## 操作表 · The table of moves",
            "`=`：状态不变 the state stays. `extra_review` 的角色由流程定 the workflow gives its role.",
            _move_table(),
            "## 条件 · Which piece",
            table(("名称 name", "含义 meaning"), _condition_rows()),
            "## 守卫 · Guards",
            "守卫不满足时，拒绝语如下。 When a guard stands closed, these are the words.",
            table(("名称 name", "中文", "English"), _guard_rows()),
        ]
    )


def _names(words: Mapping[Any, Text]) -> list[tuple[str, str, str]]:
    return [(code([name.value]), text.zh, text.en) for name, text in words.items()]


def _new_moves() -> list[Move]:
    live = {"is_live", "was_published", "never_published"}
    return [move for move in MOVES if live.isdisjoint(move.when) and move.source is not State.CORRECTING]


def _live_moves() -> list[Move]:
    unsigned = (State.DRAFT, State.RETURNED)
    return [move for move in MOVES if "not_live" not in move.when and move.source not in unsigned]


def _diagram(moves: Iterable[Move]) -> str:
    """Mermaid: one arrow for each pair of states, with every event that leads along it."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for move in moves:
        if move.source is not move.target:
            arrows.setdefault((move.source, move.target), []).append(move.event.value)
    lines = [
        f"    {a.value} --> {b.value}: {', '.join(dict.fromkeys(events))}"
        for (a, b), events in arrows.items()
    ]
    leavable = {move.source for move in MOVES if move.source is not move.target}
    ends = [state for state in State if state not in leavable and any(state in arrow for arrow in arrows)]
    start = ["    [*] --> draft"] if any(source is State.DRAFT for source, _ in arrows) else []
    lines = [*start, *lines, *(f"    {end.value} --> [*]" for end in ends)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def _move_table() -> str:
    header = ("event", "from", "to", "谁 who", "条件 piece", "守卫 guards", "效果 effects")
    order = {event: place for place, event in enumerate(Event)}
    moves = sorted(MOVES, key=lambda move: order[move.event])  # stable: within one event, as in the table
    return table(header, (_move_row(list(rows)) for _, rows in groupby(moves, key=_alike)))


def _alike(move: Move) -> tuple[object, ...]:
    """Rows that differ in nothing but the state that they leave, or stay in, share a line."""
    target = "=" if move.target is move.source else move.target.value
    return (move.event, target, move.roles, move.when, move.guards, move.effects)


def _move_row(moves: list[Move]) -> tuple[str, ...]:
    first = moves[0]
    return (
        f"`{first.event.value}`",
        code(move.source.value for move in moves),
        "=" if first.target is first.source else f"`{first.target.value}`",
        _who(first.roles),
        code(first.when),
        code(first.guards),
        code(effect.value for effect in first.effects),
    )


def _who(roles: frozenset[Role]) -> str:
    names = [ROLE_NAMES[role] for role in Role if role in roles]
    if roles >= EDITORS and Role.CORRESPONDENT in roles:
        return "通讯员或编辑 a correspondent or an editor"
    if roles >= EDITORS:
        return "编辑 any editor" + ("、系统 or the system" if Role.SYSTEM in roles else "")
    return "、".join(name.zh for name in names) + " " + ", ".join(name.en for name in names)


def _condition_rows() -> list[tuple[str, str]]:
    used = dict.fromkeys(name for move in MOVES for name in move.when)
    return [(f"`{name}`", _CONDITION_WORDS[name]) for name in used]


def _guard_rows() -> list[tuple[str, str, str]]:
    return [(f"`{name}`", guard.refusal.zh, guard.refusal.en) for name, guard in GUARDS.items()]


def settings_page() -> str:
    """Every setting, from the fields of `storage.settings.Settings`."""
    rows = [
        (f"`{env_name(name, field)}`", _default(field), field.description or "–")
        for name, field in Settings.model_fields.items()
    ]
    return "\n\n".join(
        [
            "# 设置 · Settings",
            "来源 source: `storage/settings.py`。环境变量优先于 `<SANSHEN_HOME>/stack.env`（`sanshen up` 写入）。 "
            "The environment wins over that file, which `sanshen up` writes.",
            table(("环境变量 variable", "默认 default", "说明 description"), rows),
        ]
    )


def env_name(name: str, field: FieldInfo) -> str:
    """The environment variable of a setting."""
    return str(field.validation_alias or f"{Settings.model_config['env_prefix']}{name}").upper()


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if value is None or value == () or isinstance(value, SecretStr):
        return "–"
    return f"`{value}`"


def cli_page() -> str:
    """Every command, from the Typer application."""
    sections = ["# 命令行 · Command line", "来源 source: `deployments/cli.py`"]
    for path, command in commands():
        sections += [f"## `{path}`", command.help or "–"]
        rows = [_parameter_row(parameter) for parameter in command.params]
        if rows:
            sections.append(table(("参数 parameter", "默认 default", "说明 description"), rows))
    return "\n\n".join(sections)


def commands() -> list[tuple[str, Any]]:
    """Every command with its full name, the groups before their members, in the order of definition."""

    def walk(path: str, command: Any) -> list[tuple[str, Any]]:
        members = getattr(command, "commands", {}).items()
        return [(path, command)] + [
            each for name, member in members for each in walk(f"{path} {name}", member)
        ]

    return walk("sanshen", typer.main.get_command(cli))


def _parameter_row(parameter: Any) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        names = [parameter.name.upper()]
    else:
        names = [*parameter.opts, *parameter.secondary_opts]
    many = "（可多次 repeatable）" if getattr(parameter, "multiple", False) else ""
    default = "必填 required" if parameter.required else _shown(parameter.default)
    return code(names) + many, default, parameter.help or "–"


def _shown(value: object) -> str:
    return "–" if value is None or value is False else f"`{value}`"


def platforms_page() -> str:
    """Every platform that can be chosen, with what it is sent and its limits."""
    pages = ["# 平台 · Platforms", "来源 source: `platforms/registry.py`"]
    for name, platform in PLATFORMS.items():
        sent = [f"{kind}: {code(profiles)}" for kind, profiles in platform.renditions.items()]
        repeat = (
            "可重复发送 a repeat does no harm"
            if platform.is_idempotent
            else "不重复发送 never repeated by itself"
        )
        pages += [
            f"## {platform.label.zh} · {platform.label.en}（`{name}`）",
            f"{'; '.join(sent)}. {repeat}.",
        ]
        if platform.limits:
            rows = [
                (
                    code([limit.name]),
                    "未知 unknown" if limit.value is None else f"{limit.value:,} {limit.unit}",
                    limit.cited,
                )
                for limit in platform.limits
            ]
            pages.append(table(("限制 limit", "值 value", "来源 source (H 平台文档, M 第三方, L 弱)"), rows))
    return "\n\n".join(pages)


def openapi_page() -> str:
    """The API's own description of itself."""
    return json.dumps(create_app().openapi(), ensure_ascii=False, indent=1)


# Each generated file and what writes it: a page more is a line more.
PAGES: dict[str, Callable[[], str]] = {
    "states.md": states_page,
    "settings.md": settings_page,
    "cli.md": cli_page,
    "platforms.md": platforms_page,
    "openapi.json": openapi_page,
}


def render(name: str) -> str:
    """The text of one generated file."""
    note = f"{NOTE}\n\n" if name.endswith(".md") else ""
    return f"{note}{PAGES[name]()}\n"


def stale() -> list[str]:
    """The names of the files that are not what the code says now."""

    def written(name: str) -> str | None:
        path = DOCS / name
        return path.read_text(encoding="utf-8") if path.exists() else None

    return [name for name in PAGES if written(name) != render(name)]


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, or with `--check` only say so; 1 when something is stale."""
    names = stale()
    if "--check" in arguments:
        if names:
            sys.stderr.write(f"过期，请运行 make docs。 Stale, run `make docs`: {', '.join(names)}\n")
        return 1 if names else 0
    for name in names:
        (DOCS / name).write_text(render(name), encoding="utf-8", newline="\n")
        sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
