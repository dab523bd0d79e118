"""Alerts: the same id for the same thing, and bytes that are for ever."""

import msgspec

from projections.alerts import FIRED, RESOLVED, Alert, Position, alert_id, message_of

ALERT = Alert(
    id="alr_x",
    rule="r",
    kind="churn",
    severity="critical",
    subject="a",
    summary="a has left",
    recorded_at=1_717_200_000_000_000,
    position=Position(0, 7, 9),
)


def test_an_id_is_that_of_ledger_rule_place_and_subject() -> None:
    base = ("ab", "r", 0, 1, "a")
    others = [("ac", *base[1:]), ("ab", "q", 0, 1, "a"), ("ab", "r", 1, 1, "a"), ("ab", "r", 0, 2, "a")]
    others += [("ab", "r", 0, 1, "b"), ("ab", "r", 0, 11, ""), ("ab", "r", 0, 1, "1"), ("", "ab\nr", 0, 1, "a")]
    assert len({alert_id(*one) for one in (base, *others)}) == 1 + len(others)
    assert alert_id(*base) == "alr_kjhcpdqdqlqg7vsdfi4og6y7bp"


def test_a_message_is_a_cloudevent() -> None:
    message = message_of(ALERT)
    event = msgspec.json.decode(message.body)
    assert {name: event[name] for name in ("specversion", "id", "type", "source", "subject", "time")} == {
        "specversion": "1.0",
        "id": message.id,
        "type": FIRED,
        "source": "/revledger/alerts",
        "subject": "a",
        "time": "2024-06-01T00:00:00Z",
    }
    assert event["data"]["position"] == {"partition": 0, "height": 7, "seq": 9}
    assert "recorded_at" not in event["data"]


def test_what_is_over_has_an_id_of_its_own() -> None:
    assert message_of(ALERT).id == "alr_x"
    assert message_of(ALERT, RESOLVED).id == "alr_x.resolved"
