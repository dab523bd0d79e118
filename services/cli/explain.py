"""`revledger explain`: a figure down to its accounts, postings and events."""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services import shown
from services.cli.options import Data, Form, examples, settings_of
from services.cli.report import At, By, Currency, From, KnownAt, On, Until, Where, entries_in, question_from, reading
from services.cli.running import run

if TYPE_CHECKING:
    from services.questions import Question
    from services.reports import Answer
    from services.settings import Settings

EXAMPLES: Final = examples(
    "revledger explain nrr --from 2024-01-01 --until 2025-01-01 --currency USD",
    "revledger explain mrr_minor --on 2024-12-31 --where segment=smb --limit 3",
    "revledger explain churn --from 2024-03-01 --until 2024-04-01 --known-at 2024-04-01T00:00:00Z --format csv",
)
INDENT: Final = "      "
ACCOUNT_WIDTH: Final = 28
MONEY_WIDTH: Final = 16


def explain(
    name: Annotated[
        str, typer.Argument(metavar="FIGURE", show_default=False, help="A figure such as nrr, or new, churn...")
    ],
    start: From = None,
    until: Until = None,
    at: At = None,
    on: On = None,
    currency: Currency = None,
    by: By = None,
    where: Where = None,
    known_at: KnownAt = None,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", help="Accounts told per part, and postings per account; the rest in sum."),
    ] = 10,
    data: Data = None,
    form: Form = "table",
) -> None:
    """A figure down to its accounts, postings and events.

    What it is, its formula with the numbers put in, each part of it with the accounts that make it up, the largest
    first, and for each account the postings and the events behind them.

    Of a day (--at, --on) or of a window (--from, --until).

    Without either: as `report figures`.

    FIGURE is a figure that is made of sums over accounts (docs/figures.md says of each whether it is), or a column of
    `report bridge`.
    """
    question = question_from(
        start=start,
        until=until,
        at=at,
        on=on,
        currency=currency,
        by=by,
        where=where,
        known_at=known_at,
        limit=str(limit),
    )
    answer = run(_answered(settings_of(data), name, question))
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(_header(by), [*_rows(answer, by)]))
    else:
        _print(answer, by)


async def _answered(settings: "Settings", name: str, question: "Question") -> "Answer":
    from services.audit.explaining import explanation
    from services.audit.opening import ledger_read

    async with ledger_read(settings) as (ledger, genesis):
        with reading(await entries_in(ledger, genesis)) as told:
            return await explanation(ledger, genesis, name, question, settings, told)


_POSTING: Final = ("day", "movement", "contract", "line", "plan")
_EVENT: Final = ("source", "id", "type", "effective", "recorded_at", "partition", "height", "seq", "words")


def _header(by: str | None) -> list[str]:
    group = [] if by is None else [by]
    about = [*group, "currency", "figure", "value", "part", "account", "tells"]
    return [*about, "annual_e4", "mrr_minor", "count", *_POSTING, *_EVENT]


def _rows(answer: "Answer", by: str | None) -> Iterator[list[object]]:
    """A row for each part, account and posting, and for what is only told in sum; `tells` says which it is."""
    width = len(_POSTING) + len(_EVENT)
    for row in answer["rows"]:
        group = [] if by is None else [row["group"][by]]
        figure = [*group, answer["currency"], answer["figure"], row["value"]]
        for part in row["parts"]:
            about = [*figure, part["part"]]
            yield [*about, None, "part", *_sums(part), *[None] * width]
            for account in part["accounts"]:
                yield [*about, account["account"], "account", *_sums(account), *[None] * width]
                for one in account["postings"]:
                    told = [*(one[name] for name in _POSTING), *(one["event"][name] for name in _EVENT)]
                    yield [*about, account["account"], "posting", *_sums(one), *told]
                yield from _more(about, account["account"], account, width)
            yield from _more(about, None, part, width)


def _more(about: list[object], account: str | None, of: dict[str, Any], width: int) -> Iterator[list[object]]:
    if "more" in of:
        what = "postings" if account is not None else "accounts"
        words = f"and {_many(of['more'][what], what.removesuffix('s'))}"
        yield [*about, account, f"more {what}", *_sums(of["more"]), *[None] * (width - 1), words]


def _sums(of: dict[str, Any]) -> list[object]:
    return [of.get("annual_e4"), of.get("mrr_minor"), of.get("count")]


def _print(answer: "Answer", by: str | None) -> None:
    from rich.text import Text

    from services.cli.tables import as_of_lines, console_for_output

    console = console_for_output()
    if not answer["rows"]:
        console.print(Text(f"{answer['figure']} by {by}, {answer['currency']}: there is nothing", style="bold"))
    for row in answer["rows"]:
        console.print(Text(_title(answer, row, by), style="bold"), soft_wrap=True)
        for line in _told(row, answer["currency"], console.width):
            console.print(Text(line), soft_wrap=True)
        console.print()
    for line in as_of_lines(answer, console.width):
        console.print(Text(line, style="dim"), no_wrap=True, overflow="ellipsis")


def _title(answer: "Answer", row: dict[str, Any], by: str | None) -> str:
    when = f"as {row['at']} begins" if "at" in row else f"from {row['from']} until {row['until']}"
    group = "" if by is None else f" of {by} {shown.clipped(str(row['group'][by] or '-'), ACCOUNT_WIDTH)}"
    return f"{answer['figure']}{group} {when}, {answer['currency']}: {row['worked'].rpartition(' = ')[2]}"


def _told(row: dict[str, Any], currency: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(row["definition"], width)
    yield from textwrap.wrap(f"{row['formula']} = {row['worked']}", width, subsequent_indent="  ")
    for part in row["parts"]:
        yield ""
        many = len(part["accounts"]) + part.get("more", {}).get("accounts", 0)
        of = f" of {many:,} account{'' if many == 1 else 's'}" if "count" not in part else ""
        yield from textwrap.wrap(f"{part['meaning']}: {_number(part, currency)}{of}", width, subsequent_indent="  ")
        for account in part["accounts"]:
            yield from _account_told(account, currency, width)
        if "more" in part:
            yield f"  and {_many(part['more']['accounts'], 'account')}: {_number(part['more'], currency)}"


def _account_told(account: dict[str, Any], currency: str, width: int) -> Iterator[str]:
    name = shown.clipped(account["account"], ACCOUNT_WIDTH)
    line = f"  {name:{ACCOUNT_WIDTH}}{_number(account, currency):>{MONEY_WIDTH}}"
    if "opening" in account:
        opening, closing = (shown.money(account[end]["mrr_minor"], currency) for end in ("opening", "closing"))
        path = f"MRR {opening} at the start, {closing} at the end"
        fits = len(line) + 2 + len(path) <= width
        yield from [f"{line}  {path}"] if fits else [line, f"    {path}"]
    else:
        yield line
    postings = account["postings"]
    for index, one in enumerate(postings):
        money = shown.change(one["mrr_minor"], currency)
        what = shown.clipped(f"{one['contract']} {one['line']} {one['plan']}", width - 48)
        yield f"    {one['day']}  {one['movement']:14}{money:>{MONEY_WIDTH}}  {what}"
        if index + 1 == len(postings) or not _is_of_one_event(postings[index : index + 2]):
            yield from _event_told(one["event"], width)
    if "more" in account:
        more = account["more"]
        yield f"    and {_many(more['postings'], 'posting')}: {shown.change(more['mrr_minor'], currency)}"


def _is_of_one_event(postings: Sequence[dict[str, Any]]) -> bool:
    first, second = (one["event"] for one in postings)
    return (first["partition"], first["seq"]) == (second["partition"], second["seq"])


def _event_told(event: dict[str, Any], width: int) -> Iterator[str]:
    words = f"{event['words']} (event {event['id']} of {event['source']})"
    yield from textwrap.wrap(words, width, initial_indent=INDENT, subsequent_indent=INDENT)


def _number(of: dict[str, Any], currency: str) -> str:
    return shown.count(of["count"]) if "count" in of else shown.money(of["mrr_minor"], currency)


def _many(number: int, noun: str) -> str:
    return f"{number:,} more {noun}{'' if number == 1 else 's'}"
