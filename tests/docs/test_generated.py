"""The generated pages are what the code says now, wherever and by whomever they are generated."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = load()


@pytest.mark.parametrize("name", GENERATE.PAGES)
def test_generated_page_is_fresh(name: str) -> None:
    assert name not in GENERATE.stale(), f"docs/{name} is stale: run `make docs`"


def test_check_names_the_stale_and_missing_pages_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(GENERATE, "DOCS", tmp_path)
    monkeypatch.setattr(GENERATE, "PAGES", {"a.md": lambda: "new", "b.md": lambda: "b", "c.md": lambda: "c"})
    (tmp_path / "a.md").write_text("old", encoding="utf-8")
    (tmp_path / "b.md").write_text(GENERATE.render("b.md"), encoding="utf-8")
    assert GENERATE.main(["--check"]) == 1
    assert "a.md, c.md" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.md", "b.md"]
    assert GENERATE.main([]) == 0
    assert GENERATE.main(["--check"]) == 0


def test_pages_do_not_depend_on_terminal_locale_home_or_hash_seed(tmp_path: Path) -> None:
    strange = {
        "COLUMNS": "37",
        "LC_ALL": "C",
        "HOME": str(tmp_path),
        "PYTHONHASHSEED": "7",
        "SANSHEN_HOME": str(tmp_path),
        "SANSHEN_PORT": "9",
        "PREFECT_HOME": str(tmp_path),
    }
    command = [sys.executable, str(ROOT / "docs/generate.py"), "--check"]
    done = subprocess.run(
        command, env=os.environ | strange, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_settings_page_shows_no_value_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = GENERATE.settings_page()
    monkeypatch.setenv("SANSHEN_S3_SECRET_KEY", "secret")
    monkeypatch.setenv("SANSHEN_HOME", "elsewhere")
    assert GENERATE.settings_page() == before
