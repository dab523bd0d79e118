"""The made-up company: repeatable to the byte, valid to the field, believable as a business."""

import hashlib
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import msgspec
import pytest

from services.demo import demo_events
from services.demo.company import (
    BILLING,
    CURRENCIES,
    INDUSTRIES,
    REGIONS,
    SEGMENT_SHARES,
    SEGMENTS,
    new_accounts,
)
from tests.services.demo_shapes import CURRENCIES as KNOWN_CURRENCIES
from tests.services.demo_shapes import DATA, well_formed

Event = dict[str, Any]

SIGNED = "revledger.contract.signed.v1"
RETRACTED = "revledger.event.retracted.v1"
CONTRACT = "revledger.contract."
HOUR_MS = 3_600_000

# Changes with every change to the company; nothing else may change them.
FIRST_500_SHA256 = "e3dbcb2cc977ae90d20de8fce4da7fd15fa305b006566b2acf19eb99a92c66ab"
DEFAULT_SHA256 = "20266e5fbcb2088673da35bfc8f6fe5e3d4cab1f75d4360c7c48128b9987b48d"


def decoded(lines: Iterable[bytes]) -> list[Event]:
    return [msgspec.json.decode(line) for line in lines]


def content(event: Event) -> tuple[Any, ...]:
    return event["type"], event["subject"], event["time"], event["data"]


def key(event: Event) -> tuple[str, str]:
    return event["source"], event["id"]


def milliseconds(moment: str) -> int:
    return (datetime.fromisoformat(moment) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.fixture(scope="module")
def company() -> list[Event]:
    return decoded(demo_events(accounts=300))


@pytest.fixture(scope="module")
def large_company() -> list[Event]:
    return decoded(demo_events(accounts=3000, months=24, seed=7))


def digest(lines: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


# ---------------------------------------------------------------- the same bytes


def test_the_default_company_is_pinned_to_the_byte() -> None:
    lines = list(demo_events())
    assert (digest(lines[:500]), digest(lines)) == (FIRST_500_SHA256, DEFAULT_SHA256)
    assert lines == list(demo_events(accounts=200, months=36, seed=1, start="2023-01-01"))


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"seed": -1}, {"accounts": 201}, {"months": 35}, {"start": "2022-01-01"}]
)
def test_another_argument_gives_other_bytes(other: dict[str, Any]) -> None:
    assert digest(demo_events(**other)) != DEFAULT_SHA256


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"accounts": -1}, "accounts must be 0 or more, not -1"),
        ({"months": 0}, "months must be 1 to 600, not 0"),
        ({"months": 601}, "months must be 1 to 600, not 601"),
        ({"start": "2023-01-02"}, "start must be the first of a month, as in 2023-01-01, not '2023-01-02'"),
        ({"start": "20230101"}, "start must be the first of a month, as in 2023-01-01, not '20230101'"),
        ({"start": "1969-12-01"}, "start must be the first of a month, as in 2023-01-01, not '1969-12-01'"),
    ],
)
def test_an_argument_out_of_range_is_refused_at_once(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match="must be") as refusal:
        demo_events(**wrong)
    assert str(refusal.value) == sentence


def test_a_company_without_accounts_still_keeps_its_books() -> None:
    assert {event["subject"] for event in decoded(demo_events(accounts=0, months=2))} == {"~book"}


# ---------------------------------------------------------------- valid


def test_every_event_fits_the_vocabulary(company: list[Event], large_company: list[Event]) -> None:
    assert [event for event in company + large_company if not well_formed(event)] == []


def test_every_type_appears(company: list[Event]) -> None:
    assert {event["type"] for event in company} == DATA.keys()


def test_what_is_optional_appears_too(company: list[Event]) -> None:
    signed = [event["data"] for event in company if event["type"] == SIGNED]
    lines = [line for data in signed for line in data["lines"]]
    discounts = [discount for line in lines for discount in line.get("discounts", [])]
    assert {"term", "trial_end", "owner", "campaign", "channel", "effective_at"} <= set().union(*signed)
    assert {"discounts", "from", "until", "kind", "interval", "interval_count"} <= set().union(*lines)
    assert {"percent", "amount_minor", "until"} <= set().union(*discounts)
    assert {data["currency"] for data in signed} == set(KNOWN_CURRENCIES)
    assert {line.get("kind") for line in lines} == {None, "one_time", "usage"}
    assert {data.get("term", {}).get("auto_renew") for data in signed} == {None, False}


def test_the_same_id_never_says_two_things(large_company: list[Event]) -> None:
    said: dict[tuple[str, str], tuple[Any, ...]] = {}
    assert all(said.setdefault(key(event), content(event)) == content(event) for event in large_company)


def test_a_contract_has_one_account_and_one_currency(large_company: list[Event]) -> None:
    owners: defaultdict[str, set[str]] = defaultdict(set)
    currencies: defaultdict[str, set[str]] = defaultdict(set)
    for event in large_company:
        if "contract_id" in event["data"]:
            owners[event["data"]["contract_id"]].add(event["subject"])
        if event["type"] == SIGNED:
            currencies[event["data"]["contract_id"]].add(event["data"]["currency"])
    assert {len(subjects) for subjects in owners.values()} == {1}
    assert {len(names) for names in currencies.values()} == {1}


def test_the_tables_of_the_company_add_up_to_100() -> None:
    tables = [SEGMENT_SHARES, REGIONS, INDUSTRIES, *CURRENCIES.values()]
    for segment in SEGMENTS.values():
        tables += [segment.plans, segment.billing, segment.channels]
        assert {name for name, _ in segment.billing} <= BILLING.keys()
    assert [sum(share for _, share in table) for table in tables] == [100] * len(tables)


# ---------------------------------------------------------------- order of arrival


def test_recorded_time_never_runs_backwards(company: list[Event]) -> None:
    moments = [event["recordedtime"] for event in company]
    assert all(earlier <= later for earlier, later in pairwise(moments))
    assert moments[-1] < "2026-01-01"


def test_nothing_arrives_before_it_happened(company: list[Event]) -> None:
    assert [event for event in company if event["recordedtime"] < event["time"].removesuffix("Z")] == []


def in_order(events: list[Event]) -> int:
    """How many events are new and not older than any other of their account that came before."""
    newest: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    count = 0
    for event in events:
        subject, time = event["subject"], event["time"]
        count += key(event) not in seen and time >= newest.get(subject, "")
        newest[subject] = max(time, newest.get(subject, ""))
        seen.add(key(event))
    return count


def test_most_events_arrive_once_and_in_order(large_company: list[Event]) -> None:
    assert 92 <= 100 * in_order(large_company) // len(large_company) <= 98


def test_a_few_are_late_twice_or_retracted(large_company: list[Event]) -> None:
    count = len(large_company)
    lateness = [milliseconds(event["recordedtime"]) - milliseconds(event["time"]) for event in large_company]
    late = sum(late_ms > HOUR_MS for late_ms in lateness)
    twice = count - len({key(event) for event in large_company})
    retracted = sum(event["type"] == RETRACTED for event in large_company)
    assert 200 <= 10_000 * late // count <= 600
    assert 70 <= 10_000 * twice // count <= 130
    assert 30 <= 10_000 * retracted // count <= 80
    assert 14 * 24 * HOUR_MS < max(lateness) < 50 * 24 * HOUR_MS


def test_a_retraction_is_followed_by_the_right_event(large_company: list[Event]) -> None:
    places = {key(event): place for place, event in enumerate(large_company)}
    retractions = [event for event in large_company if event["type"] == RETRACTED]
    for retraction in retractions:
        source, wrong_id = retraction["data"]["source"], retraction["data"]["id"]
        wrong = large_company[places[source, wrong_id]]
        right = large_company[places[source, f"{wrong_id}-corrected"]]
        assert places[key(wrong)] < places[key(retraction)] < places[key(right)]
        assert content(wrong)[:3] == content(right)[:3]
        assert wrong["data"] != right["data"]
        assert retraction["subject"] == wrong["subject"]


def test_some_facts_arrive_before_their_contract(company: list[Event]) -> None:
    signed: set[str] = set()
    early = 0
    for event in company:
        contract = event["data"].get("contract_id")
        early += event["type"].startswith(CONTRACT) and event["type"] != SIGNED and contract not in signed
        signed |= {contract} if event["type"] == SIGNED else set()
    assert early > 0


# ---------------------------------------------------------------- believable


def first_signatures(events: list[Event]) -> dict[str, Event]:
    first: dict[str, Event] = {}
    for event in events:
        if event["type"] == SIGNED:
            first.setdefault(event["subject"], event)
    return first


def test_every_account_asked_for_signs(large_company: list[Event]) -> None:
    assert 2990 <= len(first_signatures(large_company)) <= 3000  # a late one may still be on its way


def test_it_grows_from_year_to_year(company: list[Event]) -> None:
    years = Counter(event["time"][:4] for event in first_signatures(company).values())
    ended = Counter(event["time"][:4] for event in company if event["type"].endswith("cancelled.v1"))
    assert years["2025"] > years["2024"] > 50
    assert all(years[year] > ended[year] > 0 for year in ("2023", "2024", "2025"))


def test_the_year_closes_strongly_and_august_is_weak() -> None:
    year = new_accounts(accounts=100_000, months=36, first_month_number=1)[12:24]
    assert sum(new_accounts(accounts=777, months=5, first_month_number=6)) == 777
    assert year.index(min(year)) == 7
    assert sum(year[9:]) > max(sum(year[:3]), sum(year[3:6]), sum(year[6:9]))


def test_an_account_has_about_ten_events_in_three_years() -> None:
    assert 8 <= sum(1 for _ in demo_events(accounts=1000)) / 1000 <= 11


def test_most_contracts_are_in_dollars_and_small(large_company: list[Event]) -> None:
    data = [event["data"] for event in first_signatures(large_company).values()]
    currencies = Counter(item["currency"] for item in data)
    segments = Counter(item["attributes"]["segment"] for item in data)
    assert currencies.most_common(1)[0][0] == "USD"
    assert min(currencies[name] for name in KNOWN_CURRENCIES) > 0.03 * len(data)
    assert segments["smb"] > 2 * segments["midmarket"] > 4 * segments["enterprise"] > 0


def test_unhappy_customers_leave_more_often(large_company: list[Event]) -> None:
    last_score: dict[str, int] = {}
    left: set[str] = set()
    for event in large_company:
        if event["data"].get("survey") == "nps":
            last_score[event["subject"]] = event["data"]["score"]
        elif event["data"].get("initiative") == "voluntary":
            left.add(event["subject"])
    detractors = {subject for subject, score in last_score.items() if score <= 6}
    promoters = {subject for subject, score in last_score.items() if score >= 9}
    assert len(detractors & left) / len(detractors) > 2 * len(promoters & left) / len(promoters)


def test_customers_leave_for_many_reasons_and_some_by_force(large_company: list[Event]) -> None:
    left = [event["data"] for event in large_company if event["type"].endswith("cancelled.v1")]
    reasons = Counter(data.get("reason") for data in left)
    assert len(reasons) >= 10
    assert 0.03 * len(left) < reasons["payment_failed"] < 0.3 * len(left)
    assert sum("effective_at" in data for data in left) > len(left) // 2


# ---------------------------------------------------------------- size


def test_only_a_part_of_the_history_is_ever_in_memory() -> None:
    tracemalloc.start()
    try:
        size = sum(map(len, islice(demo_events(accounts=3000), 25_000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 2
