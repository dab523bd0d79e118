"""`revledger sql`: any question to the books in SQL, which can only read them."""

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.failures import WRONG_USAGE, Failure
from services.cli.options import Data, Form, Format, examples, settings_of
from services.cli.report import KnownAt
from services.cli.running import run, waiting
from services.cli.values import plain

if TYPE_CHECKING:
    from services.archive.manifests import Table
    from services.questions import Moment
    from services.reports import Answer
    from services.settings import Settings

EXAMPLES: Final = examples(
    'revledger sql "SELECT movement, sum(amount_e4) FROM postings GROUP BY 1"',
    'revledger sql "DESCRIBE postings"',
    "revledger sql --known-at 2024-06-30T00:00:00Z --format csv - < query.sql",
)
Rows = Iterator[tuple[Any, ...]]


def sql(
    statement: Annotated[str, typer.Argument(metavar="STATEMENT", help="One statement; - reads it from stdin.")],
    known_at: KnownAt = None,
    data: Data = None,
    form: Form = "table",
) -> None:
    """Ask the books in SQL (that of DuckDB).

    The tables postings, entries and blocks hold the whole ledger: what is archived, and what is not yet. Their columns
    are in docs/archive.md. A statement can only read them: whatever writes, reads other files or changes settings is
    refused.
    """
    from services.archive.manifests import TABLES
    from services.archive.statements import asked_tables
    from services.questions import question_of

    text = sys.stdin.read() if statement == "-" else statement
    if not text.strip():
        raise Failure("There is no statement: write it in quotes, or - to read it from stdin.", WRONG_USAGE)
    named = {*asked_tables(text), "entries"}  # whose newest event every answer tells
    moment = question_of({"known_at": [known_at or ""]}).known_at
    run(_asked(settings_of(data), text, [one for one in TABLES if one in named], moment, form))


async def _asked(
    settings: "Settings", text: str, names: "Sequence[Table]", moment: "Moment | None", form: Format
) -> None:
    from services.audit.asking import asking, known_or_now
    from services.audit.opening import ledger_read
    from services.cli.report import entries_in, reading

    async with ledger_read(settings) as (ledger, genesis):
        known = await known_or_now(ledger, genesis, moment)
        with ExitStack() as shown:
            told = shown.enter_context(reading(await entries_in(ledger, genesis)))
            async with asking(ledger, genesis, known, settings, told, names) as asked:
                as_of = (await asked.as_of(known, moment)).shown()
                shown.close()
                shown.enter_context(waiting("asking"))
                answer = {"report": "sql", "policy": asked.genesis.policy.stamp, "as_of": as_of}

                def write(columns: Sequence[str], rows: Rows) -> None:
                    _WRITERS[form](answer, _distinct(columns), _begun(rows, shown))
                    sys.stdout.flush()

                await asked.tables.answered(text, write)


def _begun(rows: Rows, shown: ExitStack) -> Rows:
    """The same rows; when the first is there, nothing is shown any more that would get between them."""
    first = next(rows, None)
    shown.close()
    return rows if first is None else itertools.chain([first], rows)


def _distinct(names: Sequence[str]) -> list[str]:
    """Column names that differ: a second `seq` is `seq_1`."""
    found: dict[str, str] = {}
    for name in names:
        tries = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
        found[next(one for one in tries if one not in found)] = name
    return [*found]


def _json(answer: "Answer", names: Sequence[str], rows: Rows) -> None:
    head = json.dumps({**answer, "columns": names}, ensure_ascii=False)
    sys.stdout.write(f'{head[:-1]}, "rows": [')
    for number, row in enumerate(rows):
        document = dict(zip(names, map(plain, row), strict=True))
        sys.stdout.write(("," if number else "") + "\n" + json.dumps(document, ensure_ascii=False))
    sys.stdout.write("\n]}\n")


def _csv(answer: "Answer", names: Sequence[str], rows: Rows) -> None:
    import csv

    del answer
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(map(_csv_cell, row) for row in rows)


def _csv_cell(value: object) -> object:
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _table(answer: "Answer", names: Sequence[str], rows: Rows) -> None:
    from services.cli.rows import print_rows
    from services.cli.tables import as_of_lines, console_for_output

    console = console_for_output()
    print_rows(console, names, rows)
    for line in as_of_lines(answer, console.width):
        console.print(line, style="dim", no_wrap=True, overflow="ellipsis", markup=False)


_WRITERS: Final[dict[Format, Callable[["Answer", Sequence[str], Rows], None]]] = {
    "table": _table,
    "json": _json,
    "csv": _csv,
}
