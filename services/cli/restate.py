"""`revledger restate`: what changed about a period between two moments, and which events did it."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from events.movements import BRIDGE_MOVEMENTS
from services import shown
from services.cli.options import Data, Form, examples, settings_of
from services.cli.report import By, Currency, From, Until, Where, entries_in, question_from, reading
from services.cli.running import run

if TYPE_CHECKING:
    from services.cli.grids import Column
    from services.questions import Question
    from services.reports import Answer
    from services.settings import Settings

EXAMPLES: Final = examples(
    "revledger restate --from 2024-03-01 --until 2024-04-01 --between 2024-04-01T00:00:00Z now",
    "revledger restate --between 0:41 0:57 --by segment --currency USD --limit 5",
    "revledger restate --between 2024-04-01T00:00:00Z 2024-07-01T00:00:00Z --every quarter --format csv",
)
INDENT: Final = "    "
AHEAD: Final = (
    "committed: closing, and what is agreed by then for later days; its events are told in the period of those days."
)


def restate(
    start: From = None,
    until: Until = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option("--between", metavar="T1 T2", help="Two moments: RFC 3339, a position such as 0:BLOCK, or now."),
    ] = None,
    every: Annotated[str, typer.Option("--every", metavar="PERIOD", help="day, month, quarter or year.")] = "month",
    currency: Currency = None,
    by: By = None,
    where: Where = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", help="Events told per row, the largest first; the rest in sum.")
    ] = 10,
    data: Data = None,
    form: Form = "table",
) -> None:
    """What changed about a period between two moments, and which events did it.

    The second moment less the first, movement by movement: what was recorded in between, late or taken back.

    Without --from and --until: the twelve months up to the newest event.
    """
    question = question_from(
        start=start,
        until=until,
        between=[*(between or ())],
        every=every,
        currency=currency,
        by=by,
        where=where,
        limit=str(limit),
    )
    answer = run(_answered(settings_of(data), question))
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(_header(by), [*_rows(answer, by)]))
    else:
        _print(answer, by)


async def _answered(settings: "Settings", question: "Question") -> "Answer":
    from services.audit.opening import ledger_read
    from services.audit.restating import restatement

    async with ledger_read(settings) as (ledger, genesis):
        with reading(await entries_in(ledger, genesis)) as told:
            return await restatement(ledger, genesis, question, settings, told)


_OF_EVENT: Final = ("source", "id", "type", "account", "contract", "time", "effective", "recorded_at")
_PLACE: Final = ("partition", "height", "seq")


def _header(by: str | None) -> list[str]:
    group = [] if by is None else [by]
    return ["from", "until", *group, "currency", "movement", "annual_e4", "mrr_minor", *_OF_EVENT, *_PLACE, "words"]


def _rows(answer: "Answer", by: str | None) -> Iterator[list[object]]:
    """A row for each event and movement; what is only told in sum has a row too, so that nothing is missing."""
    for row in answer["rows"]:
        label = [row["from"], row["until"], *([] if by is None else [row["group"][by]]), answer["currency"]]
        for event in row["events"]:
            for kind, amount in event["changes"].items():
                about = [event[name] for name in (*_OF_EVENT, *_PLACE, "words")]
                yield [*label, kind, amount, event["mrr_minor"][kind], *about]
        for kind, amount in row.get("more", {}).get("changes", {}).items():
            words = f"and {row['more']['events']} more events"
            nothing = [None] * (len(_OF_EVENT) + len(_PLACE))
            yield [*label, kind, amount, row["more"]["mrr_minor"][kind], *nothing, words]


def _print(answer: "Answer", by: str | None) -> None:
    import textwrap

    from rich.text import Text

    from services.cli.grids import print_part
    from services.cli.tables import console_for_output, fitting

    console = console_for_output()
    rows = answer["rows"]
    span = f" from {rows[0]['from']} until {rows[-1]['until']}" if rows else ""
    grouped = f" by {by}" if by else ""
    changed = {**answer, "rows": [*filter(_is_changed, rows)]}
    labels = [_label(row, by) for row in changed["rows"]]
    parts, note = fitting(console, changed, labels, _columns) if labels else ([], "")
    note = note or f", {answer['currency']}"
    console.print(Text(f"Restatement{grouped}{span}{note}", style="bold"))
    for part in parts:
        print_part(console, part)
    if labels:
        for row in rows:
            for line in _told(row, answer["currency"], by, console.width):
                console.print(Text(line), soft_wrap=True)
        if any(_is_ahead(row) for row in rows):
            console.print(Text("\n" + textwrap.fill(AHEAD, console.width)), soft_wrap=True)
    else:
        console.print(Text("Nothing changed."))
    for line in _footer(answer, console.width):
        console.print(Text(line, style="dim"), no_wrap=True, overflow="ellipsis")


def _is_changed(row: dict[str, Any]) -> bool:
    parts = (row["annual_e4"], row["accounts"], row["events"], row.get("more"), row["committed"]["annual_e4"])
    return any(any(part.values()) if isinstance(part, dict) else part for part in parts)


def _is_ahead(row: dict[str, Any]) -> bool:
    """Whether more, or less, is agreed for later than was known."""
    return bool(row["committed"]["annual_e4"] != row["annual_e4"]["closing"])


def _label(row: dict[str, Any], by: str | None) -> list[str]:
    group = [] if by is None else [shown.clipped(str(row["group"][by] or "-"), 24)]
    return [shown.period(row["from"], row["until"]), *group]


def _columns(answer: "Answer", cut_digits: int, *, lean: bool) -> list["Column"]:
    """The changes of periods that have any; movements that nothing changed in are always left out."""
    from services.cli.grids import Column
    from services.cli.tables import HEADERS

    del lean
    rows, currency = answer["rows"], answer["currency"]
    moved = [name for name in BRIDGE_MOVEMENTS if any(row["annual_e4"][name] for row in rows)]
    amounts = {name: [row["mrr_minor"][name] for row in rows] for name in ("opening", *moved, "closing")}
    if any(_is_ahead(row) for row in rows):
        amounts["committed"] = [row["committed"]["mrr_minor"] for row in rows]
    accounts = [row["accounts"]["closing"] for row in rows]
    return [
        *(
            Column(HEADERS.get(name, name), [shown.change(one, currency, cut_digits) for one in own])
            for name, own in amounts.items()
        ),
        Column("accounts", [f"{number:+,}" if number else "0" for number in accounts]),
    ]


def _told(row: dict[str, Any], currency: str, by: str | None, width: int) -> Iterator[str]:
    """The events of a row in words, and those that are only told in sum."""
    import textwrap

    if not row["events"] and "more" not in row:
        return
    yield ""
    yield ", ".join(_label(row, by))
    for event in row["events"]:
        yield from textwrap.wrap(event["words"], width, initial_indent="  ", subsequent_indent=INDENT)
        place = f"event {event['id']} of {event['source']}, account {event['account']}"
        yield INDENT + shown.clipped(place, width - len(INDENT))
    if "more" in row:
        more = row["more"]
        sums = [f"{name} {shown.change(amount, currency)}" for name, amount in more["mrr_minor"].items()]
        of = f": {', '.join(sums)}" if sums else ", which add up to nothing"
        line = f"and {more['events']:,} more event{'s' if more['events'] > 1 else ''}{of}"
        yield from textwrap.wrap(line, width, initial_indent="  ", subsequent_indent=INDENT)


def _footer(answer: "Answer", width: int) -> list[str]:
    parts = []
    for name, as_of in zip(("between", "and"), answer["between"], strict=True):
        final = "" if as_of["final"] else ", not final: more may be recorded"
        parts.append(f"{name} {as_of['known_at']} ({shown.heights(as_of['position'])}{final})")
    return [*shown.wrapped(parts, width, " "), *shown.wrapped([f"policy {answer['policy']}"], width)]
