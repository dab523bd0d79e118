"""`revledger archive`: the ledger sealed into Parquet files, and what is sealed listed, checked and mended."""

import sys
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from msgspec import Struct

from services import shown
from services.cli.failures import NOT_DONE, WRONG_USAGE, Failure
from services.cli.options import Data, Form, examples, settings_of
from services.cli.running import run, told, waiting

if TYPE_CHECKING:
    from events.block import Genesis
    from services.archive.archiver import Archiver, Reach
    from services.archive.checking import Checked, Finding
    from services.archive.manifests import Manifest
    from services.archive.preparing import Workers
    from services.archive.stores import Store
    from services.ledgers.port import Chains
    from services.settings import Settings

EXAMPLES: Final = examples(
    "revledger archive",
    "revledger archive --to s3://books/archive --due",
    "revledger archive --list --format json",
    "revledger archive --verify",
)
NOWHERE: Final = (
    "There is no archive: a ledger on Kafka has one where REVLEDGER_ARCHIVE or --to says, a directory or a URL such as"
    " s3://bucket/folder."
)
COLUMNS: Final = (
    *("partition", "from_height", "until_height", "first_seq", "entries", "postings", "recorded_first"),
    *("recorded_last", "bytes", "hash", "manifest"),
)
"""Of a segment, in JSON and CSV; JSON has the names of its files too."""
FINDINGS: Final = ("file", "problem")
REACH: Final = ("sealed", "unsealed")
REMEDY: Final = "Restore these files from a copy of the archive, or run `revledger archive --reseal`."


class _State(Struct, frozen=True):
    """What a command tells: segments, how far they reach, and what is damaged or, resealing, was and is not now."""

    place: str
    rows: "list[dict[str, Any]]"
    reaches: "list[Reach]"
    findings: "list[Finding]"
    mended: "list[Finding]" = []


def archive(
    data: Data = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PLACE", help="Directory or URL; by default REVLEDGER_ARCHIVE, or in DIR."),
    ] = None,
    segment_entries: Annotated[
        int | None,
        typer.Option("--segment-entries", metavar="N", help="Of a segment; by default REVLEDGER_SEGMENT_ENTRIES."),
    ] = None,
    due: Annotated[
        bool,
        typer.Option("--due/--all", help="Only whole segments, and what is a day old; by default all there is."),
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Seal nothing: list what is sealed.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Seal nothing: check every byte of what is sealed.")] = False,
    reseal: Annotated[
        bool, typer.Option("--reseal", help="Check it, and seal again what is damaged or missing, then the rest.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes for long segments; by default as many as cores."),
    ] = None,
    form: Form = "table",
) -> None:
    """Seal what is not sealed yet of the ledger.

    Segments of blocks become Parquet files, each there whole or not at all; to do it twice, or from two machines, is
    harmless. It works beside a running service. docs/archive.md says what is in the files and who reads them.

    With --verify every file is compared with its manifest, every row with the hash chain, and the chain with the
    ledger. Without it, all files have to be there with the sizes in their manifests. What is wrong is named, and the
    exit status is 1.
    """
    if listed + verify + reseal > 1:
        raise Failure("--list, --verify and --reseal are three things: ask for one of them.", WRONG_USAGE)
    settings = settings_of(data, REVLEDGER_ARCHIVE=to, REVLEDGER_SEGMENT_ENTRIES=segment_entries)
    if not settings.archive_location:
        raise Failure(NOWHERE, WRONG_USAGE)
    if verify:
        _show_checked(*run(_checked(settings)), form)
        return
    count = workers or (1 if due else None)  # what is due is sealed beside a service
    working = _listed(settings) if listed else _sealed(settings, count, is_due=due, is_resealing=reseal)
    state = run(working)
    if form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(COLUMNS, [[row[name] for name in COLUMNS] for row in state.rows]))
        for line in _damage(state.findings):
            told(line)
    elif form == "json":
        _print_json(_document(state) | ({"mended": _plain(state.mended)} if reseal else {}))
    else:
        _print(state, is_sealing=not listed)
    if state.findings:
        raise typer.Exit(NOT_DONE)


async def _listed(settings: "Settings") -> _State:
    from services.audit.opening import ledger_read

    async with ledger_read(settings) as (ledger, genesis):
        with waiting("reading the archive"):
            archiver, store = _opened(settings, ledger, genesis)
            rows = [_row(one) for one in (await archiver.catalogue()).manifests]
            return await _state(archiver, store, rows)


async def _state(
    archiver: "Archiver", store: "Store", rows: list[dict[str, Any]], mended: "Sequence[Finding]" = ()
) -> _State:
    """The state of an archive, whose files are looked for and not read."""
    from services.archive.checking import misfits

    reaches, found = await archiver.reaches(), await archiver.catalogue()
    return _State(store.place, rows, reaches, await misfits(store, [*found.manifests, *found.superseded]), [*mended])


async def _sealed(
    settings: "Settings", workers: int | None, *, is_due: bool, is_resealing: bool
) -> _State:
    """The segments that were sealed, and what there is now."""
    from services import clock
    from services.archive.manifests import REST_MICROSECONDS
    from services.archive.preparing_processes import working
    from services.audit.opening import ledger_read
    from services.cli.progress import Bar
    from services.tuning import garbage_spared

    rows: list[dict[str, Any]] = []
    mended: list[Finding] = []
    async with working(workers) as by, ledger_read(settings) as (ledger, genesis):
        archiver, store = _opened(settings, ledger, genesis, by)
        if is_resealing:
            mended, rows = await _resealed(store, ledger, genesis, by)
        rest_before = clock.now() - REST_MICROSECONDS if is_due else clock.now() + 1
        with waiting("reading the archive"):
            total = sum(one.entries for one in await archiver.due(rest_before))
        with garbage_spared(), Bar("sealing", total) as bar:
            told = lambda done: bar.at(done, f"{done:,} entries")  # noqa: E731
            rows += [_row(one) async for one in archiver.seal(rest_before, told)]
        return await _state(archiver, store, rows, mended)


async def _resealed(
    store: "Store", ledger: "Chains", genesis: "Genesis", workers: "Workers"
) -> "tuple[list[Finding], list[dict[str, Any]]]":
    """What was found damaged, and the segments that were made again."""
    from services.archive.checking import checked_archive
    from services.archive.resealing import resealed
    from services.cli.progress import Bar

    with Bar("checking", None) as bar:
        checked = await checked_archive(store, ledger, lambda done: bar.at(done, shown.size(done)))
    with Bar("sealing again", None) as bar:
        told = lambda done: bar.at(done, f"{done:,} entries")  # noqa: E731
        rows = [_row(one) async for one in resealed(ledger, store, genesis, checked, told, workers)]
    return checked.findings, rows


async def _checked(settings: "Settings") -> "tuple[str, Checked]":
    from services.archive.checking import checked_archive
    from services.archive.stores import store_of
    from services.audit.opening import ledger_read
    from services.cli.progress import Bar
    from services.tuning import garbage_spared

    store = store_of(settings.archive_location)
    async with ledger_read(settings) as (ledger, _):
        with garbage_spared(), Bar("checking", None) as bar:
            return store.place, await checked_archive(store, ledger, lambda done: bar.at(done, shown.size(done)))


def _opened(
    settings: "Settings", ledger: "Chains", genesis: "Genesis", workers: "Workers | None" = None
) -> "tuple[Archiver, Store]":
    from services.archive.archiver import Archiver
    from services.archive.preparing import ALONE
    from services.archive.stores import store_of

    store = store_of(settings.archive_location)
    return Archiver(ledger, genesis, store, settings.segment_entries, workers or ALONE), store


def _row(manifest: "Manifest") -> dict[str, Any]:
    size = sum(file.bytes for file in manifest.files.values())
    values = {**{name: getattr(manifest.segment, name, None) for name in COLUMNS}, "bytes": size}
    return {**values, "manifest": manifest.name, "files": {table: file.name for table, file in manifest.files.items()}}


def _print(state: _State, *, is_sealing: bool) -> None:
    from services.cli.tables import console_for_output, new_table

    place, rows = state.place, state.rows
    entries = sum(row["entries"] for row in rows)
    done = "Sealed " if is_sealing else ""
    what = "1 segment" if len(rows) == 1 else f"{len(rows):,} segments"
    nothing = "Nothing was sealed: nothing was due for" if is_sealing else "There is nothing yet in"
    print(f"{done}{what}, {entries:,} entries, in {place}" if rows else f"{nothing} {place}")
    if rows:
        table = new_table(["segment"], ["blocks", "entries", "postings", "size"])
        table.add_column("recorded", no_wrap=True)
        for row in rows:
            blocks = row["until_height"] - row["from_height"]
            numbers = [f"{one:,}" for one in (blocks, row["entries"], row["postings"])]
            name = PurePosixPath(row["manifest"]).stem.rpartition("-")[0]
            recorded = f"{row['recorded_first'][:10]}..{row['recorded_last'][:10]}"
            table.add_row(name, *numbers, shown.size(row["bytes"]), recorded)
        console_for_output().print(table)
    if state.mended:
        print("Was damaged, and is made again:")
        print("\n".join(_named(state.mended)))
    if unsealed := sum(one.unsealed for one in state.reaches):
        many = "1 entry is" if unsealed == 1 else f"{unsealed:,} entries are"
        print(f"{many} not sealed, and read from the ledger itself.")
    if state.findings:
        print("\n".join(_damage(state.findings)))
    elif not unsealed:
        print("Every entry of the ledger is sealed.")


def _document(state: _State) -> dict[str, Any]:
    reaches = {f"{name}_entries": {str(one.partition): getattr(one, name) for one in state.reaches} for name in REACH}
    found = {"rows": state.rows, "findings": _plain(state.findings)}
    return {"report": "archive", "place": state.place, **reaches, **found}


def _plain(findings: "Sequence[Finding]") -> list[dict[str, str]]:
    return [{name: getattr(one, name) for name in FINDINGS} for one in findings]


def _named(findings: "Sequence[Finding]") -> list[str]:
    return [f"{number:>3} {one.file}\n    {one.problem}" for number, one in enumerate(findings, 1)]


def _damage(findings: "Sequence[Finding]") -> list[str]:
    """What is wrong and what to do; nothing if nothing is."""
    if not findings:
        return []
    many = "1 finding" if len(findings) == 1 else f"{len(findings):,} findings"
    return [f"DAMAGED: {many}.", *_named(findings), REMEDY]


def _show_checked(place: str, checked: "Checked", form: str) -> None:
    """Prints what was checked and what is wrong; ends with status 1 if anything is."""
    rows = _plain(checked.findings)
    if form == "json":
        head = {"report": "archive", "place": place, "sound": not rows, "segments": len(checked.manifests)}
        _print_json({**head, "bytes": checked.bytes, "findings": rows})
    elif form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(FINDINGS, [row.values() for row in rows]))
    else:
        _print_checked(place, checked)
    if rows:
        raise typer.Exit(NOT_DONE)


def _print_checked(place: str, checked: "Checked") -> None:
    entries = sum(one.segment.entries for one in checked.manifests)
    many = "1 segment" if len(checked.manifests) == 1 else f"{len(checked.manifests):,} segments"
    print(f"Checked {many}, {entries:,} entries, {shown.size(checked.bytes)}, in {place}")
    if not checked.findings:
        print("checked every file: its SHA-256, and that its manifest tells the truth about it")
        print("checked every row: the blocks chain by hash as in the ledger, and postings and entries are theirs")
        print("No damage found.")
        return
    print("\n".join(_damage(checked.findings)))


def _print_json(answer: dict[str, Any]) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
