"""The tree of RFC 6962 and RFC 9162: vectors of Certificate Transparency, and what no proof may get away with."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.merkle import (
    EMPTY_ROOT,
    Frontier,
    Range,
    consistency_path,
    inclusion_path,
    is_consistent,
    is_included,
    join,
    leaf_hash,
    node_hash,
    perfect_subtrees,
    root_of,
)

# The test vectors of certificate-transparency (C++, Go and Trillian have the same ones): eight entries,
# and the root after each of them.
ENTRIES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
# (entry, size) and its path, from the same vectors (there counted from 1).
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def _mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(_mth(leaves[:k]), _mth(leaves[k:]))


def _hashes(path: Sequence[Range], leaves: Sequence[bytes]) -> list[bytes]:
    return [_mth(leaves[first:end]) for first, end in path]


def _made(count: int) -> list[bytes]:
    return [leaf_hash(f"entry {number}".encode()) for number in range(count)]


def test_root_of_the_published_entries_is_the_published_one() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == EMPTY_ROOT
    assert [root_of(LEAVES[:size]).hex() for size in range(1, 9)] == ROOTS


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_path_of_the_published_entries_is_the_published_one(index: int, size: int) -> None:
    path = _hashes(inclusion_path(index, size), LEAVES)
    assert [each.hex() for each in path] == INCLUSION[index, size]
    assert is_included(LEAVES[index], index, size, path, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_consistency_path_of_the_published_entries_is_the_published_one(old: int, size: int) -> None:
    path = _hashes(consistency_path(old, size), LEAVES)
    assert [each.hex() for each in path] == CONSISTENCY[old, size]
    assert is_consistent(old, size, bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[size - 1]), path)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_proof_of_every_small_tree_holds_and_fits_nothing_else(size: int) -> None:
    leaves = _made(size)
    root = _mth(leaves)
    assert root_of(leaves) == root
    for index in range(size):
        path = _hashes(inclusion_path(index, size), leaves)
        fits = [at for at in range(size + 1) if is_included(leaves[index], at, size, path, root)]
        assert fits == [index]
    for old in range(1, size + 1):
        path = _hashes(consistency_path(old, size), leaves)
        old_root = _mth(leaves[:old])
        fits = [at for at in range(size + 2) if is_consistent(at, size, old_root, root, path)]
        assert fits == [old]


@pytest.mark.parametrize("size", range(34))
def test_tree_that_goes_on_from_its_perfect_subtrees_has_the_same_nodes_and_root(size: int) -> None:
    leaves = _made(size + 9)
    whole = Frontier()
    nodes = {place: hash_ for leaf in leaves for place, hash_ in whole.append(leaf)}
    for (level, index), hash_ in nodes.items():
        assert hash_ == _mth(leaves[index << level : (index + 1) << level])
    kept = [_mth(leaves[at << level : (at + 1) << level]) for level, at in perfect_subtrees(0, size)]
    resumed = Frontier(size, kept)
    assert resumed.root() == join(kept) == _mth(leaves[:size])
    again = [made for leaf in leaves[size:] for made in resumed.append(leaf)]
    assert again == [(place, nodes[place]) for place, _ in again]
    assert resumed.root() == whole.root()


def test_frontier_with_too_few_subtrees_is_refused() -> None:
    with pytest.raises(ValueError, match="perfect"):
        Frontier(3, [b"\0" * 32])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 1), (1, 1), (8, 8), (0, -1)])
def test_inclusion_of_what_is_not_there_is_neither_proved_nor_believed(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no entry"):
        inclusion_path(index, size)
    for path in ([], [LEAVES[0]]):
        for root in (EMPTY_ROOT, LEAVES[0], root_of(LEAVES)):
            assert not is_included(LEAVES[0], index, size, path, root)


@pytest.mark.parametrize(("old", "size"), [(0, 0), (0, 1), (0, 8), (-1, 8), (9, 8), (8, 0), (1, 0)])
def test_consistency_with_an_empty_or_larger_tree_is_neither_proved_nor_believed(old: int, size: int) -> None:
    with pytest.raises(ValueError, match="no proof"):
        consistency_path(old, size)
    for path in ([], [LEAVES[0]], [root_of(LEAVES)]):
        for old_root in (EMPTY_ROOT, LEAVES[0], root_of(LEAVES)):
            assert not is_consistent(old, size, old_root, root_of(LEAVES), path)


def test_same_size_takes_the_same_root_and_no_path() -> None:
    root = root_of(LEAVES)
    assert is_consistent(8, 8, root, root, [])
    assert not is_consistent(8, 8, root, root, [root])
    assert not is_consistent(8, 8, root, LEAVES[0], [])


def test_larger_size_without_a_path_is_refused() -> None:
    root = root_of(LEAVES)
    assert not is_consistent(4, 8, root, root, [])
    assert not is_consistent(8, 16, root, root, [])
    assert not is_included(root, 0, 8, [], root)


def test_inner_node_is_no_leaf_and_a_leaf_no_inner_node() -> None:
    """The two prefixes: otherwise a node's children, joined, would be an entry with a shorter path."""
    inner = node_hash(LEAVES[0], LEAVES[1])
    root = root_of(LEAVES[:4])
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != inner
    path = _hashes(inclusion_path(0, 4), LEAVES[:4])
    assert not is_included(inner, 0, 4, path[1:], root)


sizes = st.integers(min_value=1, max_value=70)


@given(st.data())
def test_inclusion_with_anything_changed_is_refused(data: st.DataObject) -> None:
    size = data.draw(sizes)
    index = data.draw(st.integers(0, size - 1))
    leaves = _made(size)
    path, root = _hashes(inclusion_path(index, size), leaves), _mth(leaves)
    assert is_included(leaves[index], index, size, path, root)
    for forged in _forgeries(data, path):
        assert not is_included(leaves[index], index, size, forged, root)
    for wrong in _wrong_hashes(data, leaves[index]):
        assert not is_included(wrong, index, size, path, root)
        assert not is_included(leaves[index], index, size, path, wrong)


@given(st.data())
def test_consistency_with_anything_changed_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    old = data.draw(st.integers(1, size - 1))
    leaves = _made(size)
    path = _hashes(consistency_path(old, size), leaves)
    old_root, root = _mth(leaves[:old]), _mth(leaves)
    assert is_consistent(old, size, old_root, root, path)
    assert not is_consistent(old, size, root, old_root, path)
    for forged in _forgeries(data, path):
        assert not is_consistent(old, size, old_root, root, forged)
    for wrong in _wrong_hashes(data, root):
        assert not is_consistent(old, size, wrong, root, path)
        assert not is_consistent(old, size, old_root, wrong, path)


def _wrong_hashes(data: st.DataObject, right: bytes) -> list[bytes]:
    place = data.draw(st.integers(0, 31))
    flipped = bytes(byte ^ (number == place) for number, byte in enumerate(right))
    return [flipped, right[:-1], right + b"\0", b"", right.hex().encode()]


def _forgeries(data: st.DataObject, path: list[bytes]) -> list[list[bytes]]:
    forged = [[*path, b"\0" * 32], [b"\0" * 32, *path], [*path, *path[-1:], b"\0" * 32]]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        forged += [path[:at] + path[at + 1 :], [*path[: at + 1], *path[at:]]]
        forged += [[*path[:at], wrong, *path[at + 1 :]] for wrong in _wrong_hashes(data, path[at])]
        swapped = path[::-1]
        if swapped != path:
            forged.append(swapped)
    return forged
