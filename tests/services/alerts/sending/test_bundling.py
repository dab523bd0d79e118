"""Bundling: messages that go together are one, with the words somebody reads."""

import json
from typing import Any

from msgspec.structs import replace

from projections.alerts import ESCALATED, FIRED, RESOLVED, Alert, message_of
from services.alerts.outbox import Batch, Outgoing, outgoing
from services.alerts.sending.bundling import TOGETHER_MAX, batches_of, bundled
from services.alerts.told import told_of
from tests.wire.alerted import CHURN, FIGURE

BATCH = Batch("churn|fired", (), 7)


def some(count: int, alert: Alert = CHURN, type_: str = FIRED, **said: Any) -> list[Outgoing]:
    """Messages on alerts alike, that go together."""
    alerts = [replace(alert, id=f"alr_{number:04}") for number in range(count)]
    found = [one for each in alerts for one in outgoing(message_of(each, type_), ["mail"], 0)]
    return [replace(one, batch=BATCH, **said) for one in found]


def summary(messages: list[Outgoing]) -> str:
    """What one message for several says."""
    return told_of(bundled(messages).body).data.summary


def test_what_goes_together_is_one_up_to_a_number() -> None:
    many = some(TOGETHER_MAX + 1)
    alone = outgoing(message_of(FIGURE), ["mail"], 0)
    assert [len(one) for one in batches_of([*many, *alone])] == [TOGETHER_MAX, 1, 1]


def test_one_is_sent_as_it_is() -> None:
    (one,) = some(1)
    assert bundled([one]).body == one.body


def test_a_bundle_says_how_many_and_how_much() -> None:
    assert summary(some(3)) == "3 accounts have left: 1,764.00 USD of MRR"
    of_smb = [replace(one, batch=Batch("churn|fired", (("segment", "smb"),), 7)) for one in some(2)]
    assert summary(of_smb) == "2 accounts of segment smb have left: 1,176.00 USD of MRR"
    assert summary(some(2, type_=ESCALATED)) == "nobody has acknowledged: 2 accounts have left: 1,176.00 USD of MRR"
    assert summary(some(2, FIGURE, RESOLVED)) == "over: 2 figures are beyond their lines"


def test_it_is_the_same_message_when_it_is_tried_again() -> None:
    messages = some(5)
    again = [replace(one, attempts=1, due=9, error="no") for one in reversed(messages)]
    assert bundled(again).id == bundled(messages).id
    assert json.loads(bundled(messages).body)["data"]["ids"] == [f"alr_{number:04}" for number in range(5)]
