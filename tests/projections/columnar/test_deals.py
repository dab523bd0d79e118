"""Deals: contracts in columns are worth what they are worth one by one, to the last bit."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from events.notes import Agreed
from events.timeline import Cell
from projections.columnar.arrays import TOTAL_MAX
from projections.columnar.layers import Layers
from projections.columnar.numbering import Vocabulary
from projections.groups import Choice, selected_groups
from projections.records import Record, TooLarge
from projections.terms import values_begun, values_of
from tests.model.histories import FIRST_DAY
from tests.projections.booked import bookings, cell, posting, record, records_of
from tests.projections.columnar.test_arrays import CHOICES, DAYS

TERMS = st.sampled_from(({}, {"term_months": "12"}))
Notes = Mapping[str, Sequence[Agreed]]


@st.composite
def agreed(draw: st.DrawFn, contract: str) -> Agreed:
    """A term of a contract: of whole months or of any days, for once or again and again."""
    day = draw(DAYS)
    start = day + draw(st.sampled_from((0, 0, 0, -20, 40)))
    end = start + draw(st.sampled_from((28, 30, 31, 59, 365, 366, 731, 1)))
    moment = day * 10 + draw(st.integers(0, 2))
    return Agreed(b"", contract, day, moment, start, end, draw(st.booleans()))


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Record]:
    """Accounts whose contracts change plans, prices and labels on days near the ends of months."""
    made: dict[str, Record] = {}
    for account in draw(st.sets(st.sampled_from("abcdef"), min_size=1)):
        postings = []
        for contract in draw(st.sets(st.sampled_from(("k1", "k2")), min_size=1)):
            currency = draw(st.sampled_from(("USD", "USD", "EUR")))
            day = FIRST_DAY + draw(st.integers(0, 120))
            held: dict[Cell, int] = {}
            for _ in range(draw(st.integers(1, 5))):
                labels = {"segment": draw(st.sampled_from(("smb", "big")))} | draw(TERMS)
                of = cell(draw(st.sampled_from(("pro", "basic"))), contract=contract, currency=currency, **labels)
                level = draw(st.sampled_from((0, 120_000, 7, 10**12, 999)))
                others = [one for one in held if one != of]
                postings += [posting(day, "transfer", -held.pop(one), one) for one in others if draw(st.integers(0, 3))]
                if level != held.get(of, 0):
                    change = level - held.get(of, 0)
                    postings.append(posting(day, "expansion", change, of))
                    known = day + draw(st.integers(-200, 20))
                    if known != day and draw(st.booleans()):
                        postings += [posting(at, "ahead", one, of) for at, one in ((known, change), (day, -change))]
                    held[of] = level
                day += draw(st.integers(0, 200))
        kept = [one for one in postings if one.amount]
        if kept:
            made[account] = record(*kept)
    return made


def check(layers: Layers, records: Mapping[str, Record], notes: Notes, data: st.DataObject) -> None:
    """What layers say of a question is what the accounts say one by one."""
    choice = data.draw(CHOICES)
    groups = selected_groups(choice.by, choice.where)
    told = [(name, [*one.items()], notes.get(name, ())) for name, one in records.items()]
    start, until = sorted((data.draw(DAYS), data.draw(DAYS) + data.draw(st.integers(0, 900))))
    assert layers.values(choice, until) == values_of(told, choice.currency, until, groups)
    assert layers.values_begun(choice, start, until) == values_begun(told, choice.currency, (start, until), groups)


def layers_of(
    records: Mapping[str, Record], early: Mapping[str, Record], notes: Notes, data: st.DataObject
) -> Layers:
    """Layers in which some accounts came early and changed since."""
    vocabulary = Vocabulary()
    layers = Layers().changed(early, vocabulary, notes)
    if data.draw(st.booleans()):
        layers.values_begun(Choice("USD"), FIRST_DAY, FIRST_DAY + 300)
    for account in {**early, **records}:
        layers = layers.changed({account: records.get(account)}, vocabulary, notes)
    return layers


@settings(max_examples=60, deadline=None)
@given(contracts(), st.data())
def test_contracts_in_columns_are_worth_the_same(records: dict[str, Record], data: st.DataObject) -> None:
    notes = {name: data.draw(st.lists(agreed("k1") | agreed("k2"), max_size=4)) for name in records}
    layers = layers_of(records, {}, notes, data)
    for _ in range(4):
        check(layers, records, notes, data)


@settings(max_examples=30, deadline=None)
@given(bookings(), st.data())
def test_contracts_of_random_histories(made: list[Booking], data: st.DataObject) -> None:
    records = records_of(made)
    early = records_of(made[: data.draw(st.integers(0, len(made)))])
    names = [f"{account}-{contract}" for account in records for contract in ("k1", "k2")]
    terms = st.lists(st.sampled_from(names).flatmap(agreed), max_size=5) if names else st.just([])
    notes = {account: data.draw(terms) for account in {**early, **records}}
    layers = layers_of(records, early, notes, data)
    for _ in range(4):
        check(layers, records, notes, data)


def test_what_64_bits_have_no_room_for_is_not_added_up() -> None:
    one = record(posting(1, "new", TOTAL_MAX // 2), posting(2, "expansion", 5))
    layers = Layers().changed({"a": one}, Vocabulary())
    with pytest.raises(TooLarge):
        layers.values(Choice("USD"), 9)
