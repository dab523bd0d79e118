"""Proofs: the way of an entry to a later block holds, and nothing else passes for it."""

import json
from collections.abc import Callable
from hashlib import sha256

import pytest
from msgspec.structs import replace

from events import block as blocks
from events.account import Booking
from events.block import Block, Entry
from events.proof import Proof, ProofRefused, proof_of, proof_of_text, proven, text_of_proof

SIZES = (1, 7, 0, 2, 1)
"""Entries of the blocks."""


def chain() -> list[Block]:
    """A chain of blocks whose bookings are empty."""
    made: list[Block] = []
    seq = 0
    for size in SIZES:
        entries = [
            blocks.entry_of(b'{"source":"/s","id":"%d"}' % one, Booking(one, "a", 0, 0, []))
            for one in range(seq, seq + size)
        ]
        seq += size
        before = made[-1] if made else None
        made.append(blocks.seal(before, entries, partition=0, recorded_at=len(made), policy="p@1:00000000"))
    return made


CHAIN = chain()
HEADS = [blocks.header_bytes(block.data) for block in CHAIN]


def proof(height: int, index: int, last: int = len(CHAIN) - 1) -> Proof:
    """The proof of an entry up to a block."""
    return proof_of(CHAIN[height], index, HEADS[height + 1 : last + 1], None)


@pytest.mark.parametrize(("height", "index"), [(h, i) for h, size in enumerate(SIZES) for i in range(size)])
def test_every_entry_is_proven_up_to_every_later_block(height: int, index: int) -> None:
    for last in range(height, len(CHAIN)):
        found = proven(proof_of_text(text_of_proof(proof(height, index, last)).encode()))
        assert found.entry == CHAIN[height].entries[index]
        assert (found.header, found.last) == (CHAIN[height].header, CHAIN[last].header)
        assert found.chain == tuple(block.hash for block in CHAIN[height : last + 1])


def test_the_text_is_for_ever() -> None:
    made = json.loads(text_of_proof(proof(3, 1)))
    assert [*made] == ["proof", "event", "booking", "path", "headers", "head"]
    assert made["proof"] == "revledger proof 1"
    assert made["event"] == '{"source":"/s","id":"9"}'
    assert made["booking"] == "lQmhYQAAkA=="
    assert made["path"] == [["left", "LgFV8+iqDKXOFDAbdgMzPBBCjaNen+dX8h85J/6FLvQ="]]
    assert [len(one) for one in made["headers"]] == [228, 228]
    assert made["head"] == CHAIN[-1].hash.hex() == "36a84a00412386957da506fec986c2587edc2455ba2c69104cbd691bad427691"


CHANGES: dict[str, tuple[Callable[[Proof], Proof], str]] = {
    "a header less at the end": (lambda made: replace(made, headers=made.headers[:-1]), "head"),
    "a header left out": (lambda made: replace(made, headers=[made.headers[0], *made.headers[2:]]), "chain"),
    "a header twice": (lambda made: replace(made, headers=[*made.headers, made.headers[-1]]), "chain"),
    "begun later": (lambda made: replace(made, headers=made.headers[1:]), "entry"),
    "no header": (lambda made: replace(made, headers=[]), "form"),
    "a step less": (lambda made: replace(made, path=made.path[1:]), "path"),
    "a step from elsewhere": (lambda made: replace(made, path=[("left", made.path[0][1]), *made.path[1:]]), "path"),
    "a step more": (lambda made: replace(made, path=[*made.path, made.path[-1]]), "path"),
    "another event": (lambda made: replace(made, event=proof(1, 1).event), "path"),
    "another entry": (lambda made: replace(made, event=proof(1, 1).event, booking=proof(1, 1).booking), "path"),
    "no booking": (lambda made: replace(made, booking="AAAA"), "entry"),
    "booking without padding": (lambda made: replace(made, booking=made.booking.rstrip("=")), "form"),
    "no header of a block": (lambda made: replace(made, headers=["gA==", *made.headers]), "header"),
    "head in large letters": (lambda made: replace(made, head=made.head.upper()), "head"),
    "no head": (lambda made: replace(made, head=""), "form"),
    "head and checkpoint": (lambda made: replace(made, checkpoint="revledger checkpoint 1\n"), "form"),
    "no checkpoint": (lambda made: replace(made, head="", checkpoint="revledger checkpoint 1\n"), "checkpoint"),
    "hashes that are none": (lambda made: replace(made, hashes="AAAA"), "form"),
}
"""What is done to a proof -> the step that fails."""


@pytest.mark.parametrize("name", CHANGES)
def test_what_does_not_hold_is_named(name: str) -> None:
    change, step = CHANGES[name]
    with pytest.raises(ProofRefused) as refused:
        proven(change(proof(1, 0)))
    assert refused.value.step == step, refused.value


def test_a_header_in_another_spelling_is_none() -> None:
    header = CHAIN[-1].header
    other = blocks._ENCODER.encode({name: getattr(header, name) for name in sorted(header.__struct_fields__[:9])})
    made = proof_of(CHAIN[-2], 0, [other], None)
    with pytest.raises(ProofRefused, match="not spelt"):
        proven(made)


def test_an_event_with_text_taken_out_is_proven_by_the_hash_of_what_was_received() -> None:
    entry = CHAIN[1].entries[4]
    left = b'{"source":"/s","id":"5","left":true}'
    hashes = sha256(entry.event).digest() + sha256(left).digest()
    taken = blocks.kept_entry(left, entry.booking, hashes)
    entries: list[Entry] = [*CHAIN[1].entries[:4], taken, *CHAIN[1].entries[5:]]
    block = blocks.block_of(blocks.data_of(HEADS[1], entries))
    made = proof_of(block, 4, HEADS[2:], None)
    found = proven(proof_of_text(text_of_proof(made).encode()))
    assert found.entry == taken
    assert found.received_hash == sha256(entry.event).digest()
    with pytest.raises(ProofRefused, match="after text had been taken out"):
        proven(replace(made, event=made.event.replace("true", "null")))
    assert proven(proof_of(block, 3, HEADS[2:], None)).entry == CHAIN[1].entries[3], "its neighbours are proven as ever"


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"proof":"revledger proof 2"}', b'{"proof":1}'])
def test_what_is_no_proof_is_told(data: bytes) -> None:
    with pytest.raises(ProofRefused, match="no proof of revledger") as refused:
        proof_of_text(data)
    assert refused.value.step == "form"
