"""H5 pages as zip packages, checked as a whole before anything is unpacked. Runs behind the guard."""

import hashlib
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from media import signatures, zips
from media.errors import NotMedia
from media.pages import index_of, is_litter
from media.zips import MAX_UNPACKED_BYTES, ZipEntry, broken, too_much, unpacked
from states.text import Text

# Text of a page packs 5 to 20 times, blank pictures 100 times; 42.zip does 1,000.
_MAX_RATIO, _RATIO_FREE_BYTES = 200, 1_000_000
_MAX_DEPTH, _MAX_PART_BYTES = 16, 255
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_METHODS = {0, 8}
# Backslash and colon are folders and drives to Windows, and no zip of a page needs the rest.
_BAD_CHARACTERS = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
# Controls, what turns the direction of reading, line ends, and halves of characters.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Known by their content. WebAssembly is a program too, and runs in the page alone.
_ARCHIVES = (b"PK\x03\x04", *(mark for mark, text in signatures.REFUSED if text is signatures.ARCHIVE))
_PROGRAMS = tuple(
    mark for mark, text in signatures.REFUSED if text is signatures.PROGRAM and mark != b"\x00asm"
)


@dataclass(frozen=True, slots=True)
class PackageEntry:
    """One file of a package, by its path inside."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a package; `index` is the page to open, and `root` the folder that it stands for ("" or "a/")."""

    index: str
    root: str
    entries: tuple[PackageEntry, ...]
    unpacked_bytes: int


def check_package(path: Path) -> Manifest:
    """The manifest of an H5 package, every entry read and hashed, nothing written.

    TooLarge over a cap, Malformed when damaged, NotMedia when an entry is unsafe: the first fault found is named.
    """
    entries = safe_entries(path)
    index = index_of(entry.name for entry in entries)
    if index is None:
        raise NotMedia(signatures.ARCHIVE)
    with path.open("rb") as file:
        listed = tuple(_hashed(file, entry) for entry in entries)
    root = index.rpartition("/")[0]
    return Manifest(index, f"{root}/" if root else "", listed, sum(each.size_bytes for each in listed))


def unpack_package(path: Path, folder: Path) -> Manifest:
    """Writes the files of a checked package into an empty folder; its manifest. Raises as `check_package` does."""
    manifest = check_package(path)
    with path.open("rb") as file:
        for entry in safe_entries(path):
            target = folder / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                out.writelines(unpacked(file, entry))
    return manifest


def safe_entries(path: Path) -> tuple[ZipEntry, ...]:
    """The files of a zip by its list alone, without folders and the packer's litter; refuses as `check_package`."""
    listed = zips.read_directory(path)
    _refuse_bombs(listed)
    for entry in listed:
        _refuse_unsafe(entry)
    _refuse_collisions(listed)
    return tuple(entry for entry in listed if not entry.name.endswith("/") and not is_litter(entry.name))


def hashed_pieces(file: BinaryIO, entry: ZipEntry) -> tuple[PackageEntry, bytes]:
    """An entry with its hash, and its first bytes."""
    digest, head = hashlib.sha256(), b""
    for piece in unpacked(file, entry):
        head = (head + piece)[:16] if len(head) < 16 else head
        digest.update(piece)
    return PackageEntry(entry.name, entry.size_bytes, digest.hexdigest()), head


def _hashed(file: BinaryIO, entry: ZipEntry) -> PackageEntry:
    found, head = hashed_pieces(file, entry)
    if head.startswith(_ARCHIVES):
        raise _unsafe(entry.name, "压缩包中还有压缩包", "an archive inside the archive")
    if head.startswith(_PROGRAMS):
        raise _unsafe(entry.name, "含有可执行程序", "a program")
    return found


def _refuse_bombs(listed: Sequence[ZipEntry]) -> None:
    total = 0
    for entry in listed:
        total += entry.size_bytes
        is_bomb = entry.size_bytes > max(_RATIO_FREE_BYTES, _MAX_RATIO * entry.packed_bytes)
        if is_bomb or total > MAX_UNPACKED_BYTES:
            raise too_much(f"{entry.name!r}: {entry.packed_bytes} bytes unpack to {entry.size_bytes}")
    # Entries that share their bytes make a bomb without any nesting.
    ordered = sorted(listed, key=lambda entry: entry.header_at)
    ends = [entry.header_at + 30 + len(entry.raw_name) + entry.packed_bytes for entry in ordered]
    starts = [entry.header_at for entry in ordered[1:]] + [entry.list_at for entry in ordered[-1:]]
    if any(end > start for end, start in zip(ends, starts, strict=True)):
        raise too_much("entries overlap")


def _refuse_unsafe(entry: ZipEntry) -> None:
    name = entry.name
    parts = name.removesuffix("/").split("/")
    if entry.flags & _ENCRYPTED:
        raise _unsafe(name, "已加密", "encrypted")
    if entry.method not in _METHODS:
        raise _unsafe(name, "压缩方式不受支持", "packed by a method that is not supported")
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(name, "是链接或设备", "a link or a device")
    # As an address a name is decoded, by some servers twice: it must lead nowhere else then.
    decoded = unquote(unquote(name)).replace("\\", "/").removesuffix("/").split("/")
    is_odd = _BAD_CHARACTERS.search(name) or _UNSEEN.search(name)
    if is_odd or name.startswith("/") or {"", ".", ".."} & {*parts, *decoded}:
        raise _unsafe(name, "路径不安全", "a path that leads out of the package")
    if len(parts) > _MAX_DEPTH or any(len(part.encode()) > _MAX_PART_BYTES for part in parts):
        raise _unsafe(name, "路径过长", "a path that is too long")
    if name.endswith("/") and entry.size_bytes:
        raise broken(f"{name!r} is a folder with content")


def _refuse_collisions(listed: Iterable[ZipEntry]) -> None:
    seen: set[str] = set()
    folders: set[str] = set()
    for entry in listed:
        # As Windows and macOS compare names: two that differ here only are one file there.
        name = unicodedata.normalize("NFC", entry.name).casefold()
        if name in seen:
            raise _unsafe(entry.name, "重名", "there twice")
        seen.add(name)
        folders.update(_folders(name.removesuffix("/")))
    for name in folders & seen:
        raise _unsafe(name, "既是文件又是文件夹", "a file and a folder at once")


def _folders(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _unsafe(name: str, zh: str, en: str) -> NotMedia:
    seen = _UNSEEN.sub("\ufffd", name)
    shown = seen if len(seen) <= 80 else f"{seen[:80]}…"
    return NotMedia(
        Text(
            f"压缩包中的“{shown}”{zh}。请去掉后重新打包上传。",
            f"In the package, {shown!r} is {en}. Take it out, pack it again and upload it.",
        )
    )
