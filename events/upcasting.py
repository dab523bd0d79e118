"""Upcasting: older versions of an event brought up to the one the books understand, step by step."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Data = dict[str, Any]
Upcaster = tuple[str, Callable[[Data], Data]]
"""The type an older one becomes, and what happens to its data."""

UPCASTERS: Final[dict[str, Upcaster]] = {}
"""Older wire name -> its upcaster; empty as long as every event is at its first version.

A row stays for ever: the ledger holds events as they were received.
"""


def upcast(event: Data, table: Mapping[str, Upcaster] = UPCASTERS) -> Data:
    """An event with its type and data brought up to date; one that is up to date comes back as it is."""
    while (step := table.get(event["type"])) is not None:
        to_type, change = step
        event = {**event, "type": to_type, "data": change(event["data"])}
    return event
