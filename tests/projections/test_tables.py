"""Tables: what each of them lists, worked out by hand."""

from typing import Any

from events.notes import noted, noted_after, notes_in_force
from projections.tables import TABLES, Asked, Told
from tests.model.days import Event, day_of
from tests.model.notation import fact, line
from tests.projections.folding import bookings_of, projected
from tests.services.books import raw_of


def answered(account: str, time: str, score: int, survey: str = "nps", **said: object) -> Event:
    """An answer of an account."""
    event = fact("answered", account, f"{time}T12:00:00Z", survey=survey, score=score, **said)
    data = {name: value for name, value in event["data"].items() if name != "contract_id"}
    return event | {"type": "revledger.survey.answered.v1", "id": f"{time}{account}{survey}", "data": data}


HISTORY = [
    fact("signed", "a1", "2023-01-10", lines=[line(500)], term={"end": "2024-01-10"}),
    fact("signed", "b1", "2023-02-10", lines=[line(300)]),
    fact("signed", "c1", "2023-02-20", lines=[line(100)], term={"end": "2024-06-01", "auto_renew": False}),
    fact("signed", "d1", "2024-03-05", lines=[line(100)], term={"end": "2024-07-05"}),
    fact("upgraded", "b1", "2024-02-01", lines=[line(400)]),
    fact("cancelled", "a1", "2024-04-15"),
    answered("b", "2024-04-01", 3, tags=["price", "bugs"]),
    answered("b", "2024-01-01", 10, tags=["old"]),
    answered("c", "2024-04-02", 9),
    answered("c", "2024-04-03", 4, "csat"),
]


def table(name: str, day: str, *history: Event) -> list[dict[str, Any]]:
    """The rows of a table as a day begins."""
    events = history or HISTORY
    views = projected([bookings_of(events)])
    notes: dict[str, bytes] = {}
    for event in events:
        if note := noted(raw_of(event), None):
            notes[event["subject"]] = noted_after(notes.get(event["subject"]), [note])
    told: list[Told] = [
        (account, list(views.record(account).items()), notes_in_force(notes.get(account, noted_after(None, []))))
        for account in views.records
    ]
    return TABLES[name].rows(told, Asked("USD", day_of(day)))


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]


def test_every_row_has_the_columns_of_its_table() -> None:
    for name, one in TABLES.items():
        rows = table(name, "2024-04-10")
        assert rows, name
        assert all([*row] == [column.name for column in one.columns] for row in rows), name
        assert not any(row["accounts"] for row in one.rows([], Asked("USD", 0))), name


def test_concentration_adds_up_and_warns_of_three_that_make_most() -> None:
    rows = table("concentration", "2024-04-01")
    assert columns(rows, "rank", "account", "mrr_minor", "share") == [
        (1, "a", 500, "0.45454545"),
        (2, "b", 400, "0.36363636"),
        (3, "c", 100, "0.09090909"),
        (4, "d", 100, "0.09090909"),
    ]
    assert [row["share_so_far"] for row in rows][1:] == ["0.81818182", "0.90909091", "1.00000000"]
    warned = TABLES["concentration"].warned
    assert warned(rows) == "three accounts make more than half of the revenue"
    assert warned(rows[:3]) is None
    assert warned([{"share_so_far": f"0.{n}0000000"} for n in (1, 3, 5, 7)]) is None


def test_renewals_are_terms_that_end_soon_with_what_was_last_heard() -> None:
    """A renewed itself until 2025, b has no end; c ends on 1 June, d on 5 July."""
    rows = table("renewals", "2024-05-01")
    assert columns(rows, "ends", "within_days", "account", "renews", "mrr_minor", "acv_minor") == [
        ("2024-06-01", 90, "c", "no", 100, 1200),
        ("2024-07-05", 90, "d", "yes", 100, 1200),
    ]
    assert columns(rows, "nps", "csat", "last_movement", "moved") == [
        (9, 4, "new", "2023-02-20"),
        (None, None, "new", "2024-03-05"),
    ]
    nearer = table("renewals", "2024-05-26")
    assert columns(nearer, "account", "within_days") == [("c", 7), ("d", 90)]
    assert columns(table("renewals", "2023-12-20"), "account", "within_days") == [("a", 30)]


def test_accounts_grow_shrink_or_stay() -> None:
    rows = table("accounts", "2024-05-01")
    assert columns(rows, "account", "pattern", "then_minor", "mrr_minor", "change_minor") == [
        ("b", "growing", 300, 400, 100),
        ("c", "flat", 100, 100, 0),
        ("d", "growing", 0, 100, 100),
        ("a", "shrinking", 500, 0, -500),
    ]


def test_revenue_at_risk_is_that_of_whoever_warned_last() -> None:
    rows = table("risk", "2024-05-01")
    assert rows == [
        {"account": "b", "mrr_minor": 400, "nps": 3, "answered": "2024-04-01", "tags": ["bugs", "price"]},
    ]
    assert table("risk", "2024-04-01") == []


def test_upsell_is_for_promoters_below_their_segment() -> None:
    """Of b, c and d a year is worth 4800, 1200, 1200; of a, which leaves after 3 months and 5 of 30 days, 1583."""
    assert table("upsell", "2024-04-10") == [
        {"account": "c", "segment": "", "nps": 9, "acv_minor": 1200, "segment_acv_minor": 2196, "gap_minor": 996}
    ]
    assert table("upsell", "2024-04-01") == []


def test_bands_against_who_has_left_since() -> None:
    """On 1 May, of 1 February: b had recommended, a and c had said nothing; a left, d was not there yet."""
    shown = ("band", "accounts", "mrr_minor", "churned", "churned_minor", "churn_rate")
    assert columns(table("bands", "2024-05-01"), *shown) == [
        ("promoters", 1, 300, 0, 0, "0.00000000"),
        ("passives", 0, 0, 0, 0, None),
        ("detractors", 0, 0, 0, 0, None),
        ("silent", 2, 600, 1, 500, "0.50000000"),
    ]


def test_tags_by_month_with_the_revenue_of_today() -> None:
    assert [tuple(row.values()) for row in table("tags", "2024-05-01")] == [
        ("2024-04", "bugs", 1, 1, 400),
        ("2024-04", "price", 1, 1, 400),
        ("2024-01", "old", 1, 1, 400),
    ]


def test_cohorts_tell_who_is_left() -> None:
    rows = columns(table("cohorts", "2024-05-01"), "cohort", "month", "size", "accounts", "mrr_minor", "mrr_kept")
    assert [row for row in rows if row[1] in (0, 12, 14, 15) and row[0] != "2024-03"] == [
        ("2023-01", 0, 1, 1, 500, "1.00000000"),
        ("2023-01", 12, 1, 1, 500, "1.00000000"),
        ("2023-01", 14, 1, 1, 500, "1.00000000"),
        ("2023-01", 15, 1, 0, 0, "0.00000000"),
        ("2023-02", 0, 2, 2, 400, "1.00000000"),
        ("2023-02", 12, 2, 2, 500, "1.25000000"),
        ("2023-02", 14, 2, 2, 500, "1.25000000"),
    ]
    last = {cohort: mrr for cohort, _, _, _, mrr, _ in rows}
    assert sum(last.values()) == 600  # the level of 1 May
