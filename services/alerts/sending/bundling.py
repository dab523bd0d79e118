"""Bundling: what is sent for messages that go together, in words that say how many and how much."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from events.days import moment_of_text
from projections.alerts import Message
from projections.bundles import Bundle, bundle_of, message_of_bundle
from services import shown
from services.alerts.outbox import Outgoing
from services.alerts.told import PREFIXES

TOGETHER_MAX: Final = 1_000
"""The most alerts that one message tells of."""
_MANY: Final = {
    "churn": ("accounts", "have left"),
    "contraction": ("accounts", "pay less"),
    "notice": ("accounts", "have given notice"),
    "score": ("scores", "are low"),
    "payment_failed": ("payments", "failed"),
    "renewal": ("terms", "end"),
    "unusual": ("days", "are unusual"),
    "figure": ("figures", "are beyond their lines"),
    "input_stalled": ("inputs", "have stalled"),
    "lag": ("partitions' alerts", "are behind"),
    "projection_behind": ("partitions' projections", "are behind"),
}
"""Kind of alerts -> of what there are so many, and what they do."""


def batches_of(due: Sequence[Outgoing]) -> list[list[Outgoing]]:
    """Messages to one sink, those together that go as one."""
    found: dict[Any, list[Outgoing]] = {}
    for one in due:
        found.setdefault(one.batch or one.id, []).append(one)
    size = TOGETHER_MAX
    return [some[start : start + size] for some in found.values() for start in range(0, len(some), size)]


def bundled(some: Sequence[Outgoing]) -> Message:
    """What is sent for messages that go together: of one, that itself."""
    first = some[0]
    if len(some) == 1 or first.batch is None:
        return Message(first.id, first.body)
    events = [msgspec.json.decode(one.body) for one in some]
    bundle = bundle_of(events, first.batch.labels)
    newest = max((event["time"] for event in events), key=moment_of_text)
    return message_of_bundle(replace(bundle, summary=summary_of_bundle(bundle)), newest)


def summary_of_bundle(bundle: Bundle) -> str:
    """One line that says how many alerts, on what, and how much they are about."""
    prefix = PREFIXES.get(f"revledger.alert.{bundle.what}.v1", "")
    group = "".join(f" of {name} {value or 'none'}" for name, value in bundle.group.items())
    amounts = [f"{shown.money(abs(minor), currency)} {currency}" for currency, minor in bundle.mrr_minor.items()]
    money = f": {' and '.join(amounts)} of MRR" if amounts else ""
    what, does = _MANY[bundle.kind]
    return f"{prefix}{bundle.count:,} {what}{group} {does}{money}"
