"""Bundles: nothing of the alerts in one is lost, whatever order they come in."""

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from projections.alerts import ESCALATED, message_of
from projections.bundles import GROUPED, LARGEST, bundle_of, labels_of, message_of_bundle
from tests.wire.alerted import CHURN, FIGURE, UNUSUAL


def event(number: int, **said: Any) -> dict[str, Any]:
    """An alert on a loss of so many cents, or of what an account pays."""
    data = {"id": f"alr_{number:03}", "rule": "r", "kind": "churn", "severity": "warning", "summary": "s", **said}
    return {"id": data["id"], "type": "revledger.alert.fired.v1", "data": data}


LOSSES = st.lists(
    st.tuples(st.sampled_from(["USD", "JPY"]), st.integers(1, 10**9), st.integers(1, 10**8)), min_size=2, max_size=30
)


@given(LOSSES, st.randoms())
def test_a_bundle_holds_all_of_it_in_any_order(losses: list[tuple[str, int, int]], dice: random.Random) -> None:
    events = [
        event(number, currency=currency, mrr_minor=-minor, share=f"0.{share:08}")
        for number, (currency, minor, share) in enumerate(losses)
    ]
    bundle = bundle_of(events)
    mixed = dice.sample(events, len(events))
    assert bundle_of(mixed) == bundle
    assert bundle_of(mixed[1:]).id != bundle.id
    assert (bundle.count, list(bundle.ids)) == (len(events), [one["id"] for one in events])
    for currency in ("USD", "JPY"):
        assert bundle.mrr_minor.get(currency, 0) == -sum(minor for name, minor, _ in losses if name == currency)
    shares = [one["share"] for one in bundle.largest]
    assert shares == sorted((one["data"]["share"] for one in events), reverse=True)[:LARGEST]


def test_what_an_account_pays_counts_once() -> None:
    paid = [("a", "USD", 500), ("a", "USD", 500), ("a", "EUR", 7), ("b", "USD", 30)]
    told = [
        event(number, account=account, currency=currency, account_mrr_minor=minor)
        for number, (account, currency, minor) in enumerate(paid)
    ]
    assert bundle_of(told).mrr_minor == {"EUR": 7, "USD": 530}


def test_a_message_of_a_bundle_is_a_cloudevent() -> None:
    told = [msgspec.json.decode(message_of(one, ESCALATED).body) for one in (CHURN, CHURN)]
    bundle = bundle_of(told, (("segment", "smb"),))
    message = message_of_bundle(bundle, "2024-06-01T00:00:00Z")
    found = msgspec.json.decode(message.body)
    assert (found["id"], found["type"], found["subject"]) == (bundle.id, GROUPED, "~book")
    assert (found["data"]["what"], found["data"]["group"]) == ("escalated", {"segment": "smb"})
    assert bundle.id.startswith("grp_")


def test_labels_of_what_was_told() -> None:
    names = ("segment", "owner", "plan", "contract", "currency", "account", "region")
    data = msgspec.to_builtins(CHURN)
    assert labels_of(data, names) == tuple(zip(names, ("smb", "kim", "team", "ctr-77", "USD", "acme", ""), strict=True))
    for alert in (FIGURE, UNUSUAL):
        assert labels_of(msgspec.to_builtins(alert), ("segment", "plan")) == (("segment", "smb"), ("plan", ""))
