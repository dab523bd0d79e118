"""`revledger report`: answers from the books."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import Data, Form, examples, settings_of
from services.cli.running import run, waiting

if TYPE_CHECKING:
    from services.questions import Question
    from services.reports import Answer
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


@report.command(
    epilog=examples(
        "revledger report bridge",
        "revledger report bridge --from 2024-01-01 --until 2025-01-01 --every quarter --currency USD --by plan",
        "revledger report bridge --where segment=smb --known-at 2024-06-30T00:00:00Z --format json",
    )
)
def bridge(
    start: From = None,
    until: Until = None,
    every: Annotated[str, typer.Option("--every", metavar="PERIOD", help="day, month, quarter or year.")] = "month",
    currency: Currency = None,
    by: By = None,
    where: Where = None,
    known_at: KnownAt = None,
    data: Data = None,
    form: Form = "table",
) -> None:
    """How MRR moved, by period.

    Opening, new, reactivation, expansion, contraction, churn, transfer between groups, closing.

    Without --from and --until: the last twelve months.
    """
    question = question_from(
        start=start, until=until, every=every, currency=currency, by=by, where=where, known_at=known_at
    )
    answer = run(_answered(settings_of(data), "bridge", question))
    _show(answer, question, form)


@report.command(
    epilog=examples(
        "revledger report figures --on 2024-12-31 --currency USD",
        "revledger report figures nrr grr --from 2024-01-01 --until 2025-01-01 --by segment",
        "revledger report figures mrr_minor --at 2024-12-01 --where plan=team --format json",
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
    by: By = None,
    where: Where = None,
    known_at: KnownAt = None,
    data: Data = None,
    form: Form = "table",
) -> None:
    """Every figure, or those named.

    Of a day (--at, --on) or of a window (--from, --until).

    Without a day or a window: as the day of the newest event ends.
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
        figures=names,
    )
    answer = run(_answered(settings_of(data), "figures", question))
    _show(answer, question, form)


def question_from(**given: str | list[str] | None) -> "Question":
    """The question that options ask; `start` is the option --from. Raises QuestionError."""
    from services.questions import question_of

    parameters = {"from" if name == "start" else name: _texts(value) for name, value in given.items()}
    return question_of({name: texts for name, texts in parameters.items() if texts})


def _texts(value: str | list[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


async def _answered(settings: "Settings", name: str, question: "Question") -> "Answer":
    from services.audit.opening import require_ledger
    from services.compose import reports_of

    if settings.is_distributed:
        from services.distributed import readers

        with waiting("reading the books"):
            async with readers(settings) as found:
                return await (found.reports.bridge if name == "bridge" else found.reports.figures)(question)
    require_ledger(settings.data)
    with waiting("reading the books"):
        async with reports_of(settings) as reports:
            return await (reports.bridge if name == "bridge" else reports.figures)(question)


def _show(answer: "Answer", question: "Question", form: str) -> None:
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif form == "csv":
        from services.cli.separated import csv_of

        sys.stdout.write(csv_of(answer, question.by))
    else:
        from services.cli.tables import print_answer

        print_answer(answer, question.by)
