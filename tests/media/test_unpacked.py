"""An H5 package as a rendition: its files, their types, and what is refused."""

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from media.errors import MediaError, NotMedia
from media.inspect import inspect
from media.job import Source
from media.page_types import BINARY, PAGE_TYPES, page_type
from media.plan import Way
from media.profiles import PROFILES, profiles_for
from media.render import make_renditions, plan_for, render
from media.sniff import Kind

pytestmark = pytest.mark.slow

PAGE = b"<!doctype html><title>page</title><script src=js/app.js></script>"
FILES = {
    "site/index.html": PAGE,
    "site/js/app.js": b"document.title = 'run'",
    "site/\u56fe/1.PNG": b"\x89PNG\r\n\x1a\n",
    "site/data.bin": b"\x00\x01",
    "site/logo.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "__MACOSX/._index.html": b"litter",
}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


async def _source(path: Path) -> Source:
    return Source(path, (await inspect(path)).probe)


async def test_package_becomes_a_rendition_of_its_files_with_the_page_first(tmp_path: Path) -> None:
    source = await _source(zipped(tmp_path / "page.zip", FILES))
    for _ in range(2):  # a second attempt in the same folder finds what the first one left
        made = await render(source.path, source.facts, PROFILES["app_package"], tmp_path / "out")
    assert [(file.role, file.name, file.media_type) for file in made.files] == [
        ("index", "site/index.html", "text/html"),
        ("part", "site/data.bin", BINARY),
        ("part", "site/js/app.js", "text/javascript"),
        ("part", "site/logo.svg", "image/svg+xml"),
        ("part", "site/\u56fe/1.PNG", "image/png"),
    ]
    assert {file.name: file.sha256 for file in made.files} == {
        name: hashlib.sha256(data).hexdigest() for name, data in FILES.items() if "MACOSX" not in name
    }
    assert made.files[0].path.read_bytes() == PAGE
    assert made.measured["index"] == "site/index.html"
    assert made.measured["file_count"] == 5


async def test_planner_makes_a_package_without_a_command(tmp_path: Path) -> None:
    source = await _source(zipped(tmp_path / "page.zip", FILES))
    wanted = profiles_for(Kind.PACKAGE, ["app_package", "app_hls"])
    plan = await plan_for(source, wanted, tmp_path)
    assert [(run.way, [job.profile.name for job in run.jobs]) for run in plan.runs] == [
        (Way.UNPACK, ["app_package"])
    ]
    assert plan.commands(tmp_path) == ()
    assert "unpack: app_package" in str(plan)
    (outcome,) = await make_renditions(source, wanted, tmp_path / "out")
    assert outcome.rendered is not None
    assert len(outcome.rendered.files) == 5


def _link(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.create_system, made.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return made


@pytest.mark.parametrize(
    "entry",
    ["../../escape.html", "/etc/escape", "a/../../escape", "a\\..\\escape", "C:escape", _link("escape")],
    ids=str,
)
async def test_package_that_leads_out_of_its_folder_writes_nothing(
    tmp_path: Path, entry: str | zipfile.ZipInfo
) -> None:
    path = tmp_path / "page.zip"
    source = await _source(zipped(path, FILES))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.html", PAGE)
        archive.writestr(entry, b"/etc/passwd")
    out = tmp_path / "below" / "out"
    with pytest.raises(NotMedia):
        await render(path, source.facts, PROFILES["app_package"], out)
    assert [each for each in out.rglob("*") if each.is_file()] == []
    assert not list(tmp_path.rglob("escape*"))


async def test_package_with_a_name_too_long_for_the_store_says_so(tmp_path: Path) -> None:
    name = "/".join(["d" * 200] * 5) + ".js"
    source = await _source(zipped(tmp_path / "page.zip", {"index.html": PAGE, name: b""}))
    with pytest.raises(MediaError) as caught:
        await render(source.path, source.facts, PROFILES["app_package"], tmp_path / "out")
    assert "路径过长" in caught.value.text.zh


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.html", "text/html"),
        ("a/photo.JPG", "image/jpeg"),
        ("photo.jpg.html", "text/html"),
        ("html", BINARY),
        ("a.html/file", BINARY),
        ("page.xhtml", BINARY),
        ("x.php", BINARY),
        (".htaccess", BINARY),
        ("", BINARY),
    ],
)
def test_type_of_a_file_is_by_its_last_extension(name: str, expected: str) -> None:
    assert page_type(name) == expected


def test_every_type_is_plain() -> None:
    assert all(value.count("/") == 1 and ";" not in value for value in PAGE_TYPES.values())
