"""`revledger verify`: the whole ledger checked, down to the last posting."""

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services import shown
from services.cli.failures import NOT_DONE, WRONG_USAGE, Failure
from services.cli.options import Data, StatusForm, examples, settings_of
from services.cli.running import run, told

if TYPE_CHECKING:
    from events.checkpoint import Checkpoint
    from services.audit.verifying.findings import Verified
    from services.audit.verifying.ledger import Report
    from services.settings import Settings

EXAMPLES: Final = examples(
    "revledger verify",
    "revledger verify --data ./books --checkpoint 2024.checkpoint --public-key auditor.pub",
    "revledger verify --resume --format json",
)
WIDTH: Final = 100
CHECKS: Final = (
    "every block: bytes, hash, the hash before it, entry numbers, clock, rules, Merkle root",
    "every event: its id its own, its account in its partition, booked again to the same bytes",
)


def verify(
    data: Data = None,
    resume: Annotated[
        bool, typer.Option("--resume/--from-start", help="Go on where an earlier run was interrupted or ended.")
    ] = False,
    partition: Annotated[int | None, typer.Option("--partition", metavar="N", min=0, help="Only this one.")] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", metavar="FILE", help="The ledger must hold the blocks that were noted in it."),
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option("--public-key", metavar="FILE", help="The checkpoint must be signed by its owner."),
    ] = None,
    form: StatusForm = "table",
) -> None:
    """Check every byte of the ledger.

    Every hash and link is worked out anew, every event is booked again, and every posting compared. What is wrong is
    named: the block, the entry, what was due and what is there. The exit status is then 1.

    It works beside a running service, and a run that is interrupted can be resumed. With REVLEDGER_KAFKA set it reads
    the ledger on Kafka, several partitions at once.
    """
    from services.audit.verifying.ledger import ForeignCheckpoint, NoSuchPartition, Wanted

    if public_key is not None and checkpoint is None:
        raise Failure("--public-key is for a checkpoint: name it with --checkpoint.", WRONG_USAGE)
    settings = settings_of(data)
    pinned = None if checkpoint is None else _checkpoint(checkpoint, public_key)
    wanted = Wanted(partition, resume, pinned)
    try:
        report = run(_verified(settings, wanted))
    except NoSuchPartition as error:
        raise Failure(f"--partition: {error}.", WRONG_USAGE) from error
    except ForeignCheckpoint as error:
        raise Failure(_filled(f"--checkpoint: {error}."), WRONG_USAGE) from error
    except BaseException as error:
        from services.audit.verifying.state import is_kept
        from services.cli.running import Terminated

        if isinstance(error, KeyboardInterrupt | Terminated) and is_kept(settings.data):
            told("What was verified so far is kept: go on with --resume.")
        raise
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(_document(report)).decode() + "\n")
    else:
        _print(report, settings)
    if report.findings_count:
        raise typer.Exit(NOT_DONE)


def _checkpoint(path: str, public_key: str | None) -> "Checkpoint":
    from services.audit.checkpoints import checkpoint_in, public_key_in

    return checkpoint_in(Path(path), None if public_key is None else public_key_in(Path(public_key)))


async def _verified(settings: "Settings", wanted: Any) -> "Report":
    from services.audit.verifying.ledger import verified_ledger
    from services.cli.progress import Bar

    entries: dict[int, int] = {}
    with Bar("verifying", await _total(settings, wanted.partition)) as bar:

        def progress(partition: int, done: int) -> None:
            entries[partition] = done
            bar.at(sum(entries.values()), f"{sum(entries.values()):,} entries")

        return await verified_ledger(settings, wanted, progress)


async def _total(settings: "Settings", partition: int | None) -> int | None:
    """How many entries there are; None where damage hides it."""
    from services.audit.opening import chains_read
    from services.audit.verifying.ledger import partitions_of
    from services.ledgers.port import LedgerDamaged

    if not sys.stderr.isatty():
        return None
    try:
        async with chains_read(settings) as ledger:
            wanted = await partitions_of(settings, ledger) if partition is None else [partition]
            tails = [await ledger.tail(one) for one in wanted]
    except LedgerDamaged:
        return None
    return sum(tail.end_seq for tail in tails if tail is not None)


def _document(report: "Report") -> dict[str, Any]:
    """The report as JSON."""
    return {
        "report": "verify",
        "sound": not report.findings_count,
        "ledger": report.ledger.hex(),
        "partitions": [_partition(one) for one in report.partitions],
        "findings": report.findings,
        "findings_count": report.findings_count,
        "redacted": [taken for one in report.partitions for taken in one.taken],
        "redacted_count": sum(one.taken_count for one in report.partitions),
        "seconds": round(report.seconds, 3),
        "entries_per_second": round(report.entries / max(report.seconds, 0.001)),
    }


def _partition(verified: "Verified") -> dict[str, Any]:
    from services.audit.verifying.findings import moment_text

    return {
        "partition": verified.partition,
        "height": verified.height,
        "hash": verified.hash.hex(),
        "recorded_at": moment_text(verified.recorded_at) if verified.blocks else None,
        "blocks": verified.blocks,
        "entries": verified.entries,
        "postings": verified.postings,
        "forks": verified.forks,
        "resumed_height": verified.resumed_height,
        "unbooked_height": verified.unbooked_height,
    }


def _print(report: "Report", settings: "Settings") -> None:
    from services.cli.tables import console_for_output, new_table

    where = f"the ledger {settings.prefix} on Kafka" if settings.is_distributed else f"the ledger in {settings.data}"
    print(f"Verified {where}, {report.ledger.hex() or 'which has not begun'}")
    table = new_table(["partition"], ["blocks", "entries", "postings"])
    table.add_column("last recorded", no_wrap=True)
    for one in report.partitions:
        row = _partition(one)
        counts = [f"{row[name]:,}" for name in ("blocks", "entries", "postings")]
        table.add_row(str(one.partition), *counts, row["recorded_at"] or shown.NOTHING)
    console_for_output().print(table)
    for one in report.partitions:
        if one.height >= 0:
            print(f"head of partition {one.partition}: block {one.height} {one.hash.hex()}")
    for line in _notes(report):
        print(line)
    if report.findings_count:
        _print_findings(report)
        return
    for check in CHECKS:
        print(f"checked {check}")
    pace = report.entries / max(report.seconds, 0.001)
    print(f"No damage found, in {report.seconds:,.1f} s ({pace:,.0f} entries/s).")


def _notes(report: "Report") -> list[str]:
    """What is worth knowing and no damage."""
    notes: list[str] = []
    if report.checkpoint is not None:
        notes += _checkpoint_notes(report.checkpoint, is_sound=not report.findings_count)
    for one in report.partitions:
        of = "" if len(report.partitions) == 1 else f" of partition {one.partition}"
        if one.resumed_height is not None:
            notes.append(f"resumed after block {one.resumed_height}{of}, which was verified before")
        if one.misfit_height is not None:
            notes.append(
                f"from the start: what was kept is of another block {one.misfit_height}{of} than the ledger holds now"
            )
        if one.forks:
            some = "1 record" if one.forks == 1 else f"{one.forks:,} records"
            notes.append(f"{some}{of} not in the chain: a writer was overtaken by another; harmless")
        if one.taken_count:
            some = "1 entry" if one.taken_count == 1 else f"{one.taken_count:,} entries"
            notes.append(f"{some}{of} with free text taken out:")
            notes += [
                f"  block {taken.height}, entry {taken.seq}: source {taken.source!r}, id {taken.id!r}"
                for taken in one.taken
            ]
    return notes


def _checkpoint_notes(checkpoint: "Checkpoint", *, is_sound: bool) -> list[str]:
    from services.audit.verifying.findings import moment_text

    holds = "holds" if is_sound else "was compared"
    by = f"signed by the key {checkpoint.key.hex()}" if checkpoint.key else "not signed by anybody"
    return [f"checkpoint taken {moment_text(checkpoint.taken_at)}: {holds}", f"  {by}"]


def _print_findings(report: "Report") -> None:
    print("DAMAGED: 1 finding." if report.findings_count == 1 else f"DAMAGED: {report.findings_count:,} findings.")
    for number, finding in enumerate(report.findings, 1):
        _print_filled(f"{number:>3} {finding.check}: {finding.sentence}")
        print(f"    due   {shown.clipped(finding.expected, WIDTH - 10)}")
        print(f"    found {shown.clipped(finding.found, WIDTH - 10)}")
    for one in report.partitions:
        if one.findings_count > len(one.findings):
            print(f"{one.findings_count - len(one.findings):,} more of partition {one.partition} are not listed.")
        if one.unbooked_height is not None:
            _print_filled(
                f"From block {one.unbooked_height} of partition {one.partition} on nothing was booked again: what is"
                " damaged there is needed for it."
            )
        if one.doubted:
            names = ", ".join(map(repr, one.doubted[:5])) + (", ..." if len(one.doubted) > 5 else "")
            _print_filled(f"Later entries of these accounts were not booked again: {names}.")
    print("Stop writing to this ledger, keep a copy of it as it is, and restore it from one made before.")


def _print_filled(text: str) -> None:
    """A long sentence on lines that fit a terminal, the later ones indented."""
    print(_filled(text, "    "))


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
