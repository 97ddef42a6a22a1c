"""Merkle trees of RFC 6962: what a root proves about its leaves, and a short proof that a leaf is among them.

A leaf is hashed behind a zero byte and an inner node behind a one, so that neither can be passed off as the
other. A tree of n leaves is split at the largest power of two below n. That is the same tree as pairing
neighbours level by level, where the odd one out goes up as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

#: Length of a hash in bytes.
HASH_BYTES = 32


def leaf_hash(data: bytes) -> bytes:
    """Hash what a leaf stands for: 32 bytes."""
    return sha256(b"\x00" + data).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Fold leaf hashes, in their order, into the root: 32 bytes; no leaves give the hash of nothing."""
    if not leaves:
        return sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Give the hashes that lead from the leaf at `index`, counted from 0, to the root, the lowest first.

    There are at most log2 of the number of leaves, rounded up. Raises `IndexError` where there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    level, path = list(leaves), []
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        level, index = _level_above(level), index // 2
    return path


def root_from_path(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """Give the root of the tree of `count` leaves that has this leaf hash at `index`, by its inclusion path.

    Raises `ValueError` where no such leaf can be, or the path has not the length that it must have there.
    """
    if not 0 <= index < count:
        raise ValueError(f"there is no leaf {index} among {count}")
    node, rest, last = leaf, iter(path), count - 1
    try:
        while last > 0:
            if index % 2 == 1:
                node = _node_hash(next(rest), node)
            elif index < last:
                node = _node_hash(node, next(rest))
            index, last = index // 2, last // 2
    except StopIteration:
        raise ValueError("the path is too short") from None
    if next(rest, None) is not None:
        raise ValueError("the path is too long")
    return node


def _node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    pairs = [_node_hash(level[left], level[left + 1]) for left in range(0, len(level) - 1, 2)]
    return [*pairs, *level[2 * len(pairs) :]]
