"""`revledger alerts list`, `ack` and `resend`: the alerts that fired, and what people do about them."""

import getpass
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.failures import NOT_DONE, Failure
from services.cli.options import Data, Form, StatusForm, examples, settings_of
from services.cli.running import run

if TYPE_CHECKING:
    from services.alerts.board import Board, Escalation, Shown
    from services.settings import Settings

LIST: Final = examples("revledger alerts list", "revledger alerts list --given-up --format json")
ACK: Final = examples("revledger alerts ack alr_pfj7mzm4ciinntjbjbiyorbfej --by kim")
RESEND: Final = examples("revledger alerts list --given-up", "revledger alerts resend alr_pfj7mzm4ciinntjbjbiyorbfej")
COLUMNS: Final = ("time", "state", "rule", "severity", "subject", "summary", "acknowledged_by", "given_up_for", "id")
"""Of the CSV."""

Id = Annotated[str, typer.Argument(metavar="ID", help="Of the alert: alr_ and 26 characters.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who does; by default you.")]


def list_alerts(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")] = 20,
    given_up: Annotated[bool, typer.Option("--given-up", help="Only those that a sink did not take.")] = False,
    data: Data = None,
    form: Form = "table",
) -> None:
    """List the alerts that fired, the newest first: with their ids, who looks after them, and what was not taken.

    Of those that nobody looks after it is told when and to whom they go, or went.
    """

    async def found() -> "list[Shown]":
        async with _board(settings_of(data)) as board:
            return await board.alerts(is_given_up=given_up)

    alerts = run(found())
    _show(alerts[:limit], len(alerts) - len(alerts[:limit]), form)


def acknowledge(alert_id: Id, by: By = None, data: Data = None, form: StatusForm = "table") -> None:
    """Say that somebody looks after an alert, so that it is not escalated.

    Whoever was first stays. A service that runs knows within a second or two, one that does not when it starts.

    Exit status 1 if there is no such alert.
    """
    name = by or getpass.getuser()

    async def done() -> "Shown | None":
        async with _board(settings_of(data)) as board:
            return await board.acknowledge(alert_id, name)

    found = _known(run(done()), alert_id)
    assert found.acknowledged is not None, "it is by now"
    _tell(found, f"{found.acknowledged.by} looks after it since {found.acknowledged.at[:16].replace('T', ' ')}", form)


def resend(alert_id: Id, by: By = None, data: Data = None, form: StatusForm = "table") -> None:
    """Send an alert again to the sinks it was given up for.

    Exit status 1 if there is no such alert, or it was not given up.
    """
    name = by or getpass.getuser()

    async def done() -> "Shown | None":
        async with _board(settings_of(data)) as board:
            return await board.resend(alert_id, name)

    found = _known(run(done()), alert_id)
    if not found.given_up:
        raise Failure(f"{alert_id} was not given up: `revledger alerts list --given-up` lists what was.", NOT_DONE)
    _tell(found, f"it is sent again to {', '.join(dict.fromkeys(one.sink for one in found.given_up))}", form)


def _known(found: "Shown | None", alert_id: str) -> "Shown":
    if found is None:
        raise Failure(f"There is no alert {alert_id}: `revledger alerts list` lists those that are kept.", NOT_DONE)
    return found


def _tell(found: "Shown", what: str, form: str) -> None:
    if form == "json":
        sys.stdout.write(json.dumps(found.document()) + "\n")
    else:
        sys.stdout.write(f"{found.data['summary']}\n{what}\n")


def _show(alerts: "list[Shown]", more: int, form: str) -> None:
    if form == "json":
        rows = [one.document() for one in alerts]
        sys.stdout.write(json.dumps({"report": "alerts", "rows": rows, "more": more}) + "\n")
    elif form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(COLUMNS, [_cells(one) for one in alerts]))
    else:
        _print(alerts, more)


def _cells(one: "Shown") -> list[Any]:
    by = one.acknowledged.by if one.acknowledged else ""
    sinks = " ".join(dict.fromkeys(given.sink for given in one.given_up))
    said = [one.data[name] for name in ("rule", "severity")]
    return [one.time, one.state, *said, one.subject, one.data["summary"], by, sinks, one.id]


def _print(alerts: "list[Shown]", more: int) -> None:
    from rich.text import Text

    from services.cli.tables import console_for_output

    console = console_for_output()
    if not alerts:
        console.print(Text("no alerts"))
    for one in alerts:
        by = f" by {one.acknowledged.by}" if one.acknowledged else ""
        console.print(Text(f"{one.time[:16].replace('T', ' ')}  {one.id}  {one.state}{by}", style="bold"))
        console.print(Text(f"  {one.data['rule']}: {one.data['summary']}"), soft_wrap=True)
        for each in one.escalations:
            console.print(Text(f"  {_escalated(each)}", style="dim"), soft_wrap=True)
        for given in one.given_up:
            what = f"{given.what} " if given.what else ""
            tries = "one attempt" if given.attempts == 1 else f"{given.attempts} attempts"
            text = f"  {what}given up for {given.sink} after {tries}: {given.error}"
            console.print(Text(text, style="red"), soft_wrap=True)
    if more:
        console.print(Text(f"and {more:,} more", style="dim"))


def _escalated(one: "Escalation") -> str:
    from services import shown

    at = one.at[:16].replace("T", " ")
    if one.is_told:
        return f"nobody had acknowledged it: {one.sink} was told at {at}"
    if one.error:
        return f"nobody has acknowledged it, and {one.sink} could not be told yet: {one.error}"
    when = f"at {at}" if at else f"{shown.age(one.after_seconds)} after it is sent"
    return f"goes to {one.sink} {when} if nobody acknowledges it"


@asynccontextmanager
async def _board(settings: "Settings") -> "AsyncIterator[Board]":
    from services.alerts.board import Board
    from services.alerts.requests import Requests
    from services.cli.alerted import alert_stores

    async with alert_stores(settings) as (views, requests, partitions):
        yield Board(views, Requests(requests), partitions)
