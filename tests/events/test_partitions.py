"""Partitions: the ones that Kafka's own clients choose for the same key, pinned for ever."""

from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from events.partitions import murmur2, partition_of


@given(st.binary(max_size=40))
def test_the_hash_is_that_of_kafkas_clients(data: bytes) -> None:
    assert murmur2(data) == murmur2_of_aiokafka(data) & 0xFFFFFFFF


def test_known_hashes() -> None:
    """Values from Apache Kafka's own test of its Java client (UtilsTest.testMurmur2)."""
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    assert {data: murmur2(data) for data in known} == {data: value & 0xFFFFFFFF for data, value in known.items()}


def test_accounts_stay_in_their_partition() -> None:
    accounts = ("acme", "globex", "initech", "umbrella", "ünïcode")
    assert [partition_of(account, 8) for account in accounts] == [
        (murmur2_of_aiokafka(account.encode()) & 0x7FFFFFFF) % 8 for account in accounts
    ]


@given(st.text(max_size=20), st.integers(1, 1_000))
def test_a_partition_is_one_of_them(account: str, partitions: int) -> None:
    assert 0 <= partition_of(account, partitions) < partitions
