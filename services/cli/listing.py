"""The tables of `revledger report`: accounts and contracts as a day begins, one command each."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.options import Data, Form, examples, settings_of
from services.cli.report import (
    At,
    By,
    Currency,
    From,
    KnownAt,
    On,
    PolicyFile,
    Until,
    Where,
    question_from,
    report,
)
from services.cli.running import run

if TYPE_CHECKING:
    from pathlib import Path

    from services.questions import Question
    from services.reports import Answer
    from services.settings import Settings

COMMANDS: Final = {
    "concentration": "The largest accounts, and how much of the revenue hangs on them.",
    "renewals": "Contracts whose term ends within 7, 30 and 90 days, with what a seller asks before the call.",
    "accounts": "Every account against a year before: growing, flat, shrinking, new since or returned; and its months"
    " so far, each at its last MRR.",
    "risk": "Revenue at risk: the accounts whose last answer was that of a detractor.",
    "upsell": "Promoters that are worth less a year than the average account of their segment.",
    "bands": "By the last answer of 90 days ago: accounts with revenue then, and how many have left since; of a day"
    " itself, ask for 90 days later.",
    "tags": "What answers mentioned in the last twelve months, with the revenue of the accounts that did.",
    "cohorts": "By month of first revenue: accounts and MRR that are still there after so many months. Month 0 is as"
    " the first period ends: kept is of all accounts that began in it (size), mrr_kept of the MRR as it ends."
    " What has not ended is told as of the day.",
    "churn": "What was lost by month, reason and initiative: accounts that left, and revenue of those that stayed.",
    **{
        name: f"What each {by} sold in a window, beside the same a year before. A contract stays with the {by} of its"
        " first day with revenue, whoever has it now."
        for name, by in (("sellers", "owner"), ("campaigns", "campaign"), ("channels", "channel"))
    },
    "seasons": "What was sold in each quarter, beside the same quarter a year before.",
}
"""Command -> its help: the definitions of `projections.tables`, which would take time to import here."""


SHORT: Final = {
    "concentration": "The largest accounts and their share of revenue.",
    "renewals": "Contracts whose term ends within 90 days.",
    "accounts": "Every account against a year before.",
    "risk": "Revenue of accounts that would not recommend it.",
    "upsell": "Promoters worth less than their segment's average.",
    "bands": "Who has left within 90 days, by their last answer.",
    "tags": "What answers mentioned, with the revenue behind it.",
    "cohorts": "What is kept, by month of first revenue.",
    "churn": "What was lost, by month, reason and initiative.",
    "sellers": "What each owner sold, against a year before.",
    "campaigns": "What each campaign sold, against a year before.",
    "channels": "What each channel sold, against a year before.",
    "seasons": "What each quarter sold, against a year before.",
}
"""Command -> its help in the list of them, on one line of 80 characters."""

Limit = Annotated[
    int,
    typer.Option("--limit", metavar="N", help="How many rows, and of how many groups; the rest is counted."),
]


def _command(name: str) -> Callable[..., None]:
    def table(
        at: At = None,
        on: On = None,
        currency: Currency = None,
        by: By = None,
        where: Where = None,
        known_at: KnownAt = None,
        policy: PolicyFile = None,
        limit: Limit = 100,
        data: Data = None,
        form: Form = "table",
    ) -> None:
        asked = {"at": at, "on": on, "currency": currency, "by": by, "where": where, "known_at": known_at}
        _show(name, asked, limit, policy, data, form)

    table.__doc__ = f"{COMMANDS[name]}\n\n    Without --at or --on: as the day of the newest event ends.\n    "
    return table


_OWN: Final = ("cohorts", "churn", "sellers", "campaigns", "channels", "seasons")
"""Commands with options of their own."""

for _name in [name for name in COMMANDS if name not in _OWN]:
    _shown = (f"revledger report {_name} --on 2024-12-31", f"revledger report {_name} --where segment=smb --format csv")
    report.command(_name, short_help=SHORT[_name], epilog=examples(*_shown))(_command(_name))


@report.command(
    short_help=SHORT["cohorts"],
    help=f"{COMMANDS['cohorts']}\n\n    Without --at or --on: as the day of the newest event ends.",
    epilog=examples("revledger report cohorts", "revledger report cohorts --every quarter --by segment --format csv"),
)
def cohorts(
    at: At = None,
    on: On = None,
    every: Annotated[str, typer.Option("--every", metavar="PERIOD", help="month, quarter or year.")] = "month",
    currency: Currency = None,
    by: By = None,
    where: Where = None,
    known_at: KnownAt = None,
    policy: PolicyFile = None,
    limit: Limit = 100,
    data: Data = None,
    form: Form = "table",
) -> None:
    """Cohorts as triangles; as CSV and JSON a row for each cohort and month."""
    asked = {"at": at, "on": on, "currency": currency, "by": by, "where": where, "known_at": known_at}
    _show("cohorts", {**asked, "every": every}, limit, policy, data, form)


@report.command(
    short_help=SHORT["churn"],
    help=f"{COMMANDS['churn']}\n\n    Without --from and --until: the last twelve months.",
    epilog=examples(
        "revledger report churn",
        "revledger report churn --every year --by segment",
        "revledger report churn --where reason=too_expensive --format csv",
    ),
)
def churn(
    start: From = None,
    until: Until = None,
    every: Annotated[str, typer.Option("--every", metavar="PERIOD", help="day, month, quarter or year.")] = "month",
    currency: Currency = None,
    by: By = None,
    where: Where = None,
    known_at: KnownAt = None,
    policy: PolicyFile = None,
    limit: Limit = 100,
    data: Data = None,
    form: Form = "table",
) -> None:
    """What was lost, and why; --where takes reason and initiative too."""
    asked = {"start": start, "until": until, "currency": currency, "by": by, "where": where, "known_at": known_at}
    _show("churn", {**asked, "every": every}, limit, policy, data, form)


def _sales_command(name: str) -> Callable[..., None]:
    def table(
        start: From = None,
        until: Until = None,
        currency: Currency = None,
        by: By = None,
        where: Where = None,
        known_at: KnownAt = None,
        policy: PolicyFile = None,
        limit: Limit = 100,
        data: Data = None,
        form: Form = "table",
    ) -> None:
        asked = {"start": start, "until": until, "currency": currency, "by": by, "where": where, "known_at": known_at}
        _show(name, asked, limit, policy, data, form)

    table.__doc__ = f"{COMMANDS[name]}\n\n    Without --from and --until: the last twelve months.\n    "
    return table


for _name in ("sellers", "campaigns", "channels"):
    _examples = (
        f"revledger report {_name} --from 2024-10-01 --until 2025-01-01",
        f"revledger report {_name} --where segment=smb --limit 5",
        f"revledger report {_name} --from 2024-10-01 --by region --format csv",
    )
    report.command(_name, short_help=SHORT[_name], epilog=examples(*_examples))(_sales_command(_name))


@report.command(
    short_help=SHORT["seasons"],
    help=f"{COMMANDS['seasons']}\n\n    Without --from and --until: the quarters of the last twelve months.",
    epilog=examples("revledger report seasons", "revledger report seasons --every month --where owner=kim"),
)
def seasons(
    start: From = None,
    until: Until = None,
    every: Annotated[str, typer.Option("--every", metavar="PERIOD", help="quarter, month or year.")] = "quarter",
    currency: Currency = None,
    by: By = None,
    where: Where = None,
    known_at: KnownAt = None,
    policy: PolicyFile = None,
    limit: Limit = 100,
    data: Data = None,
    form: Form = "table",
) -> None:
    """Each period beside the same a year before, the latest first."""
    asked = {"start": start, "until": until, "currency": currency, "by": by, "where": where, "known_at": known_at}
    _show("seasons", {**asked, "every": every}, limit, policy, data, form)


def _show(
    name: str, asked: dict[str, Any], limit: int, policy: "Path | None", data: str | None, form: str
) -> None:
    """Prints a table as it is asked for."""
    question = question_from(**asked, limit=str(limit))
    show_table(run(_answered(settings_of(data), name, question, policy)), form)


async def _answered(settings: "Settings", name: str, question: "Question", policy: "Path | None") -> "Answer":
    from services.audit.opening import require_ledger
    from services.cli.running import waiting
    from services.compose import reports_of

    if policy is not None:
        return await _replayed(settings, name, question, policy)
    if settings.is_distributed:
        from services.distributed import readers

        with waiting("reading the books"):
            async with readers(settings) as found:
                return await found.reports.checked(await found.reports.table(name, question), question)
    require_ledger(settings.data)
    with waiting("reading the books"):
        async with reports_of(settings) as reports:
            return await reports.checked(await reports.table(name, question), question)


async def _replayed(settings: "Settings", name: str, question: "Question", policy: "Path") -> "Answer":
    from services.audit.opening import ledger_read
    from services.audit.replaying import replayed_table
    from services.cli.report import entries_in, reading
    from services.policies import policy_of_file

    chosen = policy_of_file(policy)
    async with ledger_read(settings) as (ledger, genesis):
        with reading(await entries_in(ledger, genesis)) as told:
            return await replayed_table(ledger, genesis, name, question, settings, chosen, told)


def show_table(answer: "Answer", form: str) -> None:
    """Prints a table in one of the three forms."""
    import sys

    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif form == "csv":
        from services.separated import csv_of

        sys.stdout.write(csv_of(answer, None))
    else:
        from services.cli.listed import print_table

        print_table(answer)
