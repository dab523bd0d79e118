"""Checkpoints: one spelling each, read back as written, and nothing else passes for one."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.checkpoint import (
    Checkpoint,
    Head,
    NotACheckpoint,
    Redactions,
    checkpoint_of_text,
    statement,
    text_of_checkpoint,
)

HASHES = st.binary(min_size=32, max_size=32)
MOMENTS = st.integers(0, 4_000_000_000_000_000)
HEADS = st.builds(Head, st.integers(0, 100), st.integers(0, 10**12), MOMENTS, HASHES)
CHECKPOINTS = st.builds(
    Checkpoint,
    HASHES,
    MOMENTS,
    st.lists(HEADS, min_size=1, max_size=4, unique_by=lambda head: head.partition).map(tuple),
    st.builds(Redactions, st.integers(0, 9), HASHES),
    HASHES,
    st.binary(min_size=64, max_size=64),
)
ONE = Checkpoint(bytes(32), 1_700_000_000_000_000, (Head(0, 7, 1_600_000_000_000_001, b"\xab" * 32),))


@given(CHECKPOINTS)
def test_a_checkpoint_reads_back(checkpoint: Checkpoint) -> None:
    assert checkpoint_of_text(text_of_checkpoint(checkpoint)) == checkpoint


def test_the_text_is_for_ever() -> None:
    assert text_of_checkpoint(ONE) == (
        "revledger checkpoint 1\n"
        f"ledger {'00' * 32}\n"
        "taken 2023-11-14T22:13:20Z\n"
        f"partition 0 block 7 recorded 2020-09-13T12:26:40.000001Z hash {'ab' * 32}\n"
        f"redactions 0 hash {'00' * 32}\n"
    )
    assert statement(ONE).decode() == text_of_checkpoint(ONE)


@given(CHECKPOINTS, st.data())
def test_another_byte_is_another_checkpoint_or_none(checkpoint: Checkpoint, data: st.DataObject) -> None:
    text = text_of_checkpoint(checkpoint)
    spot = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda one: one != text[spot]))
    with suppress(NotACheckpoint):
        assert checkpoint_of_text(text[:spot] + letter + text[spot + 1 :]) != checkpoint


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: "", "first line"),
        (lambda text: text.replace("ledger 0", "ledger  0"), "line 2"),
        (lambda text: text + "\n", "is not spelt"),
        (lambda text: text.replace("block 7", "block 07"), "line 4"),
        (lambda text: text.replace("taken 2023", "taken 2023-"), "line 3|cannot be"),
        (lambda text: "\n".join(text.split("\n")[:3]), "no line that begins with 'partition'"),
        (lambda text: text + "key " + "a" * 64 + "\n", "no signature"),
    ],
)
def test_what_is_no_checkpoint_is_told(change: object, problem: str) -> None:
    assert callable(change)
    with pytest.raises(NotACheckpoint, match=problem):
        checkpoint_of_text(change(text_of_checkpoint(ONE)))
