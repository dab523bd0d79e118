"""`revledger dead-letters`: what was refused, why, and again."""

import asyncio
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services import shown
from services.cli.failures import NOT_DONE, WRONG_USAGE, Failure
from services.cli.options import Data, Form, examples, settings_of
from services.cli.running import run, told

if TYPE_CHECKING:
    from services.cli.doors import Door
    from services.deadletters import DeadLetter, DeadLetters
    from services.settings import Settings
    from services.writer import Outcome

START_CHARACTERS = 120
"""How much of a refused event a list shows."""
_AT_ONCE = 200
_INDENT = "    "

dead_letters = typer.Typer(
    help="See what was refused and why, and submit it again.",
    epilog=examples("revledger dead-letters list", "revledger dead-letters retry --all"),
    rich_markup_mode=None,
    no_args_is_help=True,
)


@dead_letters.command(
    "list",
    epilog=examples("revledger dead-letters list", "revledger dead-letters list --limit 1000 --format csv"),
)
def list_letters(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")] = 20,
    data: Data = None,
    form: Form = "table",
) -> None:
    """List what was refused and waits.

    The oldest first. With REVLEDGER_KAFKA set: the newest that the topic of dead letters holds, retried or not.
    """
    settings = settings_of(data)
    if settings.is_distributed:
        from services.cli.letters_kafka import newest, shown_letter

        found, waiting = run(newest(settings, limit))
        rows = [shown_letter(one, START_CHARACTERS) for one in found]
    else:
        with _letters_of(settings) as letters:
            rows = [] if letters is None else [_shown(one) for one in _waiting(letters, limit)]
            waiting = 0 if letters is None else sum(letters.count().values())
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode({"waiting": waiting, "dead_letters": rows}).decode() + "\n")
    elif form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(_COLUMNS, [row.values() for row in rows]))
    else:
        _print(rows, waiting)


@dead_letters.command("show", epilog=examples("revledger dead-letters show 12 > event.json"))
def show_letter(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="Its number in the list.")], data: Data = None
) -> None:
    """Print one refused event whole.

    As it came; its reason goes to stderr.
    """
    settings = settings_of(data)
    if settings.is_distributed:
        from services.cli.letters_kafka import letter_of

        refusal = run(letter_of(settings, letter_id)).refusal
        told(f"{refusal.code}: {refusal.message}" + (f" (cut off, of {refusal.size:,} bytes)" if refusal.size else ""))
        _put_out(refusal.raw)
        return
    with _letters_of(settings) as letters:
        letter = _existing(letters, settings).get(letter_id)
    told(f"{letter.code}: {letter.message}" + (_resolved(letter) if letter.resolution else ""))
    _put_out(letter.raw)


@dead_letters.command(
    "retry", epilog=examples("revledger dead-letters retry 12 13", "revledger dead-letters retry --all")
)
def retry(
    letter_ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", show_default=False, help="Numbers in the list.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
    data: Data = None,
) -> None:
    """Submit refused events again.

    As they are; what the ledger takes now waits no longer. It is for events that were refused because of
    what the ledger held, such as a contract's other currency, and for a revledger that has learnt more since.

    With REVLEDGER_KAFKA set they are published again, those with the same bytes once, and stay in the topic.

    The exit status is 1 if some are refused again. An event that is wrong itself stays refused: have its
    source send it right, under the same id or another, and discard it here.
    """
    if bool(letter_ids) == every:
        raise Failure("Name the numbers of the dead letters to retry, or give --all.", WRONG_USAGE)
    settings = settings_of(data)
    if settings.is_distributed:
        from services.cli.letters_kafka import retried

        refused = run(retried(settings, letter_ids or []))
    else:
        with _letters_of(settings) as letters:
            if letters is None and every:
                told("No dead letters wait.")
                return
            refused = run(_retried(settings, _existing(letters, settings), letter_ids or []))
    if refused:
        told(f"{refused:,} refused again.")
        raise typer.Exit(NOT_DONE)


@dead_letters.command("discard", epilog=examples("revledger dead-letters discard 12 13"))
def discard(
    letter_ids: Annotated[list[int], typer.Argument(metavar="ID", help="Numbers in the list.")], data: Data = None
) -> None:
    """Set refused events aside.

    For those that were sent right since, or never should have come: they wait no longer, and stay in the
    file, where show prints them.
    """
    from services import clock

    settings = settings_of(data)
    if settings.is_distributed:
        from services.cli.letters_kafka import discarded

        raise discarded(settings)
    with _letters_of(settings) as letters:
        kept = _existing(letters, settings)
        for letter_id in letter_ids:
            kept.get(letter_id)
        for letter_id in letter_ids:
            kept.set_aside(letter_id, clock.now())
    told(f"{len(letter_ids):,} set aside.")


def _put_out(raw: bytes) -> None:
    sys.stdout.buffer.write(raw + b"\n")
    sys.stdout.buffer.flush()


@contextmanager
def _letters_of(settings: "Settings") -> "Iterator[DeadLetters | None]":
    """The dead letters of a data directory; None if it has none, and then none are made. Raises NoLedger."""
    from services.audit.opening import require_ledger
    from services.deadletters import FILE_NAME, DeadLetters

    if not (settings.data / FILE_NAME).is_file():
        require_ledger(settings.data)
        yield None
        return
    letters = DeadLetters(settings.data)
    try:
        yield letters
    finally:
        letters.close()


def _existing(letters: "DeadLetters | None", settings: "Settings") -> "DeadLetters":
    if letters is None:
        raise Failure(f"There are no dead letters in {settings.data}: look whether --data is right.")
    return letters


def _waiting(letters: "DeadLetters", limit: int | None = None) -> "Iterator[DeadLetter]":
    """The letters that wait, page by page."""
    after, given = 0, 0
    while page := letters.waiting(_AT_ONCE if limit is None else min(_AT_ONCE, limit - given), after):
        yield from page
        after, given = page[-1].id, given + len(page)
        if limit is not None and given >= limit:
            return


_COLUMNS = ("id", "code", "message", "field", "source", "first_at", "last_at", "times", "bytes", "event")


def _shown(letter: "DeadLetter") -> dict[str, Any]:
    from events.days import text_of_moment

    start = letter.raw[: START_CHARACTERS * 4].decode(errors="replace")
    values = (
        *(letter.id, letter.code, letter.message, letter.field, letter.source),
        *(text_of_moment(letter.first_at), text_of_moment(letter.last_at), letter.times),
        *(len(letter.raw), shown.clipped(start, START_CHARACTERS)),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _print(rows: Sequence[dict[str, Any]], waiting: int) -> None:
    if not rows:
        print("No dead letters wait.")
        return
    from services.cli.tables import console_for_output

    width = console_for_output().width - len(_INDENT)
    for row in rows:
        times = "once" if row["times"] == 1 else f"{row['times']:,} times since {row['first_at'][:19]}Z, last"
        print(f"{row['id']} {row['code']} {times} {row['last_at'][:19]}Z")
        about = row["message"] + (f" ({row['field']})" if row["field"] else "")
        source = f"from {row['source']}"
        start = source if len(source) <= width else f"…{source[1 - width :]}"
        for line in (*textwrap.wrap(about, width), start, shown.clipped(row["event"], width)):
            print(_INDENT + line)
    if waiting > len(rows):
        print(f"{waiting - len(rows):,} more wait: raise --limit to see them.")


def _resolved(letter: "DeadLetter") -> str:
    assert letter.resolution is not None
    if letter.resolution.seq < 0:
        return " (set aside)"
    return f" (in the ledger since: block {letter.resolution.height}, entry {letter.resolution.seq})"


async def _retried(settings: "Settings", letters: "DeadLetters", letter_ids: Sequence[int]) -> int:
    """Submits the letters again, a line each; how many were refused."""
    from services.cli.doors import open_door

    wanted = letter_ids or [letter.id for letter in await asyncio.to_thread(lambda: [*_waiting(letters)])]
    if not wanted:
        told("No dead letters wait.")
        return 0
    for letter_id in wanted:
        await asyncio.to_thread(letters.get, letter_id)
    refused = 0
    async with open_door(settings) as door:
        for start in range(0, len(wanted), _AT_ONCE):
            some = [await asyncio.to_thread(letters.get, one) for one in wanted[start : start + _AT_ONCE]]
            refused += await _submitted(door, letters, some)
        await door.finish()
    return refused


async def _submitted(door: "Door", letters: "DeadLetters", some: "Sequence[DeadLetter]") -> int:
    waiting = [letter for letter in some if letter.resolution is None]
    for letter in some:
        if letter.resolution is not None:
            print(f"{letter.id} is resolved{_resolved(letter)}")
    outcomes = await door.deliver([letter.raw for letter in waiting], lambda index: waiting[index].source)
    for letter, outcome in zip(waiting, outcomes, strict=True):
        await _noted(letters, letter, outcome)
    return sum(outcome.status == "refused" for outcome in outcomes)


async def _noted(letters: "DeadLetters", letter: "DeadLetter", outcome: "Outcome") -> None:
    from services import clock

    if outcome.place is None:
        print(f"{letter.id} refused: {outcome.code}: {outcome.message}")
        return
    place = outcome.place
    await asyncio.to_thread(letters.resolve, letter.id, place.partition, place.height, place.seq, clock.now())
    print(f"{letter.id} {outcome.status}: block {place.height}, entry {place.seq}")
