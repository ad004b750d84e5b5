"""The name of a file that somebody sends in: shown and offered, never part of a path or a key."""

import re
import unicodedata

from api.problems import invalid_field

_LONGEST_BYTES = 255  # what common file systems take, so that every reviewer can save it
_LONGEST_ENDING_BYTES = 20
_OUTER = re.compile(r"\A[\s.]+|[\s.]+\Z")  # in one go: of ".. .. .." nothing may be left


def safe_filename(given: str) -> str:
    """The last part of what was given, without control and direction characters, at most 255 bytes.

    Raises InvalidFields when nothing is left of it.
    """
    last = given.replace("\\", "/").rsplit("/", 1)[-1]
    # Cc, Cf: controls, and the marks that turn `gpj.exe` around before the reader's eyes. Cs: no character at all.
    shown = "".join(each for each in last if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    name = _OUTER.sub("", shown)
    if not name:
        raise invalid_field("filename", "文件名无效，请改名。", "This is no file name; give another.")
    return _shortened(name)


def _shortened(name: str) -> str:
    if len(name.encode()) <= _LONGEST_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > _LONGEST_ENDING_BYTES:
        stem, dot, ending = name, "", ""
    room = _LONGEST_BYTES - len(f"{dot}{ending}".encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + dot + ending
