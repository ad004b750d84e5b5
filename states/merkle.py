"""The Merkle tree of the log, as RFC 6962 and RFC 9162 define it: hashes, roots, and proofs both ways.

An entry is the 32 bytes of an event's or a journal entry's hash. Nothing here knows where nodes are kept.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()  # RFC 9162 section 2.1.1: the root of no entries

Range = tuple[int, int]  # entries [first, last + 1)
Node = tuple[int, int]  # level (0: leaves) and index at that level


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256 of 0x00 and the entry (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and the two children (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def join(hashes: Sequence[bytes]) -> bytes:
    """The hash over perfect subtrees that stand side by side, the largest first; the empty root of none."""
    if not hashes:
        return EMPTY_ROOT
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = node_hash(left, joined)
    return joined


def perfect_subtrees(first: int, end: int) -> Iterator[Node]:
    """The perfect subtrees that make up the entries [first, end) of a subtree of the log, from the left."""
    while first < end:
        level = (end - first).bit_length() - 1
        yield level, first >> level
        first += 1 << level


class Frontier:
    """A tree that grows at its right edge; it holds one hash for each perfect subtree, so some twenty."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Go on from `size` entries, whose perfect subtrees have these hashes (see `perfect_subtrees`)."""
        self.size = size
        self._hashes = list(hashes)
        if len(self._hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} entries has {size.bit_count()} perfect subtrees")

    def append(self, leaf: bytes) -> list[tuple[Node, bytes]]:
        """Add a leaf's hash; returns the perfect subtrees that it completes, from level 1 upwards."""
        made: list[tuple[Node, bytes]] = []
        index, level, hash_ = self.size, 0, leaf
        while index & 1:
            hash_ = node_hash(self._hashes.pop(), hash_)
            index, level = index >> 1, level + 1
            made.append(((level, index), hash_))
        self._hashes.append(hash_)
        self.size += 1
        return made

    def root(self) -> bytes:
        """The root over all entries so far."""
        return join(self._hashes)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion_path(index: int, size: int) -> list[Range]:
    """The subtrees whose hashes prove entry `index` in a tree of `size` entries (RFC 9162 section 2.1.3.1).

    Raises ValueError when there is no such entry.
    """
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a tree of {size}")
    path: list[Range] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((first, middle))
            first = middle
    return path[::-1]


def consistency_path(old_size: int, size: int) -> list[Range]:
    """The subtrees that prove a tree of `size` to begin with one of `old_size` (RFC 9162 section 2.1.4.1).

    Raises ValueError unless 0 < old_size <= size; nothing can be proved about an empty tree.
    """
    if not 0 < old_size <= size:
        raise ValueError(f"no proof from {old_size} to {size}")
    path: list[Range] = []
    first, end, is_whole = 0, size, True  # is_whole: the subtree is the old tree itself
    while old_size != end:
        middle = first + _split(end - first)
        if old_size <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((first, middle))
            first, is_whole = middle, False
    if not is_whole:
        path.append((first, end))
    return path[::-1]


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path proves the leaf's hash at `index` of a tree (RFC 9162 section 2.1.3.2, step by step)."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *path):
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def is_consistent(old_size: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the tree begins with the old one (RFC 9162 section 2.1.4.2, step by step).

    Nothing is consistent with an empty tree: it says nothing. The same size takes the same root and no path.
    """
    if not 0 < old_size <= size or not _are_hashes(old_root, root, *path):
        return False
    if old_size == size:
        return not path and old_root == root
    steps = list(path)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not path or not steps:
        return False
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = steps[0]
    for c in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == root


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
