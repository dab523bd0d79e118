"""The made-up company: repeatable to the byte, valid to the field, believable as a business."""

import hashlib
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Any

import msgspec
import pytest

from services.demo import demo_events
from services.demo.company import BILLING, CURRENCIES, INDUSTRIES, REGIONS, SEGMENT_SHARES, SEGMENTS, new_accounts
from tests.services.demo_shapes import CURRENCIES as KNOWN_CURRENCIES
from tests.services.demo_shapes import DATA, well_formed

Event = dict[str, Any]

SIGNED = "revledger.contract.signed.v1"
RETRACTED = "revledger.event.retracted.v1"
CONTRACT = "revledger.contract."
HOUR_MS = 3_600_000

# Changes with every change to the company; nothing else may change them.
FIRST_500_SHA256 = ""
DEFAULT_SHA256 = ""


def decoded(lines: Iterable[bytes]) -> list[Event]:
    return [msgspec.json.decode(line) for line in lines]


def content(event: Event) -> tuple[Any, ...]:
    return event["type"], event["subject"], event["time"], event["data"]


def key(event: Event) -> tuple[str, str]:
    return event["source"], event["id"]


def milliseconds(moment: str) -> int:
    return int(msgspec.convert(moment, __import__("datetime").datetime).timestamp() * 1000)


@pytest.fixture(scope="module")
def company() -> list[Event]:
    return decoded(demo_events(accounts=300))


@pytest.fixture(scope="module")
def large_company() -> list[Event]:
    return decoded(demo_events(accounts=3000, months=24, seed=7))


def digest(lines: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()
