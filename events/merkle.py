"""The Merkle tree over the entries of a block (RFC 6962, section 2.1): root, path, and its check."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal

Side = Literal["left", "right"]
EMPTY_ROOT: Final = sha256(b"").digest()
LEAF: Final = b"\x00"
"""What the data of a leaf is preceded by; a node is preceded by another byte, so neither passes for the other."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256(LEAF + data).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes in their order; of none it is the hash of nothing."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def merkle_path(leaves: Sequence[bytes], index: int) -> list[tuple[Side, bytes]]:
    """The way from a leaf to the root: (`left` or `right`, the hash that stands on that side)."""
    path: list[tuple[Side, bytes]] = []
    level = list(leaves)
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            path.append(("left" if beside < index else "right", level[beside]))
        level, index = _parents(level), index // 2
    return path


def root_of_path(leaf: bytes, path: Sequence[tuple[str, bytes]]) -> bytes:
    """The root that a leaf and its path lead to."""
    node = leaf
    for side, beside in path:
        node = sha256(b"\x01" + (beside + node if side == "left" else node + beside)).digest()
    return node


def path_sides(index: int, size: int) -> list[Side]:
    """On which sides the hashes stand on the way from a leaf to the root over `size` leaves, as `merkle_path`."""
    sides: list[Side] = []
    while size > 1:
        if index ^ 1 < size:
            sides.append("left" if index & 1 else "right")
        index, size = index // 2, (size + 1) // 2
    return sides


def _parents(level: list[bytes]) -> list[bytes]:
    """The next level up; an odd last node moves up as it is, which gives the tree of RFC 6962."""
    pairs = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    return [*pairs, level[-1]] if len(level) & 1 else pairs
