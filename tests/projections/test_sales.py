"""Sales: what was sold by whom and when, and what became of it, worked out by hand."""

from typing import Any

import pytest

from events.notes import noted, noted_after, notes_in_force
from events.policy import DEFAULT_RULES
from events.stated import facts_in_force, stated
from projections.periods import PeriodError
from projections.sales import AskedSales, Sources, Told, sales_rows, whole_periods
from projections.tables import SALES
from tests.model.days import Event, day_of
from tests.model.notation import changed, fact, line
from tests.projections.folding import bookings_of, projected
from tests.services.books import raw_of

SIDE = ("new_mrr_minor", "new_accounts", "acv_signed_minor", "discount_share", "nrr", "cac_minor")
QUARTER = ("2024-01-01", "2024-04-01")
NOTHING = (0, 0, None, None, None, None)


def cost(day: str, amount_minor: int, **named: str) -> Event:
    """What three months from a day on cost."""
    event = fact("cost", "x1", day)
    data = {"kind": "acquisition", "amount_minor": amount_minor, "currency": "USD", "from": day, "until": "2024-04-01"}
    return event | {"type": "revledger.cost.recorded.v1", "subject": "~book", "data": data | named}


def signed(contract: str, day: str, amount_minor: int, owner: str = "", **said: Any) -> Event:
    """A contract of one line, whose discounts are named apart."""
    lines = [line(amount_minor, discounts=said.pop("discounts", []))]
    return fact("signed", contract, day, lines=lines, **said, **({"owner": owner} if owner else {}))


HISTORY = [
    signed("a1", "2023-02-10", 10_000, "kim", campaign="spring"),
    signed("b1", "2024-01-20", 20_000, "kim", term={"end": "2025-01-20"}, discounts=[{"percent": "10"}]),
    signed("c1", "2024-02-01", 30_000, "lee", discounts=[{"percent": "50", "until": "2024-05-01"}]),
    signed("a1", "2024-02-15", 15_000, "lee"),
    signed("a2", "2024-03-01", 4_000, "lee"),
    signed("d1", "2024-03-05", 7_000, attributes={"segment": "smb"}),
    cost("2024-01-01", 90_000, owner="kim"),
    cost("2024-01-02", 50_000),
]
KIM = (18_000, 1, 216_000, "0.10000000", "1.50000000", 90_000)
KIM_BEFORE = (10_000, 1, 120_000, "0.00000000", None, None)
LEE = (15_000, 1, 181_500, "0.11029412", None, None)
WHOLE = (40_000, 3, 165_750, "0.09426230", "1.90000000", 46_667)


def sold(
    name: str, *history: Event, window: tuple[str, str] = QUARTER, **asked: Any
) -> dict[str, list[dict[str, Any]]]:
    """The rows of a table of what was sold, by group."""
    events = history or HISTORY
    views = projected([bookings_of([one for one in events if one["subject"] != "~book"])])
    notes: dict[str, bytes] = {}
    said: dict[str, bytes] = {}
    for seq, event in enumerate(events):
        subject = event["subject"]
        if note := noted(raw_of(event), None):
            notes[subject] = noted_after(notes.get(subject), [note])
        if note := stated(raw_of(event), seq):
            said[subject] = noted_after(said.get(subject), [note])
    by_account = {account: notes_in_force(data) for account, data in notes.items()}
    told: list[Told] = [
        (account, list(views.record(account).items()), by_account.get(account, []))
        for account in {**views.records, **by_account}
    ]
    off = {account: facts for account, data in said.items() if (facts := facts_in_force(data, DEFAULT_RULES))}
    start, until = map(day_of, window)
    sources = Sources(told, lambda account: off.get(account, ()))
    return sales_rows(SALES[name], sources, AskedSales("USD", start, until, **asked))


def sides(row: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Both sides of a row."""
    return tuple(row[name] for name in SIDE), tuple(row[f"before_{name}"] for name in SIDE)


def test_sellers_beside_a_year_before() -> None:
    """Kim sold B at 10 % off and spent 900 on it, and what A has of Kim grew from 100 to 150, although Lee has it now.

    Lee sold C, half off for three months of the year, and another contract to A, which is not new.
    """
    rows = sold("sellers")[""]
    assert [row["owner"] for row in rows] == ["kim", "lee", None]
    assert sides(rows[0]) == (KIM, KIM_BEFORE)
    assert sides(rows[1]) == (LEE, NOTHING)
    assert sides(rows[2]) == ((7_000, 1, 84_000, "0.00000000", None, 50_000), NOTHING)


def test_seasons_are_the_whole_and_campaigns_and_channels_alike() -> None:
    (row,) = sold("seasons")[""]
    assert row["period"] == "2024-Q1"
    assert sides(row) == (WHOLE, KIM_BEFORE)
    (spring, other) = sold("campaigns", window=("2023-01-01", "2023-04-01"))[""], sold("campaigns")[""]
    assert [(row["campaign"], sides(row)[0]) for row in spring] == [("spring", KIM_BEFORE)]
    assert [row["campaign"] for row in other] == [None, "spring"]
    assert sides(other[1]) == ((0, 0, None, None, "1.50000000", None), KIM_BEFORE)
    assert [row["channel"] for row in sold("channels")[""]] == [None]


def test_filters_and_groups_go_by_who_won_and_by_labels_as_they_are() -> None:
    """A is grouped by its segment of the day; the filter by owner takes what Kim won, whoever has it now."""
    (row,) = sold("seasons", where={"owner": "kim"})[""]
    assert sides(row) == (KIM, KIM_BEFORE)
    history = [*HISTORY, changed("a", "2023-12-10", segment="smb")]
    groups = sold("sellers", *history, by="segment")
    assert {group: [row["owner"] for row in rows] for group, rows in groups.items()} == {
        "": ["kim", "lee"],
        "smb": [None, "kim", "lee"],
    }
    assert groups["smb"] == sold("sellers", *history, where={"segment": "smb"})[""]
    assert sides(groups["smb"][1]) == ((0, 0, None, None, "1.50000000", None), NOTHING)
    assert sides(groups[""][0])[1] == KIM_BEFORE


def test_periods_are_cut_and_named() -> None:
    window = ("2024-01-15", "2024-04-10")
    rows = sold("seasons", window=window)[""]
    assert [row["period"] for row in rows] == ["2024-04-01..2024-04-10", "2024-01-15..2024-04-01"]
    months = sold("seasons", window=QUARTER, every="month")[""]
    assert [row["period"] for row in months] == ["2024-03", "2024-02", "2024-01"]
    assert sum(row["new_mrr_minor"] for row in months) == WHOLE[0]
    assert whole_periods(day_of("2024-02-01"), day_of("2024-04-02"), "quarter") == (
        day_of("2024-01-01"),
        day_of("2024-07-01"),
    )
    with pytest.raises(PeriodError, match="more than 400 seasons"):
        sold("seasons", window=("1950-01-01", "2024-01-01"), every="month")


def test_nothing_sold_is_zeros_and_nulls() -> None:
    asked = AskedSales("USD", day_of(QUARTER[0]), day_of(QUARTER[1]))
    (row,) = sales_rows(SALES["seasons"], Sources([]), asked)[""]
    assert sides(row) == (NOTHING, NOTHING)
    assert sales_rows(SALES["sellers"], Sources([]), asked) == {}
    assert sold("sellers", window=("2020-01-01", "2020-04-01")) == {}


def test_every_row_has_the_columns_of_its_table() -> None:
    for name, table in SALES.items():
        rows = sold(name)[""]
        assert rows, name
        assert all([*row] == [column.name for column in table.columns] for row in rows), name
