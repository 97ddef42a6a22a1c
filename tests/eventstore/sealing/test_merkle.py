from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.sealing.merkle import inclusion_path, leaf_hash, root_from_path, root_of

#: The leaves that implementations of RFC 6962 test with, and the roots of the first 1, 2 ... 8 of them.
DATA = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
DATA.append(bytes(range(0x60, 0x70)))
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

leaves = st.lists(st.binary(max_size=4).map(leaf_hash), min_size=1, max_size=70)


def _root_by_the_definition(hashes: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, 2.1, word by word."""
    if not hashes:
        return sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    split = max(1 << power for power in range(len(hashes).bit_length()) if 1 << power < len(hashes))
    left, right = _root_by_the_definition(hashes[:split]), _root_by_the_definition(hashes[split:])
    return sha256(b"\x01" + left + right).digest()


def test_no_leaves_have_the_hash_of_nothing() -> None:
    assert root_of([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("count", range(1, 9))
def test_the_known_leaves_have_the_known_roots(count: int) -> None:
    assert root_of([leaf_hash(data) for data in DATA[:count]]).hex() == ROOTS[count - 1]


@given(leaves)
def test_a_root_is_the_one_of_the_definition(leaves: list[bytes]) -> None:
    assert root_of(leaves) == _root_by_the_definition(leaves)


@given(leaves)
def test_the_path_of_every_leaf_leads_to_the_root(leaves: list[bytes]) -> None:
    for index, leaf in enumerate(leaves):
        path = inclusion_path(leaves, index)
        assert root_from_path(leaf, index, len(leaves), path) == root_of(leaves)
        assert len(path) <= (len(leaves) - 1).bit_length()


@given(leaves, st.data())
def test_another_leaf_place_or_path_does_not_lead_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = inclusion_path(leaves, index)
    assert root_from_path(leaf_hash(b"another"), index, len(leaves), path) != root_of(leaves)
    if path:
        damaged = data.draw(st.integers(0, len(path) - 1))
        bad = [*path[:damaged], leaf_hash(b"another"), *path[damaged + 1 :]]
        assert root_from_path(leaves[index], index, len(leaves), bad) != root_of(leaves)


def test_a_leaf_cannot_pass_for_an_inner_node() -> None:
    first, second, third = (leaf_hash(bytes([number])) for number in range(3))
    assert root_of([root_of([first, second]), third]) == root_of([first, second, third])
    assert leaf_hash(first + second) != root_of([first, second])


@pytest.mark.parametrize(("index", "count"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_that_is_not_there_has_no_path(index: int, count: int) -> None:
    with pytest.raises(IndexError):
        inclusion_path([leaf_hash(b"")] * count, index)
    with pytest.raises(ValueError, match="no leaf"):
        root_from_path(leaf_hash(b""), index, count, [])


def test_a_path_of_another_length_is_refused() -> None:
    leaves = [leaf_hash(data) for data in DATA]
    path = inclusion_path(leaves, 4)
    with pytest.raises(ValueError, match="too short"):
        root_from_path(leaves[4], 4, 8, path[:-1])
    with pytest.raises(ValueError, match="too long"):
        root_from_path(leaves[4], 4, 8, [*path, path[0]])
