"""Zip packages and Word documents: what is taken, and what is refused before anything is unpacked."""

import hashlib
import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from media import documents, packages, word
from media.errors import Malformed, MediaError, NotMedia, TooLarge
from media.guard import blocking
from media.inspect import inspect
from media.sniff import Kind, sniff

pytestmark = pytest.mark.slow

PAGE = "<!doctype html><title>两会</title><script>document.title = 1</script>"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def zipped(path: Path, entries: dict[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    entries = {
        "h5/index.html": PAGE,
        "h5/img/图.png": picture.getvalue(),
        "h5/a.js": "alert(1)",
        "__MACOSX/h5/._a": b"x",
    }
    return zipped(tmp_path / "page.zip", entries)


async def test_page_is_listed_and_hashed_and_nothing_of_it_is_unpacked(page: Path) -> None:
    before = set(page.parent.iterdir())
    found = await inspect(page)
    assert (found.sniffed.kind, found.probe.kind, found.sniffed.media_type) == (
        Kind.PACKAGE,
        Kind.PACKAGE,
        "application/zip",
    )
    assert found.package is not None
    assert (found.package.index, found.package.root) == ("h5/index.html", "h5/")
    listed = {entry.name: entry for entry in found.package.entries}
    assert set(listed) == {"h5/index.html", "h5/img/图.png", "h5/a.js"}
    assert listed["h5/index.html"].sha256 == hashlib.sha256(PAGE.encode()).hexdigest()
    assert found.package.unpacked_bytes == sum(entry.size_bytes for entry in found.package.entries)
    assert set(page.parent.iterdir()) == before


async def test_page_is_unpacked_into_its_folder_alone(page: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    manifest = await documents.unpack_package(page, out)
    written = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert set(written) == {entry.name for entry in manifest.entries}
    assert written["h5/index.html"].read_text("utf-8") == PAGE
    assert all(not path.stat().st_mode & stat.S_IXUSR for path in written.values())


def test_names_of_chinese_windows_are_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "gbk.zip", {"index.html": PAGE, "AAAA.txt": "x"})
    changed(path, lambda content: content.replace(b"AAAA.txt", "图片".encode("gbk") + b".txt"))
    assert [entry.name for entry in packages.check_package(path).entries] == ["index.html", "图片.txt"]


def info(name: str, mode: int = 0o644, system: int = 3) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.create_system, made.external_attr = system, mode << 16
    return made


UNSAFE: dict[str, tuple[zipfile.ZipInfo, bytes]] = {
    "path out of the folder": (info("../evil.html"), b"x"),
    "path out of the folder inside": (info("a/../../evil.html"), b"x"),
    "absolute path": (info("/etc/evil"), b"x"),
    "drive": (info("C:/evil.html"), b"x"),
    "backslash": (info("a\\..\\evil.html"), b"x"),
    "stream": (info("a.html:evil"), b"x"),
    "control character": (info("a\x01b.html"), b"x"),
    "link": (info("link", stat.S_IFLNK | 0o777), b"/etc/passwd"),
    "device": (info("device", stat.S_IFCHR | 0o666), b""),
    "pipe": (info("pipe", stat.S_IFIFO | 0o666), b""),
    "deep": (info("/".join(["a"] * 40)), b"x"),
    "long": (info("a" * 300), b"x"),
    "archive inside": (info("more.zip"), b"PK\x03\x04" + bytes(40)),
    "archive inside, renamed": (info("more.png"), b"Rar!\x1a\x07\x00" + bytes(40)),
    "program": (info("setup.png"), b"MZ\x90\x00" + bytes(60)),
    "same name": (info("INDEX.html"), b"x"),
    "file that is a folder": (info("index.html/a.js"), b"x"),
}


@pytest.mark.parametrize("case", UNSAFE)
async def test_odd_33_unsafe_entry_is_refused_by_name_and_nothing_is_written(
    tmp_path: Path, case: str
) -> None:
    path, out = tmp_path / "page.zip", tmp_path / "out"
    out.mkdir()
    entry, content = UNSAFE[case]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("index.html", PAGE)
        archive.writestr(entry, content)
    # Python writes such names with forward slashes, or cuts them: the bytes go in as an attacker has them.
    if case == "backslash":
        changed(path, lambda whole: whole.replace(b"a/../evil.html", b"a\\..\\evil.html"))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(NotMedia) as refusal:
        await documents.unpack_package(path, out)
    assert refusal.value.text.zh
    with pytest.raises(NotMedia):
        await inspect(path)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("flag", [0x1, 0x2000])
def test_encrypted_entry_is_refused(page: Path, flag: int) -> None:
    def encrypt(content: bytes) -> bytes:
        at = content.index(b"PK\x01\x02")
        return content[: at + 8] + struct.pack("<H", flag) + content[at + 10 :]

    with pytest.raises(NotMedia) as refusal:
        packages.check_package(changed(page, encrypt))
    assert "加密" in refusal.value.text.zh


def test_other_ways_to_pack_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "page.zip", {"index.html": PAGE}, zipfile.ZIP_BZIP2)
    with pytest.raises(NotMedia) as refusal:
        packages.check_package(path)
    assert "index.html" in refusal.value.text.en


# --- bombs ---


def _nested(path: Path) -> None:
    """As 42.zip: some 40 KB of archives in archives, 4 GB and more at the bottom."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("0.dll", bytes(40_000_000))
    zipped(path, {"index.html": PAGE, **{f"lib {n}.zip": inner.getvalue() for n in range(16)}})


def _many(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.html", PAGE)
        for number in range(5_000):
            archive.writestr(f"{number}", b"")


def _counted(path: Path) -> None:
    """Says that it holds 65,535 entries, as one with 100,000 does that keeps the true number in Zip64."""
    _many(path)
    changed(path, lambda content: content[:-14] + b"\xff\xff\xff\xff" + content[-10:])


def _large(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("index.html", PAGE)
        for number in range(3):
            archive.writestr(f"{number}.bin", bytes(90_000_000))


def _lying(path: Path) -> None:
    """Says 1 KB and unpacks to 50 MB."""
    zipped(path, {"index.html": bytes(50_000_000)})
    changed(path, lambda content: content.replace(struct.pack("<L", 50_000_000), struct.pack("<L", 1_000)))


def _overlapping(path: Path) -> None:
    """Every entry of the list points to the same bytes."""
    zipped(path, {"index.html": PAGE * 9, "bbbbb.html": PAGE * 9})

    def fold(content: bytes) -> bytes:
        at = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
        return content[: at + 42] + bytes(4) + content[at + 46 :]

    changed(path, fold)


@pytest.mark.parametrize(
    ("bomb", "error"),
    [
        (_nested, NotMedia),
        (_many, TooLarge),
        (_counted, TooLarge),
        (_large, TooLarge),
        (_lying, TooLarge),
        (_overlapping, TooLarge),
    ],
)
async def test_odd_33_bomb_is_refused_before_it_unpacks(
    tmp_path: Path, bomb: Callable[[Path], None], error: type[MediaError]
) -> None:
    path, out = tmp_path / "bomb.zip", tmp_path / "out"
    out.mkdir()
    bomb(path)
    with pytest.raises(error) as refusal:
        await inspect(path)
    assert refusal.value.text.zh
    with pytest.raises(error):
        await documents.unpack_package(path, out)
    assert list(out.iterdir()) == []


async def test_odd_33_archive_without_a_page_is_refused_by_its_list(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {"0.dll": bytes(40_000_000)})
    assert path.stat().st_size < 42_000
    with pytest.raises(NotMedia) as refusal:
        await inspect(path)
    assert "index.html" in refusal.value.text.zh


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-30],
    "without a list": lambda content: content[: content.index(b"PK\x01\x02")],
    "content damaged": lambda content: content[:45] + bytes([content[45] ^ 0xFF]) + content[46:],
    "other name in front": lambda content: content.replace(b"h5/index.html", b"h5/index.htmX", 1),
    "data between": lambda content: content.replace(b"PK\x01\x02", b"hidden PK\x01\x02", 1),
    "data behind": lambda content: content + b"<script>",
    "prefix": lambda content: b"PK\x03\x04prefix" + content,
    "count too small": lambda content: content[:-12] + struct.pack("<H", 1) + content[-10:],
    "list points away": lambda content: content[:-6] + struct.pack("<L", 1 << 20) + content[-2:],
}


@pytest.mark.parametrize("case", BROKEN)
async def test_zip_that_contradicts_itself_is_refused(page: Path, case: str) -> None:
    changed(page, BROKEN[case])
    with pytest.raises(Malformed):
        await inspect(page)


# --- Word ---


def body(*paragraphs: str, head: str = "") -> str:
    runs = "".join(f'<w:p><w:r><w:t xml:space="preserve">{each}</w:t></w:r></w:p>' for each in paragraphs)
    start = f'<?xml version="1.0" encoding="UTF-8"?>{head}'
    return f'{start}<w:document xmlns:w="{W}"><w:body>{runs}</w:body></w:document>'


def docx(path: Path, xml: str, **more: bytes) -> Path:
    extra = {name.replace("__", "/"): content for name, content in more.items()}
    return zipped(path, {"[Content_Types].xml": "<Types/>", "word/document.xml": xml, **extra})


@pytest.fixture(params=["guarded", "here"])
def read(request: pytest.FixtureRequest) -> Callable[[Path], word.WordDocument]:
    return word.read_word if request.param == "here" else lambda path: blocking(documents.read_word(path))


async def test_word_document_gives_its_paragraphs_and_pictures(tmp_path: Path) -> None:
    xml = body("市政府今天宣布", "  ", "A &amp; B").replace(
        "市政府今天宣布", "市政府</w:t><w:tab/><w:t>今天</w:t><w:delText>删去</w:delText><w:br/><w:t>宣布"
    )
    path = docx(tmp_path / "稿件.docx", xml, **{"word__media__image1.png": b"\x89PNG"})
    found = await inspect(path)
    assert found.sniffed.kind is Kind.DOCUMENT
    assert found.document is not None
    assert found.document.paragraphs == ("市政府\t今天\n宣布", "A & B")
    assert [(each.name, each.size_bytes) for each in found.document.pictures] == [
        ("word/media/image1.png", 4)
    ]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize(
    "head",
    [
        f"<!DOCTYPE d [{LAUGHS}]>",
        '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE d SYSTEM "http://127.0.0.1/x.dtd">',
        "<!DOCTYPE d>",
    ],
)
def test_word_document_with_entities_is_refused(
    tmp_path: Path, read: Callable[[Path], word.WordDocument], head: str
) -> None:
    path = docx(tmp_path / "a.docx", body("&e;" if "ENTITY e" in head else "&l9;", head=head))
    with pytest.raises(NotMedia) as refusal:
        read(path)
    assert "XML" in refusal.value.text.zh


def test_word_document_with_macros_is_refused(
    tmp_path: Path, read: Callable[[Path], word.WordDocument]
) -> None:
    with pytest.raises(NotMedia) as refusal:
        read(docx(tmp_path / "a.docx", body("x"), **{"word__vbaProject.bin": b"x"}))
    assert "宏" in refusal.value.text.zh


@pytest.mark.parametrize("xml", ["", "<w:document", body("x")[:-9], "\x00\x01"])
def test_word_document_that_is_damaged_is_refused(
    tmp_path: Path, read: Callable[[Path], word.WordDocument], xml: str
) -> None:
    with pytest.raises(Malformed):
        read(docx(tmp_path / "a.docx", xml))


def test_word_document_that_is_too_long_is_refused(
    tmp_path: Path, read: Callable[[Path], word.WordDocument]
) -> None:
    with pytest.raises(TooLarge):
        read(docx(tmp_path / "a.docx", body(*["三审" * 11_000] * 100)))


def test_deeply_nested_xml_is_read_without_falling_over(
    tmp_path: Path, read: Callable[[Path], word.WordDocument]
) -> None:
    path = docx(tmp_path / "a.docx", body("<w:r>" * 50_000 + "</w:r>" * 50_000))
    assert read(path).paragraphs == ()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("[Content_Types].xml", "xl/workbook.xml"), "表格"),
        (("META-INF/MANIFEST.MF", "a.class"), "程序"),
        (("a/index.html", "b/index.html"), "index.html"),
        (("readme.txt",), "压缩包"),
    ],
)
def test_other_zips_are_refused_in_their_own_words(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(NotMedia) as refusal:
        sniff(zipped(tmp_path / "a.zip", dict.fromkeys(names, "x")))
    assert words in refusal.value.text.zh
