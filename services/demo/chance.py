"""Integer-only draws from a seeded generator, the same on every Python and every machine."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

Weighted = tuple[tuple[T, int], ...]
"""Values with their shares; the shares of one table add up to 100."""


def generator(seed: int) -> random.Random:
    """The generator of one company; a string seed keeps negative seeds apart from positive ones."""
    return random.Random(f"revledger-demo/{seed}")


def below(rng: random.Random, limit: int) -> int:
    """An integer in [0, limit), from `getrandbits` alone: others changed between versions of Python."""
    return (rng.getrandbits(32) * limit) >> 32


def between(rng: random.Random, lowest: int, highest: int) -> int:
    """An integer in [lowest, highest]."""
    return lowest + ((rng.getrandbits(32) * (highest - lowest + 1)) >> 32)


def hit(rng: random.Random, percent: int) -> bool:
    """True in `percent` of 100 cases."""
    return (rng.getrandbits(32) * 100) >> 32 < percent


def pick(rng: random.Random, values: Sequence[T]) -> T:
    """One of the values, all equally likely."""
    return values[(rng.getrandbits(32) * len(values)) >> 32]


def weighted(rng: random.Random, table: Weighted[T]) -> T:
    """One of the values of a table, each as likely as its share of 100."""
    roll = (rng.getrandbits(32) * 100) >> 32
    for value, share in table:
        roll -= share
        if roll < 0:
            return value
    raise AssertionError(f"the shares of this table do not add up to 100: {table!r}")
