"""`revledger report`: answers from the books."""

import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import Data, Form, examples, settings_of
from services.cli.running import PATIENCE_SECONDS, run, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from events.block import Genesis
    from services.ledgers.port import Chains
    from services.questions import Question
    from services.reports import Answer, Reports
    from services.settings import Settings

report = typer.Typer(
    help="Answer from the books.",
    epilog=examples("revledger report bridge --every quarter", "revledger report figures --on 2024-12-31"),
    rich_markup_mode=None,
    no_args_is_help=True,
)

From = Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day of the window, YYYY-MM-DD.")]
Until = Annotated[str | None, typer.Option("--until", metavar="DAY", help="The day after the last of the window.")]
At = Annotated[str | None, typer.Option("--at", metavar="DAY", help="As a day begins.")]
On = Annotated[str | None, typer.Option("--on", metavar="DAY", help="As a day ends.")]
Currency = Annotated[
    str | None,
    typer.Option("--currency", metavar="CUR", help="ISO 4217; needed if the books hold several."),
]
Convert = Annotated[
    str | None,
    typer.Option("--convert", metavar="HOW", help="All currencies in --currency, at closing or constant rates."),
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="A row for each value: plan, product, owner, any attribute..."),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="NAME=VALUE", help="Only what has this value; may be given several times."),
]
KnownAt = Annotated[
    str | None,
    typer.Option("--known-at", metavar="TIME", help="As the books knew it then: RFC 3339, or 0:BLOCK."),
]

PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="As another policy (TOML) would have it, from the ledger."),
]


@report.command(
    epilog=examples(
        "revledger report bridge",
        "revledger report bridge --from 2024-01-01 --until 2025-01-01 --every quarter --currency USD --by plan",
        "revledger report bridge --currency USD --convert closing",
        "revledger report bridge --where segment=smb --known-at 2024-06-30T00:00:00Z --format json",
    )
)
def bridge(
    start: From = None,
    until: Until = None,
    every: Annotated[str, typer.Option("--every", metavar="PERIOD", help="day, month, quarter or year.")] = "month",
    currency: Currency = None,
    convert: Convert = None,
    by: By = None,
    where: Where = None,
    known_at: KnownAt = None,
    policy: PolicyFile = None,
    data: Data = None,
    form: Form = "table",
) -> None:
    """How MRR moved, by period.

    Opening, new, reactivation, expansion, contraction, churn, transfer between groups, closing.

    Without --from and --until: the last twelve months.
    """
    question = question_from(
        start=start,
        until=until,
        every=every,
        currency=currency,
        convert=convert,
        by=by,
        where=where,
        known_at=known_at,
    )
    answer = run(_answered(settings_of(data), "bridge", question, policy))
    show(answer, question, form)


@report.command(
    epilog=examples(
        "revledger report figures --on 2024-12-31 --currency USD",
        "revledger report figures nrr grr --from 2024-01-01 --until 2025-01-01 --by segment",
        "revledger report figures mrr_minor --at 2024-12-01 --where plan=team --format json",
        "revledger report figures --from 2024-10-01 --until 2025-01-01 --compare year",
    )
)
def figures(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", show_default=False, help="Figures, such as nrr; by default all."),
    ] = None,
    start: From = None,
    until: Until = None,
    at: At = None,
    on: On = None,
    currency: Currency = None,
    convert: Convert = None,
    by: By = None,
    where: Where = None,
    compare: Annotated[
        str | None,
        typer.Option("--compare", metavar="WITH", help="previous (the period before) or year (a year before)."),
    ] = None,
    known_at: KnownAt = None,
    policy: PolicyFile = None,
    data: Data = None,
    form: Form = "table",
) -> None:
    """Every figure, or those named.

    Of a day (--at, --on) or of a window (--from, --until).

    Without a day or a window: as the day of the newest event ends; figures that are about a window, of the last
    twelve months.
    """
    question = question_from(
        start=start,
        until=until,
        at=at,
        on=on,
        currency=currency,
        convert=convert,
        by=by,
        where=where,
        known_at=known_at,
        figures=names,
        compare=compare,
    )
    answer = run(_answered(settings_of(data), "figures", question, policy))
    show(answer, question, form)


def question_from(**given: str | list[str] | None) -> "Question":
    """The question that options ask; `start` is the option --from. Raises QuestionError."""
    from services.questions import question_of

    parameters = {"from" if name == "start" else name: _texts(value) for name, value in given.items()}
    return question_of({name: texts for name, texts in parameters.items() if texts})


def _texts(value: str | list[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


async def _answered(settings: "Settings", name: str, question: "Question", policy: Path | None) -> "Answer":
    from services.audit.opening import require_ledger
    from services.compose import reports_of

    if policy is not None:
        return {**await replayed_answer(settings, question, policy, is_bridge=name == "bridge"), "report": name}
    if settings.is_distributed:
        from services.distributed import readers

        with waiting("reading the books"):
            async with readers(settings) as found:
                return await _asked(found.reports, name, question)
    require_ledger(settings.data)
    with waiting("reading the books"):
        async with reports_of(settings) as reports:
            return await _asked(reports, name, question)


async def _asked(reports: "Reports", name: str, question: "Question") -> "Answer":
    answer = await (reports.bridge if name == "bridge" else reports.figures)(question)
    return await reports.checked(answer, question)


async def replayed_answer(
    settings: "Settings", question: "Question", policy: Path | None, *, is_bridge: bool
) -> "Answer":
    """An answer from the ledger alone, under the policy of a file if one is given."""
    from services.audit.opening import ledger_read
    from services.audit.replaying import replayed
    from services.policies import policy_of_file

    chosen = None if policy is None else policy_of_file(policy)
    async with ledger_read(settings) as (ledger, genesis):
        with reading(await entries_in(ledger, genesis)) as told:
            return await replayed(
                ledger, genesis, question, is_bridge=is_bridge, settings=settings, policy=chosen, told=told
            )


async def entries_in(ledger: "Chains", genesis: "Genesis") -> int:
    """How many entries a ledger has."""
    tails = [await ledger.tail(partition) for partition in range(genesis.partitions)]
    return sum(tail.end_seq for tail in tails if tail is not None)


@contextmanager
def reading(entries: int) -> "Iterator[Callable[[int], None]]":
    """Shows a terminal how many entries of a ledger were read, to whoever is told; and that it is being summed up."""
    from services import shown
    from services.cli.progress import Bar

    with Bar("reading the ledger", entries) as bar:
        timer = threading.Timer(PATIENCE_SECONDS, lambda: bar.at(0, ""))
        timer.daemon = True
        timer.start()
        try:
            yield lambda done: bar.at(done, f"{shown.count(done)} events")
        finally:
            timer.cancel()
            timer.join()


def show(answer: "Answer", question: "Question", form: str) -> None:
    """Prints an answer in one of the three forms."""
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif form == "csv":
        from services.separated import csv_of

        sys.stdout.write(csv_of(answer, question.by))
    else:
        from services.cli.tables import print_answer

        print_answer(answer, question.by)
