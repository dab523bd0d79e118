"""The catalogue: what continues and reaches furthest, and nothing that does not fit."""

from typing import Any

import msgspec
import pytest

from services.archive.catalogue import OtherLedger, catalogue
from services.archive.manifests import ArchiveDamaged, Manifest, manifest_of
from tests.services.archive.test_manifests import SEGMENT, a_manifest


def hash_of(height: int) -> str:
    """A made-up hash of the block before a height."""
    return f"{height:064x}"


def segment(start: int, until: int, **changed: Any) -> Manifest:
    """A made-up segment of blocks with two entries each."""
    found = msgspec.structs.replace(
        SEGMENT,
        from_height=start,
        until_height=until,
        first_seq=2 * start,
        entries=2 * (until - start),
        prev_hash=hash_of(start),
        hash=hash_of(until),
        recorded_first=f"2026-01-01T00:00:{start:02}Z",
        recorded_last=f"2026-01-01T00:00:{until:02}Z",
    )
    return manifest_of(msgspec.structs.replace(found, **changed), a_manifest().files)


def ranges(*manifests: Manifest) -> list[tuple[int, int]]:
    """What the catalogue takes of partition 0."""
    found = catalogue("here", manifests)
    return [(one.segment.from_height, one.segment.until_height) for one in found.chains.get(0, ())]


def test_an_empty_archive_has_nothing() -> None:
    found = catalogue("here", [])
    assert (found.manifests, found.until(0), found.end_seq(0)) == ([], 0, 0)


def test_segments_follow_one_another_whatever_their_order() -> None:
    assert ranges(segment(5, 9), segment(0, 3), segment(3, 5)) == [(0, 3), (3, 5), (5, 9)]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([(0, 3), (0, 5)], [(0, 5)]),
        ([(0, 3), (0, 5), (3, 9)], [(0, 3), (3, 9)]),
        ([(0, 3), (3, 5), (0, 5), (5, 9)], [(0, 5), (5, 9)]),
        ([(0, 3), (3, 6), (0, 5), (5, 6), (6, 7)], [(0, 3), (3, 6), (6, 7)]),
    ],
)
def test_of_overlapping_segments_those_that_reach_furthest_are_taken(
    given: list[tuple[int, int]], taken: list[tuple[int, int]]
) -> None:
    manifests = [segment(*one) for one in given]
    reached = ranges(*manifests)
    assert reached[-1][1] == taken[-1][1]
    assert len(reached) == len(taken)
    assert len(catalogue("here", manifests).superseded) == len(given) - len(taken)


@pytest.mark.parametrize("given", [[(1, 3)], [(0, 3), (4, 5)], [(0, 3), (3, 5), (6, 9), (9, 10)]])
def test_a_gap_is_named(given: list[tuple[int, int]]) -> None:
    with pytest.raises(ArchiveDamaged, match=r"segment 0000-.* is missing: segments go on with manifests/"):
        ranges(*[segment(*one) for one in given])


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"first_seq": 7}, "first_seq is 7, and 6 is due"),
        ({"prev_hash": hash_of(4)}, "its prev_hash is"),
        ({"recorded_first": "2026-01-01T00:00:02Z"}, "its clock runs backwards"),
        ({"ledger": msgspec.structs.replace(SEGMENT.ledger, first="00" * 32)}, "belongs to another ledger"),
        ({"ledger": msgspec.structs.replace(SEGMENT.ledger, own="00" * 32)}, "belongs to another ledger"),
        ({"ledger": msgspec.structs.replace(SEGMENT.ledger, partitions=2)}, "belongs to another ledger"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, Any], problem: str) -> None:
    second = segment(3, 5, **changed)
    with pytest.raises(ArchiveDamaged, match=problem) as found:
        ranges(segment(0, 3), second)
    assert found.value.name == second.name


def test_the_clock_of_a_segment_may_stand_still() -> None:
    times = {"recorded_first": "2026-01-01T00:00:03Z", "recorded_last": "2026-01-01T00:00:03Z"}
    halves = {"recorded_first": "2026-01-01T00:00:03.500000Z", "recorded_last": "2026-01-01T00:00:03.500000Z"}
    assert len(ranges(segment(0, 3), segment(3, 5, **times), segment(5, 6, **halves))) == 3


def test_partitions_that_cannot_be_are_named() -> None:
    with pytest.raises(ArchiveDamaged, match="the ledger has 1 partitions"):
        ranges(segment(0, 3), segment(0, 3, partition=1))
    lie = msgspec.structs.replace(SEGMENT.ledger, own="00" * 32)
    with pytest.raises(ArchiveDamaged, match="lies about the first block"):
        ranges(segment(0, 3, ledger=lie))
    assert not isinstance(ArchiveDamaged("a", "b", "c"), OtherLedger)
