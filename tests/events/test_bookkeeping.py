"""The books against the model, event by event: whatever is known so far, the postings so far add up to it."""

from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from events.account import Booking
from events.bookkeeping import book_all, book_difference, book_next, frontier_of, is_next
from events.days import day_of_moment, moment_of
from events.facts import Fact, fact_of
from events.movements import BRIDGE_MOVEMENTS, Posting
from events.policy import DEFAULT_RULES, Rules
from tests.effort import examples
from tests.events.booked import (
    Booked,
    committed_by_cell,
    event_from,
    level_before,
    model_sums,
    posted_sums,
)
from tests.model.books import BOOK, level
from tests.model.days import EPOCH, Event, day_of
from tests.model.histories import FIRST_DAY, SPANS_DAYS, arrival_orders, histories
from tests.model.notation import fact, line

LONGER = settings(max_examples=examples(150), deadline=None)
SHORTER = settings(max_examples=examples(60), deadline=None)
RISES = ("new", "reactivation", "expansion")
FALLS = ("contraction", "churn")


@st.composite
def arrivals(draw: st.DrawFn) -> list[Event]:
    """A history in some order of arrival, with repetitions; sometimes many events share one `time`."""
    history: list[Event] = draw(histories())
    if draw(st.integers(0, 2)) == 2:
        for event in history:
            when = EPOCH + timedelta(days=day_of(event["time"]))
            event["time"] = when.strftime("%Y-%m-%dT12:00:00Z")
    return draw(st.one_of(st.just(history), arrival_orders(history)))


def facts_of(history: list[Event], zone: tzinfo | None = None) -> list[Fact]:
    """The facts of a history, whatever their account."""
    found = (fact_of(event_from(said), seq, Rules(zone=zone)) for seq, said in enumerate(history))
    return [one for one in found if one is not None]


# ---------------------------------------------------------------- books = model


@LONGER
@given(arrivals())
def test_postings_so_far_are_the_movements_of_the_facts_so_far(arrived: list[Event]) -> None:
    """At every prefix of every order of arrival, cell by cell, with causes."""
    booked = Booked()
    for count, said in enumerate(arrived, 1):
        booked.book(said)
        name = said["subject"]
        if name != BOOK:
            expected = model_sums(arrived[:count], name)
            assert posted_sums(name, booked.postings.get(name, [])) == expected


@LONGER
@given(arrivals(), st.lists(st.integers(-40, max(SPANS_DAYS) + 800), min_size=1, max_size=4))
def test_movements_and_ahead_are_what_is_committed(arrived: list[Event], offsets: list[int]) -> None:
    """Before any day, cell by cell, after every event: also those that have happened later than that day."""
    booked = Booked()
    days = {FIRST_DAY + offset for offset in offsets} | {day_of(said["time"]) + 1 for said in arrived}
    for count, said in enumerate(arrived, 1):
        booked.book(said)
        name = said["subject"]
        if name == BOOK or (count % 3 and count < len(arrived)):
            continue
        for day in sorted(days):
            found = level_before(booked.postings.get(name, []), day, ahead=True)
            assert found == committed_by_cell(arrived[:count], name, day)


@SHORTER
@given(arrivals())
def test_the_level_of_a_day_is_the_sum_of_the_movements(arrived: list[Event]) -> None:
    """The level of the model, computed without movements."""
    booked = Booked()
    booked.book_all(arrived)
    for name, postings in booked.postings.items():
        for day in sorted({one.day + offset for one in postings for offset in (-1, 0)}):
            expected: dict[object, int] = {}
            for cell, amount in level(arrived, name, day).items() if name != BOOK else ():
                expected[cell.contract, cell.line_id] = amount
            found = level_before(postings, day + 1, ahead=False)
            assert {(cell.contract, cell.line): amount for cell, amount in found.items()} == expected


@SHORTER
@given(st.data())
def test_any_order_of_arrival_ends_in_the_same_sums(data: st.DataObject) -> None:
    """Shuffled and repeated: the same sums, `ahead` among them, and as much unmatched."""
    history = data.draw(histories())
    straight, shuffled = Booked(), Booked()
    straight.book_all(history)
    shuffled.book_all(data.draw(arrival_orders(history)))
    for name in straight.accounts:
        ours, theirs = straight.postings.get(name, []), shuffled.postings.get(name, [])
        assert posted_sums(name, theirs, ahead=True) == posted_sums(name, ours, ahead=True)
    assert shuffled.unmatched == straight.unmatched


# ---------------------------------------------------------------- fast = general


@LONGER
@given(arrivals())
def test_an_event_posts_the_difference_it_makes(arrived: list[Event]) -> None:
    """The quick way and the whole way give the same list, order included."""
    booked = Booked()
    for said in arrived:
        account = booked.account(said["subject"])
        known = list(account.facts_in_force())
        booking = booked.book(said)
        if isinstance(booking, Booking):
            assert booking.postings == book_difference(known, account.facts_in_force(), DEFAULT_RULES)


@SHORTER
@given(arrivals())
def test_the_frontier_is_that_of_all_facts(arrived: list[Event]) -> None:
    """However the account came to its facts."""
    booked = Booked()
    for said in arrived:
        booked.book(said)
        account = booked.account(said["subject"])
        assert account.frontier == frontier_of(account.facts_in_force())


@SHORTER
@given(histories())
def test_facts_in_order_need_no_earlier_ones(history: list[Event]) -> None:
    """From nothing, `book_next` alone leads through all facts in order of day and time."""
    facts = [one for one in facts_of(history) if one.kind != "noted"]
    frontier = frontier_of([])
    for count, one in enumerate(sorted(facts, key=lambda found: found.order)):
        if not is_next(frontier, one):
            return
        known = sorted(facts, key=lambda found: found.order)[:count]
        frontier, postings = book_next(frontier, one, DEFAULT_RULES)
        assert postings == book_difference(known, [*known, one], DEFAULT_RULES)


# ---------------------------------------------------------------- shapes


@SHORTER
@given(arrivals())
def test_movements_have_their_signs_and_transfers_cancel_out(arrived: list[Event]) -> None:
    """Of the books as they stand; single postings may be corrections of either sign."""
    booked = Booked()
    booked.book_all(arrived)
    for name, postings in booked.postings.items():
        kinds: dict[tuple[int, str], dict[str, int]] = {}
        for (_, day, movement, cell, reason, initiative), amount in posted_sums(name, postings).items():
            assert movement in BRIDGE_MOVEMENTS
            assert amount > 0 or movement not in RISES
            assert amount < 0 or movement not in FALLS
            assert movement == "churn" or (reason, initiative) == ("", "")
            sums = kinds.setdefault((day, cell.currency), {})
            sums[movement] = sums.get(movement, 0) + amount
        for sums in kinds.values():
            assert sums.pop("transfer", 0) == 0
            assert len(sums) <= 1


@SHORTER
@given(arrivals())
def test_postings_are_written_in_one_order_without_zeros(arrived: list[Event]) -> None:
    """By day, movement, cell, cause; each key once."""
    for booking in Booked().book_all(arrived):
        if isinstance(booking, Booking):
            keys = [(p.day, p.movement, astuple(p.cell), p.reason, p.initiative) for p in booking.postings]
            assert keys == sorted(keys)
            assert len(keys) == len(set(keys))
            assert all(one.amount for one in booking.postings)


def test_all_books_of_nothing_are_empty() -> None:
    assert book_all([], DEFAULT_RULES) == {}
    assert book_difference([], [], DEFAULT_RULES) == []


# ---------------------------------------------------------------- zones


SEOUL = timezone(timedelta(hours=9))


def posted(history: list[Event], zone: tzinfo | None) -> list[Posting]:
    """All postings of a history."""
    booked = Booked(zone)
    booked.book_all(history)
    return [one for postings in booked.postings.values() for one in postings]


def test_a_day_is_a_day_of_the_reporting_zone() -> None:
    """16:00 UTC on New Year's Eve is New Year's Day in Seoul; a date is a date."""
    evening = fact("signed", "a1", "2023-12-31T16:00:00Z", lines=[line(100)])
    dated = fact("signed", "b1", "2023-12-31T16:00:00Z", lines=[line(100)], effective_at="2023-12-31")
    timed = fact("signed", "c1", "2024-03-01", lines=[line(100)], effective_at="2023-12-31T23:00:00+05:00")
    days = {one.cell.contract: one.day for one in posted([evening, dated, timed], SEOUL) if one.movement == "new"}
    assert days == {
        contract: day_of(day) for contract, day in {"a1": "2024-01-01", "b1": "2023-12-31", "c1": "2024-01-01"}.items()
    }
    days = {one.cell.contract: one.day for one in posted([evening, dated, timed], None) if one.movement == "new"}
    assert set(days.values()) == {day_of("2023-12-31")}


@SHORTER
@given(arrivals())
def test_a_zone_shifts_every_time_and_no_date(arrived: list[Event]) -> None:
    """Books in Seoul are those of UTC with every time written nine hours later."""
    shifted = [later(said) for said in arrived]
    here, there = Booked(SEOUL), Booked()
    here.book_all(arrived)
    there.book_all(shifted)
    for name in here.accounts:
        ours, theirs = here.postings.get(name, []), there.postings.get(name, [])
        assert posted_sums(name, ours, ahead=True) == posted_sums(name, theirs, ahead=True)


def later(said: Event) -> Event:
    """An event with all its times written nine hours later, and its dates as they are."""

    def moved(value: object) -> object:
        if isinstance(value, dict):
            return {name: moved(one) for name, one in value.items()}
        if isinstance(value, list):
            return [moved(one) for one in value]
        if isinstance(value, str) and len(value) > 16 and value[4:5] == "-" and value[10:11] == "T":
            return (datetime.fromisoformat(value) + timedelta(hours=9)).isoformat()
        return value

    return {name: moved(value) if name in ("time", "data") else value for name, value in said.items()}


@pytest.mark.parametrize("arrival", [(0, 1), (1, 0)])
def test_clocks_that_go_back_over_midnight(arrival: tuple[int, int]) -> None:
    """At 00:01 on 7 November 2010 it became 23:01 in St. John's: what came later has the earlier day."""
    zone = ZoneInfo("America/St_Johns")
    said = [
        fact("signed", "a1", "2010-11-07T02:30:30Z", lines=[line(100)], effective_at="2010-12-01"),
        fact("cancelled", "a1", "2010-11-07T02:40:00Z", effective_at="2010-12-05"),
    ]
    when = [day_of_moment(moment_of(event_from(one).time), zone) for one in said]
    assert when == [day_of("2010-11-07"), day_of("2010-11-06")]
    booked = Booked(zone)
    booked.book_all([said[index] for index in arrival])
    for day in range(day_of("2010-11-05"), day_of("2010-12-08")):
        assert level_before(booked.postings["a"], day, ahead=True) == {}
