"""The house style that no linter holds: sizes, names, and a first line for every module."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("states", "storage", "media", "platforms", "flows", "api", "deployments")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
LARGEST = 300
# They say nothing of what a module owns, and so everything ends up in them.
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "service", "services"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_room_is_there() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_is_longer_than_the_limit(room: str) -> None:
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in MODULES
        if name_of(path).startswith(f"{room}/")
    }
    long = {name: length for name, length in lengths.items() if length > LARGEST}
    assert long == {}, f"over {LARGEST} lines, split by noun: {long}"


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_says_what_it_owns(room: str) -> None:
    silent = [
        name_of(path)
        for path in MODULES
        if name_of(path).startswith(f"{room}/")
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    found = [name_of(path) for path in MODULES if EMPTY_WORDS & set(path.stem.strip("_").split("_"))]
    assert found == []


def test_no_package_among_the_tests_hides_a_room() -> None:
    assert [name_of(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_no_two_test_files_have_one_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
