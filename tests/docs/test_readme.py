"""What the README and ARCHITECTURE say is true: targets, commands, settings, paths, links."""

import re
import subprocess
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from deployments.cli import app as cli
from storage.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [name for name in ("README.md", "ARCHITECTURE.md") if (ROOT / name).exists()]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# Before a command: a prompt, settings for this one run, the folder of the environment.
BEFORE = r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?"
SUFFIXES = (".py", ".md", ".toml", ".yml", ".lock", ".json", ".html", ".cfg", ".ini", ".sql")
MACHINE_PATH = re.compile(r"(?<![\w:/.-])/(?:work|root|home|Users)/[\w.-]+")
# Hosts that serve packages or images, and the options that name one.
REGISTRY = re.compile(
    r"(?:files\.pythonhosted|pypi)\.(?:org|python)|registry\.(?:npmjs|yarnpkg)|proxy\.golang"
    r"|(?:[\w.-]+\.)?artifactory|(?:docker|ghcr|quay|gcr)\.io/|^\s*--(?:extra-)?index-url|^\s*--find-links",
    re.MULTILINE,
)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def command_lines(page: str) -> list[str]:
    """What stands in code: each span, and each line of a shell or plain block without its comment."""
    text = text_of(page)
    blocks = [
        body for language, body in FENCE.findall(text) if language in ("", "sh", "bash", "shell", "console")
    ]
    lines = [line.split(" #")[0].strip() for body in blocks for line in body.splitlines()]
    return lines + spans(page)


def spans(page: str) -> list[str]:
    return SPAN.findall(FENCE.sub("", text_of(page)))


@cache
def repository_files() -> tuple[str, ...]:
    """Every file that is, or is about to be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    names = done.stdout.decode().split("\0")
    return tuple(name for name in names if name and (ROOT / name).is_file())


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_that_are_named_exist(page: str) -> None:
    targets = set(re.findall(r"^([\w-]+):(?!=)", text_of("Makefile"), re.MULTILINE))
    named = {
        word
        for line in command_lines(page)
        if (found := re.match(BEFORE + r"make ((?:[\w-]+(?:=\S*)? ?)+)", line))
        for word in found[1].split()
        if "=" not in word
    }
    assert named <= targets, f"no such target: {named - targets}"


def complaint(line: str) -> str | None:
    """What is wrong with a line that calls `sanshen`, if it does and something is."""
    found = re.match(BEFORE + r"sanshen (.+)", line)
    command: Any = typer.main.get_command(cli)
    for word in re.split(r"\s*(?:&&|\||;|>|…)\s*", found[1])[0].split() if found else ():
        if word.startswith("-"):
            known = {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)} | {"--help"}
            if word.split("=")[0] not in known:
                return f"{line}: no option {word}"
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"{line}: no command {word}"
            command = command.commands[word]
    return None


@pytest.mark.parametrize("page", PAGES)
def test_sanshen_commands_and_options_that_are_named_exist(page: str) -> None:
    assert [said for line in command_lines(page) if (said := complaint(line))] == []


@pytest.mark.parametrize(
    "line", ["sanshen fly", "$ A=1 .venv/bin/sanshen user fire zhao", "sanshen up --sideways"]
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    assert complaint(line)


@pytest.mark.parametrize("page", PAGES)
def test_settings_that_are_named_exist(page: str) -> None:
    known = {f"SANSHEN_{name}".upper() for name in Settings.model_fields}
    named = set(re.findall(r"SANSHEN_[A-Z0-9_]*[A-Z0-9]", text_of(page)))
    assert named <= known, f"no such setting: {named - known}"


def missing_path(span: str) -> str | None:
    """A code span that names a file of the repository which is not there, or which has no such function."""
    found = re.fullmatch(r"\.?/?([\w.*-]+(?:/[\w.*-]+)*/?)(?:(?:::|:\s?)([A-Za-z_][\w.]*)(?:\(\))?)?", span)
    if not found:
        return None
    path, names = found[1].rstrip("/"), (found[2] or "").split(".")
    files = repository_files()
    here = [each for each in files if fnmatch(each, path) or each.endswith(f"/{path}")]
    if not here:
        is_folder = any(each.startswith(f"{path}/") for each in files)
        rooms = {each.split("/")[0] for each in files if "/" in each}
        looks_like_one = path.endswith(SUFFIXES) or ("/" in path and path.split("/")[0] in rooms)
        return span if looks_like_one and not is_folder else None
    source = "\n".join(text_of(each) for each in here) if names[0] else ""
    is_defined = all(
        re.search(rf"(?:def|class) {name}\b|^\s*{name}\b.*=", source, re.M) for name in names if name
    )
    return None if is_defined else span


@pytest.mark.parametrize("page", PAGES)
def test_paths_and_functions_that_are_named_exist(page: str) -> None:
    assert [span for span in spans(page) if missing_path(span)] == []


@pytest.mark.parametrize(
    "span", ["states/magic.py", "states/decide.py:undecide", "api/*.py:bake", "magic.toml", "storage/nothing"]
)
def test_a_path_or_function_that_does_not_exist_is_found(span: str) -> None:
    assert missing_path(span)


@pytest.mark.parametrize(
    "span",
    [
        "states/decide.py:decide",
        "states/item.py:State.DRAFT",
        "states/",
        "sanshen up",
        "and/or",
        "a.b",
        "decide.py",
    ],
)
def test_a_path_that_exists_or_another_word_is_no_complaint(span: str) -> None:
    assert missing_path(span) is None


@pytest.mark.parametrize("page", [*PAGES, "DECISIONS.md", "CHANGELOG.md"])
def test_relative_links_resolve(page: str) -> None:
    targets = [each.split("#")[0] for each in LINK.findall(FENCE.sub("", text_of(page)))]
    relative = [each for each in targets if each and not re.match(r"[a-z]+:", each)]
    assert [each for each in relative if not (ROOT / page).parent.joinpath(each).exists()] == []


def test_readme_begins_in_chinese() -> None:
    paragraphs = [each for each in FENCE.sub("", text_of("README.md")).split("\n\n") if each.strip()]
    prose = [each for each in paragraphs if not each.lstrip().startswith(("#", "|", "<", "!", "["))]
    assert prose
    assert re.search(r"[\u4e00-\u9fff]{4}", prose[0]), prose[0]


def texts() -> list[tuple[str, str]]:
    return [
        (name, (ROOT / name).read_bytes().decode("utf-8", "ignore"))
        for name in repository_files()
        if Path(name) != Path(__file__).relative_to(ROOT)
    ]


def test_no_file_names_a_registry_host() -> None:
    assert [f"{name}: {found[0].strip()}" for name, text in texts() if (found := REGISTRY.search(text))] == []


def test_no_file_names_a_path_of_a_machine() -> None:
    assert [f"{name}: {found[0]}" for name, text in texts() if (found := MACHINE_PATH.search(text))] == []


def test_locks_name_no_address_at_all() -> None:
    locks = [(name, text) for name, text in texts() if name.endswith(".lock")]
    assert locks
    assert [name for name, text in locks if "://" in text] == []


def test_no_file_is_large() -> None:
    large = {name: (ROOT / name).stat().st_size for name in repository_files()}
    assert {name: size for name, size in large.items() if size > 400_000} == {}
