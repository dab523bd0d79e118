"""Proofs: the way of one event into a ledger, from its bytes to a block that others have noted, as JSON.

A proof holds the event as text, its booking, the Merkle path of its entry, and the headers of the blocks from its own
to the last one it speaks of, all in base64. That last block is either in the signed checkpoint that is part of the
proof, or only named by its hash. Nothing is said twice, and nothing is there that is not checked.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Final, Literal

import msgspec
from msgspec import Struct

from events.account import Booking
from events.block import (
    FORMAT,
    HASH_BYTES,
    Block,
    BlockDamaged,
    Entry,
    Header,
    booking_of,
    data_of_header,
    entry_leaf,
    entry_leaves,
    header_bytes,
    header_of,
    kept_entry,
)
from events.checkpoint import Checkpoint, NotACheckpoint, checkpoint_of_text, text_of_checkpoint
from events.merkle import Side, merkle_path, path_sides, root_of_path


class Proof(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the file says. Either `checkpoint`, a signed text, or `head`, a hash in hexadecimal.

    `hashes`: of an event that had text taken out, as it was received and as it is; else empty.
    """

    proof: Literal["revledger proof 1"]
    event: str
    hashes: str = ""
    booking: str
    path: list[tuple[Side, str]]
    headers: list[str]
    head: str = ""
    checkpoint: str = ""


class Proven(Struct, frozen=True):
    """What a proof proves: an entry of a block, and the last block, whose hash stands for everything before it.

    `chain` are the hashes of the blocks from the entry's to the last; whoever noted any of them holds the proof
    against it. `checkpoint` is what names the last one, its signature still to be checked (None: nothing does).
    """

    entry: Entry
    booking: Booking
    header: Header
    last: Header
    chain: tuple[bytes, ...]
    checkpoint: Checkpoint | None

    @property
    def received_hash(self) -> bytes:
        """The SHA-256 of the event as it was received."""
        return self.entry.hashes[:HASH_BYTES] or sha256(self.entry.event).digest()


class ProofRefused(Exception):
    """A proof that does not prove what it says: the step that fails, and why."""

    def __init__(self, step: str, problem: str) -> None:
        super().__init__(problem)
        self.step = step


_PROOF: Final = msgspec.json.Decoder(Proof)


def proof_of(block: Block, index: int, heads: Sequence[bytes], checkpoint: Checkpoint | None) -> Proof:
    """The proof of an entry of a block; `heads` are the bytes of the headers after it, up to the last."""
    entry = block.entries[index]
    last = heads[-1] if heads else header_bytes(block.data)
    return Proof(
        proof="revledger proof 1",
        event=entry.event.decode(),
        hashes=_text(entry.hashes),
        booking=_text(entry.booking),
        path=[(side, _text(beside)) for side, beside in merkle_path(entry_leaves(block.entries), index)],
        headers=[_text(header_bytes(block.data)), *map(_text, heads)],
        head="" if checkpoint is not None else sha256(last).hexdigest(),
        checkpoint="" if checkpoint is None else text_of_checkpoint(checkpoint),
    )


def text_of_proof(proof: Proof) -> str:
    """The JSON of a proof, a header a line."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=1).decode() + "\n"


def proof_of_text(data: bytes) -> Proof:
    """A proof from its JSON, nothing of it checked yet; raises ProofRefused."""
    try:
        return _PROOF.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProofRefused("form", f"it is no proof of revledger: {error}") from error


def proven(proof: Proof) -> Proven:
    """Checks everything in a proof but the signature; raises ProofRefused."""
    entry = kept_entry(proof.event.encode(), _bytes(proof.booking), _hashes(proof))
    heads = [_bytes(text) for text in proof.headers]
    headers = [_header(number, head) for number, head in enumerate(heads)]
    if not headers:
        raise ProofRefused("form", "it holds no header of a block")
    booking = _booking(entry)
    _check_path(entry, booking.seq, headers[0], [(side, _bytes(text)) for side, text in proof.path])
    chain = tuple(sha256(head).digest() for head in heads)
    for (before, after), of_before in zip(pairwise(headers), chain, strict=False):
        _check_link(before, of_before, after)
    return Proven(entry, booking, headers[0], headers[-1], chain, _checkpoint(proof, headers[-1], chain[-1]))


def _hashes(proof: Proof) -> bytes:
    """The hashes of an event that had text taken out: the text that is left must be that of the second."""
    hashes = _bytes(proof.hashes)
    if hashes and len(hashes) != 2 * HASH_BYTES:
        raise ProofRefused("form", "the hashes of the event are not two of SHA-256")
    if hashes and sha256(proof.event.encode()).digest() != hashes[HASH_BYTES:]:
        raise ProofRefused("event", "the event is not what it was after text had been taken out of it")
    return hashes


def _header(number: int, head: bytes) -> Header:
    try:
        header = header_of(head)
    except BlockDamaged as error:
        raise ProofRefused("header", f"header {number} of the proof cannot be read: {error}") from error
    if header.format != FORMAT:
        problem = f"header {number} of the proof has format {header.format}, and this revledger knows {FORMAT}"
        raise ProofRefused("header", problem)
    if data_of_header(header) != head:
        raise ProofRefused("header", f"header {number} of the proof is not spelt as headers are")
    return header


def _booking(entry: Entry) -> Booking:
    try:
        return booking_of(entry)
    except BlockDamaged as error:
        raise ProofRefused("entry", str(error)) from error


def _check_path(entry: Entry, seq: int, header: Header, path: Sequence[tuple[Side, bytes]]) -> None:
    index = seq - header.first_seq
    if not 0 <= index < header.entries:
        last = header.first_seq + header.entries - 1
        problem = f"the booking is of entry {seq}, and block {header.height} holds {header.first_seq} to {last}"
        raise ProofRefused("entry", problem)
    if [side for side, _ in path] != path_sides(index, header.entries):
        raise ProofRefused("path", f"the path does not fit entry {index + 1} of a block of {header.entries}")
    if root_of_path(entry_leaf(entry), path) != header.merkle_root:
        problem = f"event and booking are not entry {seq} of block {header.height}: their hash leads to another root"
        raise ProofRefused("path", problem)


def _check_link(before: Header, of_before: bytes, after: Header) -> None:
    due = (before.partition, before.height + 1, before.first_seq + before.entries, of_before)
    if (after.partition, after.height, after.first_seq, after.prev_hash) != due:
        problem = f"block {after.height} of partition {after.partition} does not follow block {before.height}"
        raise ProofRefused("chain", f"{problem} of partition {before.partition}, whose header is before it")


def _checkpoint(proof: Proof, last: Header, head: bytes) -> Checkpoint | None:
    """What the proof holds the last block against, which must name it."""
    if bool(proof.head) == bool(proof.checkpoint):
        raise ProofRefused("form", "it must hold either a head or a checkpoint")
    if proof.head:
        if proof.head != head.hex():
            raise ProofRefused("head", f"the last header has the hash {head.hex()}, and the head is {proof.head[:64]}")
        return None
    try:
        checkpoint = checkpoint_of_text(proof.checkpoint)
    except NotACheckpoint as error:
        raise ProofRefused("checkpoint", f"its checkpoint is none: {error}") from error
    if not checkpoint.key:
        raise ProofRefused("checkpoint", "its checkpoint is not signed")
    named = checkpoint.by_partition().get(last.partition)
    if named is None or (named.height, named.recorded_at, named.hash) != (last.height, last.recorded_at, head):
        problem = f"the checkpoint does not name block {last.height} of partition {last.partition}, {head.hex()}"
        raise ProofRefused("checkpoint", problem)
    return checkpoint


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _bytes(text: str) -> bytes:
    """The bytes that a text stands for; it must be spelt as it was written."""
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise ProofRefused("form", f"what should be base64 is not: {error}") from error
    if _text(data) != text:
        raise ProofRefused("form", "what should be base64 is spelt otherwise than it was written")
    return data
