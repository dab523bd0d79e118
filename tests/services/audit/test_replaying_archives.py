"""Replays from an archive and the tail behind it: the facts known then, whatever was sealed; a damaged one is named."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.days import text_of_moment
from services.archive.manifests import ArchiveDamaged, manifest_bytes, manifest_of
from services.archive.stores import store_of
from services.audit.replaying import replayed
from services.compose import genesis_of
from services.ledgers.port import Ledger
from services.questions import question_of
from services.rows import Answer
from services.settings import Settings, settings_from
from tests.effort import examples
from tests.model.days import Event
from tests.model.notation import fact, line
from tests.model.reports import Asked, Books
from tests.services.archive.books import seal_all
from tests.services.audit.test_replaying import EVENTS, MINUTE, SOME, SPAN, START, booked_apart, is_known, replay, span
from tests.services.books import MemoryBooks, asked_texts, check_bridge, check_figures, parameters
from tests.services.running import asynchronous
from tests.services.test_reports import arrived, windows

FEW = settings(SOME, max_examples=examples(8))


async def replay_from(
    archive: Settings, ledger: Ledger, /, *, is_bridge: bool, **asked: str | Sequence[str]
) -> Answer:
    """The same from an archive, as far as it goes, and from the ledger beyond."""
    question = question_of(parameters(asked))
    genesis = await genesis_of(ledger)
    assert genesis is not None
    return await replayed(ledger, genesis, question, is_bridge=is_bridge, settings=archive)


async def sealed_then(
    events: Sequence[Event], sealed_blocks: int, place: Path, segment_entries: int
) -> tuple[MemoryBooks, list[int]]:
    """Books with a block for each event, of which the first so many are in an archive at a place."""
    books, heights = await booked_apart(events[:sealed_blocks])
    await seal_all(books.ledger, store_of(str(place)), segment_entries)
    for number, event in enumerate(events[sealed_blocks:], sealed_blocks):
        await books.book([event], at=START + number * MINUTE)
        tail = await books.ledger.tail(0)
        assert tail is not None
        heights.append(tail.height)
    return books, heights


@FEW
@given(arrived(), windows(), st.data())
@asynchronous
async def test_archive_and_tail_are_what_the_facts_known_then_come_to(
    events: list[Event], window: tuple[int, int, str], data: st.DataObject
) -> None:
    """Whatever was sealed, at several moments: before its end, at it and after; bridges and figures, by groups."""
    sealed_blocks = data.draw(st.integers(1, len(events)), "sealed")
    segment_entries = data.draw(st.sampled_from((1, 2, 7)), "segment entries")
    moments = data.draw(st.lists(st.integers(0, len(events) - 1), min_size=1, max_size=2, unique=True), "moments")
    names = (None, "plan", "owner", "account")
    asked = Asked(data.draw(st.sampled_from(("USD", "EUR"))), data.draw(st.sampled_from(names)))
    with TemporaryDirectory() as place:
        books, heights = await sealed_then(events, sealed_blocks, Path(place) / "archive", segment_entries)
        archive = settings_from({"REVLEDGER_DATA": place})
        if not await is_known(books.reports, asked):
            return
        for last in sorted(moments):
            model = Books(events[: last + 1])
            texts = {**span(window), "known_at": f"0:{heights[last]}", **asked_texts(asked)}
            bridge = await replay_from(archive, books.ledger, is_bridge=True, **texts, every=window[2])
            check_bridge(bridge, model, asked, *window)
            figures = await replay_from(archive, books.ledger, is_bridge=False, **texts)
            check_figures(figures, model, asked, *window[:2])


@FEW
@given(arrived(), windows(), st.data())
@asynchronous
async def test_a_past_answer_is_the_same_bytes_whatever_comes_and_is_sealed_later(
    events: list[Event], window: tuple[int, int, str], data: st.DataObject
) -> None:
    """Asked before more events arrived, after, and once what it was about is in the archive; its age too."""
    half = data.draw(st.integers(1, len(events)), "half")
    with TemporaryDirectory() as place:
        archive = settings_from({"REVLEDGER_DATA": place})
        books, heights = await booked_apart(events[:half])
        asked = {**span(window), "currency": "USD", "by": data.draw(st.sampled_from(("", "plan", "account")))}
        moments = (f"0:{heights[-1]}", text_of_moment(START))
        later = [fact("signed", "zzz1", "2024-01-01", lines=[line(1)]), *events[half:]]
        await books.book(later[:1], at=START + half * MINUTE)

        async def answers() -> list[bytes]:
            found = [
                await replay_from(archive, books.ledger, **asked, known_at=moment, is_bridge=is_bridge)
                for moment in moments
                for is_bridge in (True, False)
            ]
            return [msgspec.json.encode(one) for one in found]

        before = await answers()
        for number, event in enumerate(later[1:], half + 1):
            await books.book([event], at=START + number * MINUTE)
        assert await answers() == before
        await seal_all(books.ledger, store_of(archive.archive_location), 3)
        assert await answers() == before


# ---------------------------------------------------------------- an archive that is not what it was


def cut(path: Path) -> None:
    """Takes the last byte away."""
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    """Changes one bit in the middle; size and time stay."""
    data, stat = path.read_bytes(), path.stat()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    ("folder", "harmed", "sentence"),
    [
        ("postings", Path.unlink, r"postings/0000-0{12}-0{11}3-.* is missing"),
        ("postings", cut, r"postings/0000-0{12}-0{11}3-.* is truncated"),
        ("postings", flip, r"postings/0000-0{12}-0{11}3-.* was altered"),
        ("manifests", flip, r"manifests/0000-0{12}-0{11}3-.* was altered"),
        ("manifests", Path.unlink, r"segment 0000-0{12}-\.\.\. .* is missing"),
    ],
)
@asynchronous
async def test_a_damaged_archive_is_named_and_never_answers(
    folder: str, harmed: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    """Also by a process that has checked its files before and answered from them."""
    books, _ = await booked_apart(EVENTS)
    archive = settings_from({"REVLEDGER_DATA": str(tmp_path)})
    await seal_all(books.ledger, store_of(archive.archive_location), 2)
    whole = await replay_from(archive, books.ledger, is_bridge=True, **SPAN)
    assert whole["rows"] == (await replay(books.ledger, **SPAN))["rows"]
    harmed(min((tmp_path / "archive" / folder).iterdir()))
    with pytest.raises(ArchiveDamaged, match=sentence):
        await replay_from(archive, books.ledger, is_bridge=True, **SPAN)


@asynchronous
async def test_a_manifest_that_lies_is_named(tmp_path: Path) -> None:
    """One that is right in itself, of the right files, and says another thing than they do."""
    books, _ = await booked_apart(EVENTS)
    archive = settings_from({"REVLEDGER_DATA": str(tmp_path)})
    (manifest, *_) = await seal_all(books.ledger, store_of(archive.archive_location), 2)
    path = tmp_path / "archive" / manifest.name
    lie = msgspec.structs.replace(manifest.segment, newest_event="2030-01-01T00:00:00Z")
    path.write_bytes(manifest_bytes(manifest_of(lie, manifest.files)))
    with pytest.raises(ArchiveDamaged, match=f"{manifest.name} .* lies: its file of postings was written for another"):
        await replay_from(archive, books.ledger, is_bridge=True, **SPAN)
