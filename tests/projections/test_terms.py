"""Terms: which one a day is in, and what a contract is worth over it, by hand."""

from fractions import Fraction

import pytest

from events.days import text_of_day
from events.notes import AnyNote, noted, noted_after, notes_in_force
from projections.groups import selected_groups
from projections.satisfaction import Item
from projections.terms import NONE, Values, held_on, values_begun, values_of
from tests.model.days import Event, day_of
from tests.model.notation import changed, fact, line, retracted
from tests.projections.folding import bookings_of, projected
from tests.services.books import raw_of

Known = tuple[list[Item], list[AnyNote]]


def known(*history: Event) -> Known:
    """What was posted to the account a, and its notes."""
    notes = [note for event in history if (note := noted(raw_of(event), None))]
    return list(projected([bookings_of(history)]).record("a").items()), notes_in_force(noted_after(None, notes))


def term_on(day: str, *history: Event) -> tuple[str, str] | None:
    """The term of the only contract as a day begins."""
    held = held_on("a", *known(*history), "USD", day_of(day))
    return (text_of_day(held[0].term.start), text_of_day(held[0].term.end)) if held else None


def signed(**term: object) -> Event:
    """A contract from 2024-01-31 on, at 100 a month."""
    return fact("signed", "a1", "2024-01-31", lines=[line(100)], **({"term": term} if term else {}))


@pytest.mark.parametrize(
    ("day", "term"),
    [
        ("2024-01-31", None),
        ("2024-02-01", ("2024-01-31", "2024-06-30")),
        ("2024-06-30", ("2024-01-31", "2024-06-30")),
        ("2024-07-01", ("2024-06-30", "2024-11-30")),
        ("2024-12-01", ("2024-11-30", "2025-04-30")),
    ],
)
def test_a_term_that_renews_itself_begins_again(day: str, term: tuple[str, str] | None) -> None:
    """Five months from the last day of a month on end on the last day of a month."""
    assert term_on(day, signed(end="2024-06-30")) == term


def test_a_term_of_uneven_length_begins_again_by_its_days() -> None:
    history = signed(end="2024-03-11")  # forty days
    assert term_on("2024-03-11", history) == ("2024-01-31", "2024-03-11")
    assert term_on("2024-03-12", history) == ("2024-03-11", "2024-04-20")


def test_a_renewal_counts_from_its_day_and_is_gone_when_retracted() -> None:
    renewed = fact("renewed", "a1", "2024-06-01", effective_at="2025-01-31", term={"end": "2027-01-31"})
    first, second = ("2024-01-31", "2025-01-31"), ("2025-01-31", "2027-01-31")
    history = [signed(end="2025-01-31"), renewed]
    assert [term_on(day, *history) for day in ("2025-01-31", "2025-02-01")] == [first, second]
    gone = [*history, retracted(renewed, "2024-07-01")]
    assert term_on("2025-02-01", *gone) == ("2025-01-31", "2026-01-31")
    opened = [*history, fact("renewed", "a1", "2025-03-01")]
    assert term_on("2025-03-02", *opened) == ("2025-01-31", "2026-01-31")


def test_values_by_group_and_without_any_contract() -> None:
    lines = [line(100, plan="pro"), line(50, plan="seat", line_id="l2")]
    items, notes = known(fact("signed", "a1", "2024-01-01", lines=lines, term={"end": "2026-01-01"}))
    day = day_of("2024-05-01")
    accounts = [("a", items, notes)]
    assert values_of(accounts, "USD", day, selected_groups(None, {})) == {"": Values(1, Fraction(3600), Fraction(1800))}
    pro, seat = Values(1, Fraction(2400), Fraction(1200)), Values(1, Fraction(1200), Fraction(600))
    assert values_of(accounts, "USD", day, selected_groups("plan", {})) == {"pro": pro, "seat": seat}
    assert values_of(accounts, "EUR", day, selected_groups(None, {})) == {}
    assert Values() == NONE


def test_contracts_signed_in_a_window_count_from_their_first_revenue_on() -> None:
    """A trial delays it; what comes back was signed long ago; a year is that of the term, ramp and all."""
    ramp = [line(100, until="2024-07-01"), line(300, line_id="l2", **{"from": "2024-07-01"})]
    items, notes = known(
        fact("signed", "a1", "2024-01-01", lines=ramp, term={"end": "2025-01-01"}, attributes={"segment": "smb"}),
        fact("signed", "a2", "2024-01-20", lines=[line(50)], trial_end="2024-02-10"),
        changed("a", "2024-02-01", segment="enterprise"),
        fact("cancelled", "a1", "2025-02-01"),
        fact("signed", "a1", "2025-03-01", lines=[line(999)]),
    )

    def begun(start: str, until: str, by: str | None = None) -> dict[str, Values]:
        bounds = day_of(start), day_of(until)
        return values_begun([("a", items, notes)], "USD", bounds, selected_groups(by, {}))

    assert begun("2024-01-01", "2024-02-01", "segment") == {"smb": Values(1, Fraction(2400), Fraction(2400))}
    assert begun("2024-02-10", "2024-02-11", "segment") == {"enterprise": Values(1, Fraction(600), Fraction(600))}
    assert begun("2024-02-11", "2026-01-01") == {}
    assert begun("2024-01-01", "2026-01-01") == {"": Values(2, Fraction(3000), Fraction(3000))}


RAMP = [line(100, until="2024-07-01"), line(300, line_id="l2", **{"from": "2024-07-01"})]
TERM = {"start": "2024-01-01", "end": "2025-01-01"}
YEARLY = fact("signed", "a1", "2024-01-01", lines=[line(100)], term=TERM)
RAMPED = fact("signed", "a1", "2024-01-01", lines=RAMP, term=TERM)


@pytest.mark.parametrize(
    ("signed", "later", "yearly"),
    [
        (YEARLY, fact("cancelled", "a1", "2024-05-01"), 1200),
        (YEARLY, fact("cancelled", "a1", "2024-02-01", effective_at="2024-05-01"), 1200),
        (YEARLY, fact("upgraded", "a1", "2024-05-01", lines=[line(900)]), 1200),
        (YEARLY, fact("paused", "a1", "2024-05-01"), 1200),
        (YEARLY, fact("upgraded", "a1", "2024-01-01T12:00:00Z", effective_at="2024-07-01", lines=[line(300)]), 2400),
        (YEARLY, fact("cancelled", "a1", "2024-01-01T12:00:00Z", effective_at="2024-07-01"), 600),
        (RAMPED, fact("cancelled", "a1", "2024-09-01"), 2400),
        (fact("signed", "a1", "2024-03-01", effective_at="2024-01-01", lines=RAMP, term=TERM), None, 2400),
        (RAMPED, fact("cancelled", "a1", "2024-05-01"), 1200),
    ],
)
def test_what_is_signed_is_signed_whatever_becomes_of_it(signed: Event, later: Event | None, yearly: int) -> None:
    """Steps that were agreed on the first day count, as far as the contract got before something happened to it."""
    items, notes = known(signed, *([later] if later else []))
    groups, year = selected_groups(None, {}), (day_of("2024-01-01"), day_of("2025-01-01"))
    found = values_begun([("a", items, notes)], "USD", year, groups)
    assert found == {"": Values(1, Fraction(yearly), Fraction(yearly))}
