"""`revledger check-proof`: a proof of `prove` checked, without any ledger."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services import shown
from services.cli.failures import NOT_DONE, WRONG_USAGE, Failure
from services.cli.options import StatusForm, examples

if TYPE_CHECKING:
    from events.proof import ProofRefused, Proven

EXAMPLES: Final = examples(
    "revledger check-proof e1.proof --public-key auditor.pub",
    "revledger check-proof e1.proof --head 9f6b...c01d --format json",
)
POSTINGS_MAX: Final = 10
HASH: Final = re.compile("[0-9a-f]{64}")


def check_proof(
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False, help="The proof; - is standard input.")],
    public_key: Annotated[
        str | None,
        typer.Option("--public-key", metavar="FILE", help="It must lead to a checkpoint signed by its owner."),
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH", help="It must lead to the block of this hash.")
    ] = None,
    form: StatusForm = "table",
) -> None:
    """Check a proof, without the ledger.

    Says what is proven and against what: the head or the checkpoint it leads to, and by which key that is signed. If a
    step fails it is named, and the exit status is 1.

    A proof is worth as much as what it is held against: give the public key of whoever signs checkpoints, or the hash
    of a block that was noted independently.
    """
    from events.proof import ProofRefused
    from services.audit.checkpoints import public_key_in
    from services.audit.proofs import checked_proof

    if head is not None and not HASH.fullmatch(head):
        raise Failure("--head: a hash has 64 hexadecimal digits, in small letters.", WRONG_USAGE)
    key = None if public_key is None else public_key_in(Path(public_key))
    try:
        found = checked_proof(_read(file), key, head or "")
    except ProofRefused as refused:
        _print_refused(refused, form)
        raise typer.Exit(NOT_DONE) from refused
    document = _document(found, is_key_given=key is not None, is_head_given=head is not None)
    if form == "json":
        _print_json(document)
        return
    for line in _lines(document):
        print(line)


def _read(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _print_json(document: dict[str, Any]) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")


def _print_refused(refused: "ProofRefused", form: str) -> None:
    if form == "json":
        _print_json({"report": "check-proof", "proven": False, "step": refused.step, "problem": str(refused)})
        return
    print(f"NOT PROVEN. The step that fails: {refused.step}.")
    print(f"  {refused}")


def _document(found: "Proven", *, is_key_given: bool, is_head_given: bool) -> dict[str, Any]:
    from events.days import text_of_moment
    from services.audit.entries import key_of_event

    source, _, event_id = key_of_event(found.entry.event).partition("\n")
    header, last, checkpoint = found.header, found.last, found.checkpoint
    return {
        "report": "check-proof",
        "proven": True,
        "event": {"source": source, "id": event_id, "received_sha256": found.received_hash.hex()},
        "redacted": bool(found.entry.hashes),
        "account": found.booking.account,
        "entry": {"partition": header.partition, "height": header.height, "seq": found.booking.seq},
        "recorded_at": text_of_moment(header.recorded_at),
        "policy": header.policy,
        "postings": _postings(found),
        "head": {"partition": last.partition, "height": last.height, "hash": found.chain[-1].hex()},
        "checkpoint": None
        if checkpoint is None
        else {
            "ledger": checkpoint.ledger.hex(),
            "taken_at": text_of_moment(checkpoint.taken_at),
            "key": checkpoint.key.hex(),
        },
        "held_against": [name for name, is_given in (("key", is_key_given), ("head", is_head_given)) if is_given],
    }


def _postings(found: "Proven") -> list[str]:
    from services.audit.verifying.books import posting_text

    return [posting_text(one) for one in found.booking.postings]


def _lines(document: dict[str, Any]) -> Iterator[str]:
    entry, head, event = document["entry"], document["head"], document["event"]
    which = "an event with the hash below" if document["redacted"] else "this event"
    yield f"PROVEN: {which} is in the ledger that the block below is of."
    yield f"  event     source {event['source']!r}, id {event['id']!r}, account {document['account']!r}"
    yield f"  received  with the SHA-256 {event['received_sha256']}"
    if document["redacted"]:
        yield "            (text was taken out since: source, id and what is left are the ledger's word)"
    yield f"  booked    as entry {entry['seq']} of partition {entry['partition']}, in block {entry['height']}"
    yield f"            at {document['recorded_at']} under policy {document['policy']}"
    postings = document["postings"] or ["no posting: it moved no revenue"]
    for posting in postings[:POSTINGS_MAX]:
        yield f"            {shown.clipped(posting, 86)}"
    if len(postings) > POSTINGS_MAX:
        yield f"            and {len(postings) - POSTINGS_MAX:,} more (--format json tells all)"
    yield f"  up to     block {head['height']} of partition {head['partition']}"
    yield f"            {head['hash']}"
    yield from _against(document)


def _against(document: dict[str, Any]) -> Iterator[str]:
    checkpoint, given = document["checkpoint"], document["held_against"]
    if checkpoint is not None:
        yield f"  noted     in the checkpoint taken {checkpoint['taken_at']} of the ledger"
        yield f"            {checkpoint['ledger']}"
        yield f"  signed    by the key {checkpoint['key']}"
        whose = "it is the key that was given" if "key" in given else "whose that is, you must know: see --public-key"
        yield f"            ({whose})"
    if "head" in given:
        yield "  held      against the hash that was given, which is that of one of its blocks"
    elif checkpoint is None:
        yield "  noted     nowhere in the proof: compare the hash with one that was noted independently (--head)"
