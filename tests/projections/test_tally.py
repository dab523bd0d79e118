"""Tallies against their definition: group by group, day by day, each on its own."""

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from events.movements import Movement, Posting
from events.timeline import Cell
from projections.groups import Group, selected_groups, standing_groups
from projections.records import Key
from projections.tally import ACTIVE, COUNTED, COUNTS, EVERY, Count, Tally, tally_changes, tally_of
from tests.effort import examples
from tests.projections.booked import posted, record

SHORTER = settings(max_examples=examples(200), deadline=None)
ACCOUNT = "acme"
MOVEMENTS: tuple[Movement, ...] = ("new", "reactivation", "expansion", "contraction", "churn", "transfer", "ahead")


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """A cell that shares some of its groups with others."""
    labels = [("owner", draw(st.sampled_from(("kim", "lee"))))] if draw(st.booleans()) else []
    labels += [("segment", draw(st.sampled_from(("smb", "enterprise"))))] if draw(st.booleans()) else []
    currency, line, plan = (draw(st.sampled_from(names)) for names in (("USD", "KRW"), ("l1", "l2"), ("pro", "team")))
    return Cell(currency, "k1", line, plan, "", tuple(labels))


@st.composite
def postings(draw: st.DrawFn) -> Posting:
    """Any posting of the first days of 1970: sums need not make sense to be counted."""
    amount = draw(st.integers(-3, 3).filter(bool))
    return Posting(draw(st.integers(0, 5)), draw(st.sampled_from(MOVEMENTS)), amount, draw(cells()))


SOME = st.lists(postings(), max_size=12)


Items = Mapping[Key, int]


def group_amounts(record: Items, currency: str, group: Group) -> dict[tuple[str, int], int]:
    """What a record holds for one group, by kind and day."""
    sums: dict[tuple[str, int], int] = {}
    for (day, movement, cell, _), amount in record.items():
        if cell.currency == currency and group in standing_groups(ACCOUNT, cell):
            sums[movement, day] = sums.get((movement, day), 0) + amount
    return sums


def defined(record: Items) -> Tally:
    """The tally of an account as it is defined."""
    groups = {(cell.currency, group) for _, _, cell, _ in record for group in standing_groups(ACCOUNT, cell)}
    tally: Tally = {}
    for currency, group in groups:
        sums = group_amounts(record, currency, group)
        for (kind, day), amount in sums.items():
            tally[currency, group, day, kind] = amount
            if kind in COUNTED and amount:
                tally[currency, group, day, COUNTED[kind]] = 1
        was_active = False
        for end in range(6):
            level = sum(amount for (kind, day), amount in sums.items() if day <= end and kind != "ahead")
            if was_active != (level > 0):
                tally[currency, group, end, ACTIVE] = -1 if was_active else 1
            was_active = level > 0
    return {key: amount for key, amount in tally.items() if amount}


def defined_in_all(record: Items) -> Tally:
    """The same, with what leads from the numbers of accounts in each currency to that in any of them."""
    tally = defined(record)
    as_one: dict[Key, int] = {}
    for (day, movement, cell, _), amount in record.items():
        key = (day, movement, replace(cell, currency=EVERY), None)
        as_one[key] = as_one.get(key, 0) + amount
    counts = {key: amount for key, amount in defined(as_one).items() if key[-1] in COUNTS}
    for (_, group, day, kind), amount in tally.items():
        if kind in COUNTS:
            counts[EVERY, group, day, kind] = counts.get((EVERY, group, day, kind), 0) - amount
    return without_zeros({**tally, **counts})


def without_zeros(tally: Mapping[tuple[str, Group, int, str], int]) -> Tally:
    return {key: amount for key, amount in tally.items() if amount}


def told(before: Sequence[Posting], more: Sequence[Posting]) -> list[tuple[str, Group, list[Count]]]:
    """What more postings change in the tally of an account, group by group."""
    return [
        (spread.currency, group, counts)
        for spread, counts in tally_changes(record(*before), posted(more))
        for group in spread.groups
    ]


@SHORTER
@given(SOME)
def test_a_tally_is_what_it_is_defined_as(before: list[Posting]) -> None:
    items = dict(record(*before).items())
    assert without_zeros(tally_of(ACCOUNT, items.items(), standing_groups, {})) == defined_in_all(items)


@SHORTER
@given(SOME, SOME.filter(bool))
def test_changes_lead_from_one_tally_to_the_next(before: list[Posting], more: list[Posting]) -> None:
    """Also where postings come late, cancel out, or take back what was there."""
    sums = defined_in_all(dict(record(*before).items()))
    for currency, group, counts in told(before, more):
        for kind, day, amount in counts:
            key = (currency, group, day, kind)
            sums[key] = sums.get(key, 0) + amount
    assert without_zeros(sums) == defined_in_all(dict(record(*before, *more).items()))


@SHORTER
@given(SOME, SOME.filter(bool))
def test_changes_tell_every_group_once(before: list[Posting], more: list[Posting]) -> None:
    """Those posted to and no others, so that a group without any sum is known by its name."""
    groups = [(currency, group) for currency, group, _ in told(before, more) if currency != EVERY]
    assert len(groups) == len(set(groups))
    assert {(one.cell.currency, group) for one in more for group in standing_groups(ACCOUNT, one.cell)} == set(groups)


def test_an_account_counts_once_a_day_in_a_group_however_many_lines_it_has() -> None:
    first, second = (Cell("USD", "k1", line, "pro", "", ()) for line in ("l1", "l2"))
    items: Items = {
        (1, "new", first, None): 5,
        (1, "new", second, None): 7,
        (3, "churn", first, None): -5,
        (3, "churn", second, None): -7,
    }
    whole = tally_of(ACCOUNT, items.items(), selected_groups(None, {}), {})
    assert {(day, kind): amount for (_, _, day, kind), amount in whole.items()} == {
        (1, "new"): 12,
        (1, "n_new"): 1,
        (1, "active"): 1,
        (3, "churn"): -12,
        (3, "n_churned"): 1,
        (3, "active"): -1,
    }


def test_what_was_there_before_keeps_an_account_active() -> None:
    """A loss from an opening level ends the activity only if nothing is left."""
    cell = Cell("USD", "k1", "l1", "pro", "", ())
    items: Items = {(2, "contraction", cell, None): -3, (4, "churn", cell, None): -2}
    tally = tally_of(ACCOUNT, items.items(), selected_groups(None, {}), {cell: 5})
    assert [(day, amount) for (_, _, day, kind), amount in tally.items() if kind == ACTIVE] == [(4, -1)]


def test_an_account_with_two_currencies_is_one_account() -> None:
    """New in both on one day, gone in one, then in the other: one comes and one goes, under all currencies together."""
    dollars, euros = (Cell(currency, "k1", "l1", "pro", "", ()) for currency in ("USD", "EUR"))
    items: Items = {
        (1, "new", dollars, None): 5,
        (1, "new", euros, None): 7,
        (3, "contraction", dollars, None): -5,
        (4, "churn", euros, None): -7,
    }
    whole = tally_of(ACCOUNT, items.items(), selected_groups(None, {}), {})
    corrections = {(day, kind): amount for (currency, _, day, kind), amount in whole.items() if currency == EVERY}
    assert {key: amount for key, amount in corrections.items() if amount} == {
        (1, "n_new"): -1,
        (1, "active"): -1,
        (3, "active"): 1,
    }
