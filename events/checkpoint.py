"""Checkpoints: what the heads of all partitions were at a moment, as a text whose exact bytes can be signed."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from events.days import moment_of_text, text_of_moment

TITLE: Final = "revledger checkpoint 1"
_HASH: Final = r"([0-9a-f]{64})"
_TIME: Final = r"([0-9T:.Z-]{20,30})"
_NUMBER: Final = r"(0|[1-9][0-9]{0,17})"
_LINES: Final = {
    "ledger": re.compile(f"ledger {_HASH}"),
    "taken": re.compile(f"taken {_TIME}"),
    "partition": re.compile(f"partition {_NUMBER} block {_NUMBER} recorded {_TIME} hash {_HASH}"),
    "redactions": re.compile(f"redactions {_NUMBER} hash {_HASH}"),
    "key": re.compile(f"key {_HASH}"),
    "signature": re.compile(r"signature ([0-9a-f]{128})"),
}
"""The first word of a line -> the line; in this order."""


class NotACheckpoint(Exception):
    """A text that is no checkpoint, or not spelt as one."""


class Head(Struct, frozen=True):
    """The last block of a partition; `recorded_at` in microseconds."""

    partition: int
    height: int
    recorded_at: int
    hash: bytes


class Redactions(Struct, frozen=True):
    """How many notes of redactions a ledger has, and the hash of the last, which holds that of the one before."""

    count: int = 0
    hash: bytes = bytes(32)


class Checkpoint(Struct, frozen=True):
    """A statement about a ledger, whose name is the hash of block 0 of partition 0.

    `key` and `signature` (Ed25519, 32 and 64 bytes) are empty where nobody signed it.
    """

    ledger: bytes
    taken_at: int
    heads: tuple[Head, ...]
    redactions: Redactions = Redactions()
    key: bytes = b""
    signature: bytes = b""

    def by_partition(self) -> Mapping[int, Head]:
        """The heads by partition."""
        return {head.partition: head for head in self.heads}


def statement(checkpoint: Checkpoint) -> bytes:
    """The bytes that are signed: lines in ASCII, each ending in a line feed."""
    lines = [
        TITLE,
        f"ledger {checkpoint.ledger.hex()}",
        f"taken {text_of_moment(checkpoint.taken_at)}",
        *(_head_text(head) for head in checkpoint.heads),
        f"redactions {checkpoint.redactions.count} hash {checkpoint.redactions.hash.hex()}",
        *([f"key {checkpoint.key.hex()}"] if checkpoint.key else []),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def text_of_checkpoint(checkpoint: Checkpoint) -> str:
    """The whole text: the statement, and the signature on a line of its own."""
    signed = f"signature {checkpoint.signature.hex()}\n" if checkpoint.signature else ""
    return statement(checkpoint).decode() + signed


def checkpoint_of_text(text: str) -> Checkpoint:
    """A checkpoint from its text, which must be spelt exactly as it was written; raises NotACheckpoint."""
    try:
        checkpoint = _read(text.split("\n"))
        again = text_of_checkpoint(checkpoint)
    except (ValueError, OverflowError) as error:
        raise NotACheckpoint(f"it holds what cannot be: {error}") from error
    if again != text:
        written, due = text.split("\n"), again.split("\n")
        number = next((i for i, pair in enumerate(zip(written, due, strict=False)) if pair[0] != pair[1]), len(due))
        raise NotACheckpoint(f"line {number + 1} is not spelt as a checkpoint is")
    return checkpoint


def _read(lines: list[str]) -> Checkpoint:
    if lines[0] != TITLE:
        raise NotACheckpoint(f"its first line is not {TITLE!r}")
    found: dict[str, list[re.Match[str]]] = {name: [] for name in _LINES}
    for number, line in enumerate(lines[1:], 2):
        name = line.partition(" ")[0]
        match = _LINES[name].fullmatch(line) if name in _LINES else None
        if match is not None:
            found[name].append(match)
        elif line:
            raise NotACheckpoint(f"line {number} cannot be read: {line[:80]!r}")
    missing = [name for name in ("ledger", "taken", "partition", "redactions") if not found[name]]
    if missing:
        raise NotACheckpoint(f"it has no line that begins with {missing[0]!r}")
    if bool(found["key"]) != bool(found["signature"]):
        raise NotACheckpoint("it has a key and no signature, or a signature and no key")
    heads = [
        Head(int(one[1]), int(one[2]), moment_of_text(one[3]), bytes.fromhex(one[4])) for one in found["partition"]
    ]
    if len({head.partition for head in heads}) < len(heads):
        raise NotACheckpoint("it names a partition twice")
    redactions = found["redactions"][0]
    return Checkpoint(
        bytes.fromhex(found["ledger"][0][1]),
        moment_of_text(found["taken"][0][1]),
        tuple(heads),
        Redactions(int(redactions[1]), bytes.fromhex(redactions[2])),
        *(bytes.fromhex(one[1]) for name in ("key", "signature") for one in found[name]),
    )


def _head_text(head: Head) -> str:
    recorded = text_of_moment(head.recorded_at)
    return f"partition {head.partition} block {head.height} recorded {recorded} hash {head.hash.hex()}"
