"""`revledger redact`: free text taken out of events that are booked already."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from services import shown
from services.cli.failures import NOT_DONE, WRONG_USAGE, Failure
from services.cli.options import Data, examples, settings_of
from services.cli.report import entries_in
from services.cli.running import run, told

if TYPE_CHECKING:
    from services.audit.redacting import Report, Wanted
    from services.audit.redacting_letters import Letters
    from services.settings import Settings

EXAMPLES: Final = examples(
    "revledger redact /surveys answer-4711",
    "revledger redact --account acme --dry-run",
    "revledger redact --before 2023-01-01",
)
ON_KAFKA: Final = (
    "A record of Kafka cannot be changed in place, so nothing can be taken out of this ledger. Keep free text out of it"
    " from the beginning with REVLEDGER_FREE_TEXT=hash on every writer. What was booked before stays: docs/privacy.md."
)


def redact(
    source: Annotated[str | None, typer.Argument(metavar="SOURCE", show_default=False, help="Of one event.")] = None,
    event_id: Annotated[str | None, typer.Argument(metavar="ID", show_default=False, help="Its id.")] = None,
    account: Annotated[str | None, typer.Option("--account", metavar="ID", help="All events of an account.")] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="DAY", help="All events that happened before a day.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken out.")] = False,
    data: Data = None,
) -> None:
    """Take free text out of events that are booked.

    Comments of surveys and reasons in own words leave the ledger, the dead letters and the archive for good. What
    stays is the hash of each event as it was received, so that the chain, `verify` and proofs hold as before, and
    a note of what was taken out. No figure changes.

    It cannot be undone. The service must not run meanwhile.
    """
    wanted = _wanted(source, event_id, account, before)
    settings = settings_of(data)
    if settings.is_distributed:
        raise Failure(ON_KAFKA)
    report, letters, segments = run(_redacted(settings, wanted, dry_run=dry_run))
    if wanted.key is not None and not report.taken_count and not letters.taken:
        told(f"No free text is in an event with source {source!r} and id {event_id!r}: nothing was taken out.")
        raise typer.Exit(NOT_DONE)
    if account is not None and account not in report.accounts and not letters.taken:
        from services.questions import nearest

        told(f"No event is of an account {account!r}{nearest(account, report.accounts)}")
        raise typer.Exit(NOT_DONE)
    _print(report, letters, segments, dry_run=dry_run)


def _wanted(source: str | None, event_id: str | None, account: str | None, before: str | None) -> "Wanted":
    from events.days import day_of_text
    from services.audit.redacting import Wanted

    if (source is None) != (event_id is None):
        raise Failure("Name an event by its source and its id.", WRONG_USAGE)
    if sum(one is not None for one in (source, account, before)) != 1:
        raise Failure("Name one of: an event (SOURCE ID), --account, --before.", WRONG_USAGE)
    try:
        day = None if before is None else day_of_text(before)
    except ValueError as error:
        raise Failure(f"--before: {before!r} is not a day: write YYYY-MM-DD, a day that exists", WRONG_USAGE) from error
    return Wanted(None if source is None or event_id is None else (source, event_id), account, day)


async def _redacted(settings: "Settings", wanted: "Wanted", *, dry_run: bool) -> "tuple[Report, Letters, int]":
    from services.archive.reading import opened_archive
    from services.archive.redacting import redact_archive
    from services.archive.stores import store_of
    from services.audit.opening import ledger_read
    from services.audit.redacting import redact_ledger
    from services.audit.redacting_letters import redact_letters
    from services.cli.progress import Bar
    from services.policies import zone_of

    async with ledger_read(settings) as (ledger, genesis):
        entries = await entries_in(ledger, genesis)
    with Bar("redacting", entries) as bar:
        report, notes = await redact_ledger(
            settings, wanted, dry_run=dry_run, told=lambda done: bar.at(done, f"{shown.count(done)} events")
        )
    letters = redact_letters(settings.data, wanted, zone_of(genesis.policy), dry_run=dry_run)
    if dry_run:
        return report, letters, 0
    noted: dict[int, list[int]] = {}
    for one in [entry for note in notes for entry in note.entries]:
        noted.setdefault(one.partition, []).append(one.seq)
    async with ledger_read(settings) as (ledger, genesis):
        segments = await redact_archive(ledger, store_of(settings.archive_location), genesis, noted)
    await opened_archive(settings.archive_location, settings.data)  # which forgets copies of what is gone
    return report, letters, len(segments)


def _print(report: "Report", letters: "Letters", segments: int, *, dry_run: bool) -> None:
    verb = "Would take" if dry_run else "Took"
    print(f"{verb} free text out of {_of(report.taken_count, 'event')} and {_of(letters.taken, 'dead letter')}.")
    for one in report.taken:
        texts = ", ".join(f"{name} ({count:,} characters)" for name, count in one.characters.items())
        place = f"  block {one.height}, entry {one.seq}: source {one.source!r}, id {one.id!r}, account {one.account!r}"
        print(f"{place}: {texts}")
    if report.taken_count > len(report.taken):
        print(f"  and {report.taken_count - len(report.taken):,} more")
    if report.unsalted_count:
        print(
            f"{_of(report.unsalted_count, 'event')} had no nonce: whoever guesses the whole text can tell from the hash"
            " that it is right."
        )
    if letters.unreadable:
        print(f"{_of(letters.unreadable, 'dead letter')} cannot be read: look at them yourself.")
    if segments:
        print(f"{_of(segments, 'segment')} of the archive written again.")
    if not dry_run:
        print("What stays is the hash of each event; `revledger verify` lists them. Clear copies and backups yourself.")


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
