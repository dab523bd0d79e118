"""Partitions: which part of a distributed ledger an account is in, as Kafka's own clients see it.

The hash is MurmurHash2 (32 bits) with the seed of Kafka's Java client, so that a producer which only sets the
account as the key finds the same partition (source: Apache Kafka, org.apache.kafka.common.utils.Utils.murmur2
and BuiltInPartitioner.partitionForKey).
"""

from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_BITS: Final = 0xFFFFFFFF


@lru_cache(maxsize=200_000)
def partition_of(account: str, partitions: int) -> int:
    """The partition of an account among `partitions`; for ever the same."""
    return (murmur2(account.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """The hash of some bytes, from 0 to 2**32 - 1."""
    whole = len(data) & ~3
    mixed = (_SEED ^ len(data)) & _BITS
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _FACTOR & _BITS
        word = (word ^ word >> 24) * _FACTOR & _BITS
        mixed = (mixed * _FACTOR & _BITS) ^ word
    if whole < len(data):
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _BITS
    mixed = (mixed ^ mixed >> 13) * _FACTOR & _BITS
    return mixed ^ mixed >> 15
