"""`revledger replay`: a period rebuilt from the ledger alone."""

from typing import Annotated, Final

import typer

from services.cli.options import Data, Form, examples, settings_of
from services.cli.report import (
    At,
    By,
    Convert,
    Currency,
    From,
    KnownAt,
    On,
    PolicyFile,
    Until,
    Where,
    question_from,
    replayed_answer,
    show,
)
from services.cli.running import run

EXAMPLES: Final = examples(
    "revledger replay --from 2024-01-01 --until 2025-01-01 --currency USD --by plan",
    "revledger replay --known-at 2024-06-30T00:00:00Z --currency USD --format json",
    "revledger replay --figures nrr,grr --from 2024-01-01 --until 2025-01-01 --currency USD",
    "revledger replay --figures mrr_minor --on 2024-12-31 --currency USD --where plan=team",
    "revledger replay --policy notice.toml --from 2024-01-01 --until 2025-01-01 --currency USD",
    "revledger replay --check --from 2024-01-01 --until 2025-01-01 --by segment",
    "revledger replay --into redis://localhost:6379/1",
)

Check = Annotated[
    bool,
    typer.Option("--check", help="Compare the live projection with a replay, cell by cell; exit 1 if any differs."),
]
Into = Annotated[
    str | None,
    typer.Option("--into", metavar="URL", help="Restore the projection into an empty Redis; own: the one set."),
]


def replay(
    start: From = None,
    until: Until = None,
    every: Annotated[str, typer.Option("--every", metavar="PERIOD", help="day, month, quarter or year.")] = "month",
    currency: Currency = None,
    convert: Convert = None,
    by: By = None,
    where: Where = None,
    known_at: KnownAt = None,
    policy: PolicyFile = None,
    figures: Annotated[
        list[str] | None,
        typer.Option("--figures", metavar="NAMES", help="Figures, such as nrr,grr, instead of a bridge."),
    ] = None,
    at: At = None,
    on: On = None,
    accounts: Annotated[
        bool,
        typer.Option("--accounts/--no-accounts", help="Count accounts too; without, large ledgers answer much sooner."),
    ] = True,
    check: Check = False,
    into: Into = None,
    data: Data = None,
    form: Form = "table",
) -> None:
    """Rebuild a period from the ledger alone.

    The bridge as `report bridge` has it, summed up from every posting instead of read from the live projection:
    now, or as the books knew it at any moment, under the policy of the ledger or another one.

    Without --from and --until: the twelve months up to the newest event.

    --check compares all that the live projection keeps, and its bridge and figures of this question.
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
        figures=figures,
        at=at,
        on=on,
        accounts="yes" if accounts else "no",
    )
    settings = settings_of(data)
    if check or into is not None:
        from services.cli.check import restore_and_check

        restore_and_check(settings, question, policy, form, into=into, check=check)
        return
    is_bridge = not question.figures and question.at is None
    answer = run(replayed_answer(settings, question, policy, is_bridge=is_bridge))
    show(answer, question, form)
