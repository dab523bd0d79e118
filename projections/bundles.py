"""Bundles: alerts of one rule that are told as one, with what they come to and the largest of them."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from events.facts import Pairs
from events.vocabulary import BOOK_SUBJECT
from projections.alerts import SOURCE, Message, id_of
from projections.rules import Severity

GROUPED: Final = "revledger.alert.grouped.v1"
LARGEST: Final = 10
"""How many alerts of a bundle are told in full."""
_SEVERITIES: Final = get_args(Severity)


class Bundle(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Several alerts of a rule, all of which `what` became of: fired, resolved or escalated.

    `group` is what they are grouped by. `mrr_minor` is the sum of theirs by currency; where they tell only what their
    accounts pay, of that, each account once. `largest` are those of the largest shares, as they are, `ids` are of all.
    """

    id: str
    rule: str
    kind: str
    what: str
    severity: str
    summary: str
    count: int
    group: Mapping[str, str] = {}
    mrr_minor: Mapping[str, int] = {}
    largest: Sequence[Mapping[str, Any]] = ()
    ids: Sequence[str] = ()


def bundle_of(events: Sequence[Mapping[str, Any]], group: Pairs = ()) -> Bundle:
    """What alerts come to, of the CloudEvents that tell of each. The same events, in any order, have the same id."""
    told = [event["data"] for event in events]
    severities = [_SEVERITIES.index(one["severity"]) for one in told]
    return Bundle(
        id=id_of("grp_", *sorted(event["id"] for event in events)),
        rule=told[0]["rule"],
        kind=told[0]["kind"],
        what=events[0]["type"].split(".")[-2],
        severity=_SEVERITIES[max(severities)],
        summary="",
        count=len(told),
        group=dict(group),
        mrr_minor=_sums(told),
        largest=sorted(told, key=_size)[:LARGEST],
        ids=sorted(one["id"] for one in told),
    )


def message_of_bundle(bundle: Bundle, time: str) -> Message:
    """The CloudEvent that tells of a bundle, in structured mode; `time` in RFC 3339."""
    document = {
        "specversion": "1.0",
        "id": bundle.id,
        "source": SOURCE,
        "type": GROUPED,
        "subject": BOOK_SUBJECT,
        "time": time,
        "datacontenttype": "application/json",
        "data": msgspec.to_builtins(bundle),
    }
    return Message(bundle.id, msgspec.json.encode(document))


def labels_of(data: Mapping[str, Any], names: Iterable[str]) -> Pairs:
    """What an alert is labelled with by some names, in their order; empty where there is nothing."""
    return tuple((name, _label(data, name)) for name in names)


def _label(data: Mapping[str, Any], name: str) -> str:
    for group in (data.get("attributes"), *((data.get(one) or {}).get("group") for one in ("figure", "unusual"))):
        if group and name in group:
            return str(group[name])
    if name in ("plan", "contract"):
        return str(next(iter(data.get(f"{name}s") or ()), ""))
    return str(data.get(name) or "") if name in ("account", "currency", "owner") else ""


def _sums(told: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """MRR by currency; what an account pays counts once, however often it is told of."""
    sums: dict[str, int] = {}
    paid: dict[tuple[str, str], int] = {}
    for one in told:
        currency = one.get("currency", "")
        if "mrr_minor" in one:
            sums[currency] = sums.get(currency, 0) + one["mrr_minor"]
        elif currency and "account_mrr_minor" in one:
            paid[one["account"], currency] = one["account_mrr_minor"]
    for (_, currency), minor in paid.items():
        sums[currency] = sums.get(currency, 0) + minor
    return dict(sorted(sums.items()))


def _size(data: Mapping[str, Any]) -> tuple[Fraction, int, str]:
    """By which the largest comes first: its share, for amounts of two currencies cannot be compared."""
    amount = data.get("mrr_minor", data.get("account_mrr_minor", 0))
    return -Fraction(data.get("share") or 0), -abs(amount), data["id"]
