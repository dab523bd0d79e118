"""`revledger alerts list`, `ack` and `resend`: on the views that a service has left, whose sink took nothing."""

import asyncio
from pathlib import Path

import pytest

from projections.alerts import message_of
from services.alerts.memory import ALERTS
from services.alerts.outbox import Outbox, Outgoing
from services.compose import owned_books
from services.settings import settings_from
from services.views.port import START
from tests.services.cli.calling import called, signed, written
from tests.wire.alerted import CHURN, FIGURE


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Books with two alerts, one of which a sink did not take."""
    data = str(tmp_path / "books")
    assert called("load", written(tmp_path / "events.jsonl", [signed("s1")]), "--data", data).status == 0
    outbox = Outbox()
    outbox.given_up(Outgoing("crm", CHURN.id, message_of(CHURN).body, 0, 9), "it answered 400")

    async def write() -> None:
        async with owned_books(settings_from({"REVLEDGER_DATA": data})) as books:
            views, bodies = books.alert_views, {one.id: message_of(one).body for one in (CHURN, FIGURE)}
            epoch = await views.claim(0)
            position = await views.position(0) or START
            await views.commit(0, epoch, position.next_height, position, {**outbox.writes(), ALERTS: bodies})

    asyncio.run(write())
    return data


def test_alerts_are_listed_acknowledged_and_sent_again(data: str) -> None:
    listed = called("alerts", "list", "--data", data)
    assert listed.out.splitlines()[:3] == [
        f"2025-09-01 00:00  {CHURN.id}  fired",
        f"  churn: {CHURN.summary}",
        "  given up for crm after 10 attempts: it answered 400",
    ]
    done = called("alerts", "ack", CHURN.id, "--by", "kim", "--data", data)
    assert (done.status, done.out.splitlines()[0]) == (0, CHURN.summary)
    assert done.out.splitlines()[1].startswith("kim looks after it since ")
    again = called("alerts", "ack", CHURN.id, "--by", "lee", "--data", data, "--format", "json")
    assert again.json["acknowledged"]["by"] == "kim"
    (row,) = called("alerts", "list", "--given-up", "--data", data, "--format", "json").json["rows"]
    assert (row["id"], row["state"]) == (CHURN.id, "acknowledged")
    sent = called("alerts", "resend", CHURN.id, "--data", data)
    assert (sent.status, sent.out.splitlines()[1]) == (0, "it is sent again to crm")
    assert len(called("alerts", "list", "--data", data, "--format", "csv").out.splitlines()) == 3
    assert called("alerts", "list", "--limit", "1", "--data", data).out.splitlines()[-1] == "and 1 more"


def test_what_cannot_be_done_is_said(data: str) -> None:
    missing = called("alerts", "ack", "alr_none", "--data", data)
    assert (missing.status, missing.err.strip()) == (
        1,
        "There is no alert alr_none: `revledger alerts list` lists those that are kept.",
    )
    taken = called("alerts", "resend", FIGURE.id, "--data", data)
    assert (taken.status, "was not given up" in taken.err) == (1, True)
