"""Where an H5 page begins in its package. Plain names in, nothing read."""

from collections.abc import Iterable

_INDEX = ("index.html", "index.htm")
# What a Mac puts into every zip besides; no part of the page.
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db")


def index_of(names: Iterable[str]) -> str | None:
    """The index.html at the top, or the only one that lies one folder down; None when there is none."""
    found = [name for name in names if not is_litter(name) and name.rsplit("/", 1)[-1].lower() in _INDEX]
    top = [name for name in found if "/" not in name]
    below = [name for name in found if name.count("/") == 1]
    if top:
        return top[0]
    return below[0] if len(below) == 1 else None


def is_litter(name: str) -> bool:
    """Whether an entry was put in by the packer's system."""
    return name.startswith(_LITTER[0]) or name.rsplit("/", 1)[-1] in _LITTER[1:]
