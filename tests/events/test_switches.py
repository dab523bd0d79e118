"""The switches of a policy: each alone on an example, and all of them against the model."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from events.bookkeeping import book_difference, frontier_of
from events.days import text_of_day
from events.policy import Policy
from tests.effort import examples
from tests.events.booked import Booked, committed_by_cell, level_before, model_sums, posted_sums
from tests.model.books import BOOK
from tests.model.choices import Choices
from tests.model.days import Event, day_of
from tests.model.histories import FIRST_DAY, SPANS_DAYS, arrival_orders, histories
from tests.model.notation import fact, line

E4_A_YEAR = 120_000
SOME = settings(max_examples=examples(120), deadline=None)

CHOICES = st.builds(
    Choices,
    churn=st.sampled_from(("notice", "effective")),
    discounts=st.sampled_from(("net", "forever_only", "list")),
    paused=st.sampled_from(("full", "zero")),
    free_accounts=st.sampled_from(("active", "inactive")),
    reactivation_days=st.sampled_from((None, 0, 1, 10, 30, 200)),
)


def policy_of(choices: Choices) -> Policy:
    """Our policy with the choices of the model."""
    return Policy(**choices._asdict())


@st.composite
def arrivals(draw: st.DrawFn) -> list[Event]:
    """A history in some order of arrival, with repetitions."""
    history: list[Event] = draw(histories())
    return draw(st.one_of(st.just(history), arrival_orders(history)))


def moves(events: list[Event], **chosen: Any) -> list[str]:
    """What a history moves under a policy, a line for each posting: day, movement, MRR and cause."""
    booked = Booked(policy=Policy(**chosen))
    booked.book_all(events)
    sums = {key: amount for name, all_ in booked.postings.items() for key, amount in posted_sums(name, all_).items()}
    found = sorted((day, movement, amount, reason) for (_, day, movement, _, reason, _), amount in sums.items())
    return [
        f"{text_of_day(day)} {movement} {amount // E4_A_YEAR}{f' {reason}' if reason else ''}"
        for day, movement, amount, reason in found
    ]


# ---------------------------------------------------------------- churn

SIGNED = fact("signed", "a1", "2024-01-01", lines=[line(100)])
CANCELLED = fact("cancelled", "a1", "2024-02-15", effective_at="2024-03-01", reason="price")
NEW = "2024-01-01 new 100"
GONE = "2024-02-15 churn -100 price"


@pytest.mark.parametrize(
    ("events", "at_notice", "at_effect"),
    [
        ([SIGNED, CANCELLED], [NEW, GONE], [NEW, "2024-03-01 churn -100 price"]),
        # A cancellation that comes after its day counts at its day, as ever.
        (
            [SIGNED, fact("cancelled", "a1", "2024-02-15", effective_at="2024-02-01")],
            [NEW, "2024-02-01 churn -100"],
            [NEW, "2024-02-01 churn -100"],
        ),
        # What changes between the notice and the end no longer counts.
        (
            [SIGNED, CANCELLED, fact("upgraded", "a1", "2024-02-20", lines=[line(150)])],
            [NEW, GONE],
            [NEW, "2024-02-20 expansion 50", "2024-03-01 churn -150 price"],
        ),
        # A renewal does not take a notice back, here as there: a retraction does.
        (
            [SIGNED, CANCELLED, fact("renewed", "a1", "2024-02-20")],
            [NEW, GONE],
            [NEW, "2024-03-01 churn -100 price"],
        ),
        # Cancelled before it began: never revenue, and not for ever.
        (
            [
                fact("signed", "a1", "2024-01-01", lines=[line(100)], effective_at="2024-03-01"),
                fact("cancelled", "a1", "2024-02-01", effective_at="2024-05-01"),
            ],
            [],
            ["2024-03-01 new 100", "2024-05-01 churn -100"],
        ),
        # A renewal agreed before the notice does not open the contract again.
        (
            [
                SIGNED,
                fact("renewed", "a1", "2024-01-10", effective_at="2024-04-01"),
                fact("cancelled", "a1", "2024-02-15", effective_at="2024-06-01", reason="price"),
            ],
            [NEW, GONE],
            [NEW, "2024-06-01 churn -100 price"],
        ),
        # Signed again from the day it ends: gone meanwhile.
        (
            [SIGNED, CANCELLED, fact("signed", "a1", "2024-02-20", lines=[line(100)], effective_at="2024-03-01")],
            [NEW, GONE, "2024-03-01 reactivation 100"],
            [NEW],
        ),
        # One of two contracts.
        (
            [SIGNED, fact("signed", "a2", "2024-01-01", lines=[line(7)]), CANCELLED],
            ["2024-01-01 new 7", NEW, "2024-02-15 contraction -100"],
            ["2024-01-01 new 7", NEW, "2024-03-01 contraction -100"],
        ),
    ],
)
def test_churn_counts_at_notice_or_at_effect(events: list[Event], at_notice: list[str], at_effect: list[str]) -> None:
    assert moves(events, churn="notice") == at_notice
    assert moves(events[::-1], churn="notice") == at_notice
    assert moves(events) == at_effect


def test_the_worked_case_of_a_notice() -> None:
    """Notice on 15 February, paid until 1 March: February's churn, or March's."""
    both = [fact("signed", f"{name}-1", "2024-01-01", lines=[line(1000)]) for name in "ab"]
    ended = fact("cancelled", "a-1", "2024-02-15", effective_at="2024-03-01", reason="too_expensive")
    assert moves([*both, ended])[-1] == "2024-03-01 churn -1000 too_expensive"
    assert moves([*both, ended], churn="notice")[-1] == "2024-02-15 churn -1000 too_expensive"


# ---------------------------------------------------------------- the others

HALF = {"percent": "50"}
FIRST_QUARTER = {"percent": "20", "until": "2024-04-01"}


@pytest.mark.parametrize(
    ("discounts", "expected"),
    [
        ("net", ["2024-01-01 new 40", "2024-04-01 expansion 10"]),
        ("forever_only", ["2024-01-01 new 50"]),
        ("list", ["2024-01-01 new 100"]),
    ],
)
def test_which_discounts_count(discounts: str, expected: list[str]) -> None:
    lines = [line(100, discounts=[HALF, FIRST_QUARTER])]
    assert moves([fact("signed", "a1", "2024-01-01", lines=lines)], discounts=discounts) == expected


@pytest.mark.parametrize(
    ("paused", "expected"),
    [
        ("zero", [NEW, "2024-02-01 churn -100 paused", "2024-03-01 reactivation 100"]),
        ("full", [NEW]),
    ],
)
def test_what_a_paused_contract_counts(paused: str, expected: list[str]) -> None:
    events = [SIGNED, fact("paused", "a1", "2024-02-01"), fact("resumed", "a1", "2024-03-01")]
    assert moves(events, paused=paused) == expected


FREE = {"percent": "100", "until": "2024-02-01"}


@pytest.mark.parametrize(
    ("said", "inactive", "active"),
    [
        ({"discounts": [FREE]}, ["2024-02-01 new 100"], ["2024-02-01 expansion 100"]),
        (
            {"discounts": [{"percent": "100", "from": "2024-02-01", "until": "2024-03-01"}]},
            [NEW, "2024-02-01 churn -100", "2024-03-01 reactivation 100"],
            [NEW, "2024-02-01 contraction -100", "2024-03-01 expansion 100"],
        ),
        # A line that is not in force yet is not free, and neither is one that costs nothing.
        ({"from": "2024-02-01"}, ["2024-02-01 new 100"], ["2024-02-01 new 100"]),
        ({"amount_minor": 0, "discounts": [FREE]}, [], []),
    ],
)
def test_whether_a_free_account_is_active(said: dict[str, Any], inactive: list[str], active: list[str]) -> None:
    events = [fact("signed", "a1", "2024-01-01", lines=[line(100) | said])]
    assert moves(events) == inactive
    assert moves(events, free_accounts="active") == active


def test_discounts_that_do_not_count_make_nothing_free() -> None:
    events = [fact("signed", "a1", "2024-01-01", lines=[line(100, discounts=[FREE])])]
    assert moves(events, free_accounts="active", discounts="list") == [NEW]


@pytest.mark.parametrize(
    ("days", "movement"), [(None, "reactivation"), (32, "reactivation"), (31, "reactivation"), (30, "new"), (0, "new")]
)
def test_after_how_many_days_a_return_is_new(days: int | None, movement: str) -> None:
    """From 1 March to 1 April there are 31 days without revenue."""
    events = [SIGNED, CANCELLED, fact("signed", "a2", "2024-04-01", lines=[line(100)])]
    assert moves(events, reactivation_days=days)[-1] == f"2024-04-01 {movement} 100"
    assert moves(events[::-1], reactivation_days=days)[-1] == f"2024-04-01 {movement} 100"


# ---------------------------------------------------------------- the model


@SOME
@given(arrivals(), CHOICES)
def test_under_any_policy_postings_so_far_are_the_movements_of_the_facts_so_far(
    arrived: list[Event], choices: Choices
) -> None:
    """At every prefix of every order of arrival, cell by cell, with causes; quick and whole way post alike."""
    booked = Booked(policy=policy_of(choices))
    for count, said in enumerate(arrived, 1):
        name = said["subject"]
        known = list(booked.account(name).facts_in_force())
        booking = booked.book(said)
        now = booked.account(name).facts_in_force()
        if isinstance(booking, Booking):
            assert booking.postings == book_difference(known, now, booked.rules)
        assert booked.account(name).frontier == frontier_of(now)
        if name != BOOK:
            assert posted_sums(name, booked.postings.get(name, [])) == model_sums(arrived[:count], name, choices)


@SOME
@given(arrivals(), CHOICES, st.lists(st.integers(-40, max(SPANS_DAYS) + 800), min_size=1, max_size=4))
def test_under_any_policy_movements_and_ahead_are_what_is_committed(
    arrived: list[Event], choices: Choices, offsets: list[int]
) -> None:
    booked = Booked(policy=policy_of(choices))
    booked.book_all(arrived)
    days = {FIRST_DAY + offset for offset in offsets} | {day_of(said["time"]) + 1 for said in arrived}
    for name in set(booked.postings) - {BOOK}:
        for day in sorted(days):
            found = level_before(booked.postings[name], day, ahead=True)
            assert found == committed_by_cell(arrived, name, day, choices)


@SOME
@given(arrivals())
def test_notice_moves_churn_and_nothing_else(arrived: list[Event]) -> None:
    """As much is unmatched, and once every effective day has come both levels are the same."""
    usual, noticed = Booked(), Booked(policy=Policy(churn="notice"))
    usual.book_all(arrived)
    noticed.book_all(arrived)
    assert noticed.unmatched == usual.unmatched
    for name, postings in usual.postings.items():
        far = FIRST_DAY + 100_000
        assert level_before(noticed.postings[name], far, ahead=False) == level_before(postings, far, ahead=False)
