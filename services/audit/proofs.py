"""Proofs made from a ledger, and checked without one."""

import gzip
import zlib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

from events import block as blocks
from events.checkpoint import Checkpoint, Head, text_of_checkpoint
from events.proof import Proof, ProofRefused, Proven, proof_of, proof_of_text, proven
from services.audit.checkpoints import CheckpointRefused, checked
from services.audit.entries import Located
from services.audit.verifying.ledger import rule_of
from services.ledgers.port import Chains

GZIP: Final = b"\x1f\x8b"
_DAMAGED: Final = (
    "the ledger does not prove it: it is damaged, or was rewritten after the checkpoint was taken, and"
    " `revledger verify` says how"
)


class NotProvable(Exception):
    """An event that is in the ledger, and cannot be proven as was asked."""


async def made_proof(
    ledger: Chains,
    found: Located,
    checkpoints: Sequence[Checkpoint] = (),
    told: Callable[[int], None] = lambda _headers: None,
) -> Proof:
    """The proof of an entry, up to the nearest of the checkpoints or else to the present head.

    It is checked before it is given away. `told` hears how many headers there are so far.

    Raises:
        NotProvable: no checkpoint is of this ledger and as late as the entry, or the ledger is damaged.
        BlockDamaged, LedgerError: the ledger cannot be read.
    """
    header = found.block.header
    head, checkpoint = await _last(ledger, found, checkpoints)
    heads: list[bytes] = []
    async with aclosing(ledger.read(header.partition, header.height + 1, head.height + 1)) as reading:  # type: ignore[type-var]
        async for stored in reading:
            heads.append(blocks.header_bytes(stored.data))
            told(len(heads))
    try:
        proof = proof_of(found.block, found.index, heads, checkpoint if checkpoint and checkpoint.key else None)
        reached = proven(proof).chain[-1]
    except ProofRefused as refused:
        raise NotProvable(f"{_DAMAGED} ({refused})") from refused
    if reached != head.hash:
        raise NotProvable(f"{_DAMAGED} (block {head.height} of partition {head.partition} has another hash)")
    return proof


async def _last(ledger: Chains, found: Located, checkpoints: Sequence[Checkpoint]) -> tuple[Head, Checkpoint | None]:
    """The block that a proof leads to, and the checkpoint it is in."""
    header = found.block.header
    if not checkpoints:
        tail = await ledger.tail(header.partition)
        assert tail is not None, "the entry is in a block"
        return Head(tail.partition, tail.height, tail.recorded_at, tail.hash), None
    _, name = await rule_of(ledger)
    own = [one for one in checkpoints if one.ledger == name]
    if not own:
        other = checkpoints[0].ledger.hex()
        raise NotProvable(f"the checkpoint is of another ledger ({other}) than this one ({name.hex()})")
    heads = [(head, one) for one in own if (head := one.by_partition().get(header.partition)) is not None]
    late = [(head, one) for head, one in heads if head.height >= header.height]
    if not late:
        reached = max((head.height for head, _ in heads), default=-1)
        raise NotProvable(
            f"the checkpoint was taken before the event was recorded: it reaches block {reached} of partition"
            f" {header.partition}, and the event is in block {header.height}. Take another (`revledger checkpoint`)"
        )
    return min(late, key=lambda pair: pair[0].height)


def checked_proof(data: bytes, public_key: bytes | None = None, head: str = "") -> Proven:
    """What the JSON of a proof (also compressed by gzip) proves, its signature checked too; raises ProofRefused.

    Raises AuditNotInstalled too, for a signed one.
    With `public_key` it must be signed by its owner; with `head`, a hash in hexadecimal, it must hold that block.
    """
    try:
        found = proven(proof_of_text(gzip.decompress(data) if data.startswith(GZIP) else data))
    except (OSError, EOFError, zlib.error) as error:
        raise ProofRefused("form", f"it cannot be decompressed: {error}") from error
    if found.checkpoint is not None:
        try:
            checked(text_of_checkpoint(found.checkpoint), public_key)
        except CheckpointRefused as refused:
            raise ProofRefused("signature", str(refused)) from refused
    elif public_key is not None:
        raise ProofRefused("signature", "the proof holds no signed checkpoint, and a public key was given")
    if head and head not in {one.hex() for one in found.chain}:
        first, last = found.header, found.last
        what = f"none of its blocks {first.height} to {last.height} of partition {first.partition}"
        raise ProofRefused("head", f"{what} has the hash that was given, {head}")
    return found
