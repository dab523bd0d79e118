"""The model of the books against published examples of the field, and against the laws that it must obey."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model import figures
from tests.model.books import Cell, Level, accounts_of, facts_in_force, level, movements
from tests.model.days import Event, day_of
from tests.model.histories import CURRENCIES, FIRST_DAY, SPANS_DAYS, arrival_orders, histories
from tests.model.notation import changed, fact, line, moved, retracted

WINDOW = (FIRST_DAY - 10, FIRST_DAY + max(SPANS_DAYS) + 800)
BREAKDOWNS = ("plan", "product", "contract", "account", "owner", "segment", "term_months")


# ---------------------------------------------------------------- published examples

REBILLY = [
    fact("signed", "a1", "2024-01-05", lines=[line(4000)]),
    fact("upgraded", "a1", "2024-02-05", lines=[line(10000)]),
    fact("downgraded", "a1", "2024-03-05", lines=[line(8000)]),
    fact("cancelled", "a1", "2024-04-05"),
    fact("signed", "a1", "2024-05-05", lines=[line(2500)]),
]
POLAR = [
    fact("signed", "a1", "2024-01-01", lines=[line(10000)]),
    fact("signed", "b1", "2024-02-01", lines=[line(10000)], term={"end": "2024-03-01", "auto_renew": False}),
]
NOTICE = [
    fact("signed", "a1", "2024-01-01", lines=[line(1000)]),
    fact("signed", "b1", "2024-01-01", lines=[line(1000)]),
    fact("cancelled", "a1", "2024-02-15", effective_at="2024-03-01", reason="too_expensive"),
]
CAPPED = [
    fact("signed", "a1", "2024-01-01", lines=[line(10000)]),
    fact("upgraded", "a1", "2024-06-01", lines=[line(15000)]),
    fact("signed", "b1", "2024-01-01", lines=[line(10000)]),
    fact("downgraded", "b1", "2024-06-01", lines=[line(5000)]),
]
CHARTMOGUL = [
    *(fact("signed", f"{account}1", "2023-12-01", lines=[line(1000)]) for account in "abcdefghij"),
    fact("cancelled", "a1", "2024-01-10"),
    fact("downgraded", "b1", "2024-01-10", lines=[line(500)]),
    fact("downgraded", "c1", "2024-01-10", lines=[line(500)]),
    fact("upgraded", "d1", "2024-01-10", lines=[line(2000)]),
]


def test_life_of_one_account() -> None:
    """Rebilly's definitions: new 40, to 100, to 80, to nothing, back at 25."""
    assert moved(REBILLY, "2024-01-01", "2024-06-01") == [
        {"new": 4000, "closing": 4000},
        {"opening": 4000, "expansion": 6000, "closing": 10000},
        {"opening": 10000, "contraction": -2000, "closing": 8000},
        {"opening": 8000, "churn": -8000},
        {"reactivation": 2500, "closing": 2500},
    ]


def test_committed_revenue_knows_the_end_of_a_term() -> None:
    """Polar: 100, 200, 100; committed 100 throughout."""
    days = [day_of(text) for text in ("2024-02-01", "2024-03-01", "2024-04-01")]
    assert [figures.mrr(POLAR, day, "USD") for day in days] == [10000, 20000, 10000]
    assert [figures.mrr_minor(figures.committed(POLAR, day)["USD"]) for day in days] == [10000] * 3
    assert figures.scheduled_churn(POLAR, days[0]) == {"USD": -10000 * 120_000}


def test_notice_now_churn_later() -> None:
    """ProfitWell, Polar, RevenueCat: notice on 15 February, paid until 1 March, churn on 1 March."""
    february, march, april = (day_of(text) for text in ("2024-02-01", "2024-03-01", "2024-04-01"))
    assert figures.customer_churn_rate(NOTICE, february, march, "USD") == 0
    assert figures.customer_churn_rate(NOTICE, march, april, "USD") == Fraction(1, 2)
    churn = [p for p in movements(NOTICE) if p.movement == "churn"]
    assert [(p.day, p.reason, p.initiative) for p in churn] == [(march, "too_expensive", None)]


def test_losing_one_of_two_contracts_is_contraction() -> None:
    """Stripe: losing the first of two is a downgrade, losing the last is churn."""
    signings = [fact("signed", name, "2024-01-01", lines=[line(5000)]) for name in ("a1", "a2")]
    ends = [fact("cancelled", "a1", "2024-02-10"), fact("cancelled", "a2", "2024-03-10")]
    assert moved(signings + ends, "2024-02-01", "2024-04-01") == [
        {"opening": 10000, "contraction": -5000, "closing": 5000},
        {"opening": 5000, "churn": -5000},
    ]


def test_a_plan_switch_is_a_transfer_and_an_expansion() -> None:
    """ChartMogul: 100 to 250 is an expansion of 150; by plan, 100 of it moved over."""
    events = [
        fact("signed", "a1", "2019-01-01", lines=[line(10000, plan="basic")]),
        fact("upgraded", "a1", "2019-02-01", lines=[line(25000, plan="pro")]),
    ]
    assert moved(events, "2019-02-01", "2019-03-01") == [
        {"opening": 10000, "expansion": 15000, "closing": 25000}
    ]
    assert moved(events, "2019-02-01", "2019-03-01", by="plan") == [
        {"group": "basic", "opening": 10000, "transfer": -10000},
        {"group": "pro", "expansion": 15000, "transfer": 10000, "closing": 25000},
    ]


def test_a_changed_attribute_is_a_transfer() -> None:
    """An account that becomes an enterprise moves nothing in total."""
    events = [
        fact("signed", "a1", "2024-01-01", lines=[line(1000)], attributes={"segment": "smb"}),
        changed("a", "2024-02-10", segment="enterprise"),
    ]
    assert moved(events, "2024-02-01", "2024-03-01") == [{"opening": 1000, "closing": 1000}]
    assert moved(events, "2024-02-01", "2024-03-01", by="segment") == [
        {"group": "enterprise", "transfer": 1000, "closing": 1000},
        {"group": "smb", "opening": 1000, "transfer": -1000},
    ]


def test_an_upgrade_that_arrives_first_waits_for_its_contract() -> None:
    """The upgrade alone moves nothing; with the contract behind it, both count."""
    upgrade = fact("upgraded", "a1", "2024-02-01", lines=[line(2000)])
    signing = fact("signed", "a1", "2024-01-01", lines=[line(1000)])
    assert movements([upgrade]) == []
    assert moved([upgrade, signing], "2024-01-01", "2024-03-01") == [
        {"new": 1000, "closing": 1000},
        {"opening": 1000, "expansion": 1000, "closing": 2000},
    ]


def test_what_is_learnt_late_restates_the_past() -> None:
    """A churn of 10 March learnt on 5 April: cut before it, March still closes at 20.00."""
    known = [fact("signed", name, "2024-01-01", lines=[line(1000)]) for name in ("a1", "b1")]
    learnt = [*known, fact("cancelled", "b1", "2024-03-10")]
    assert moved(known, "2024-03-01", "2024-04-01") == [{"opening": 2000, "closing": 2000}]
    assert moved(learnt, "2024-03-01", "2024-04-01") == [{"opening": 2000, "churn": -1000, "closing": 1000}]


@pytest.mark.parametrize(
    ("lines", "mrr_minor"),
    [
        pytest.param([line(30000, interval_count=3)], 10000, id="Polar: 300 a quarter"),
        pytest.param([line(240_000, "year", interval_count=2)], 10000, id="Polar: 2,400 for two years"),
        pytest.param([line(5000, "week", interval_count=2)], 10833, id="Stripe: 50 every two weeks"),
        pytest.param([line(100_000, "year")], 8333, id="Polar: 1,000 a year"),
        pytest.param([line(12000, "year", discounts=[{"percent": "10"}])], 900, id="ProfitWell: 10% off 120"),
        pytest.param([line(4900, discounts=[{"amount_minor": 5000}])], 0, id="Stripe: 50 off 49 is nothing"),
        pytest.param(
            [line(5000), line(99900, line_id="l2", kind="one_time")], 5000, id="one-time is not MRR"
        ),
        pytest.param([line(5000), line(7, line_id="l2", kind="usage")], 5000, id="usage is not MRR"),
        pytest.param([line(5000, quantity=2)], 10000, id="ChartMogul: two seats"),
        pytest.param(
            [line(1000, "year", line_id=f"l{n}") for n in range(3)], 250, id="rounded once, at the edge"
        ),
    ],
)
def test_what_lines_are_worth(lines: list[dict[str, Any]], mrr_minor: int) -> None:
    """One month of a contract with these lines."""
    events = [fact("signed", "a1", "2024-01-01", lines=lines)]
    assert figures.mrr_minor(figures.arr(events, day_of("2024-02-01"), "USD")) == mrr_minor


def test_prices_that_change_by_themselves() -> None:
    """ProfitWell: 10% off for three months; the ACV article: a ramp from 20 to 30 million won a year."""
    off = {"percent": "10", "until": "2024-04-01"}
    ramp = [line(20_000_000, "year", until="2024-04-01"), line(30_000_000, "year", **{"from": "2024-04-01"})]
    discounted = [fact("signed", "a1", "2024-01-01", lines=[line(1000, discounts=[off])])]
    ramped = [fact("signed", "a1", "2024-01-01", lines=ramp, currency="KRW")]
    assert moved(discounted, "2024-04-01", "2024-05-01") == [
        {"opening": 900, "expansion": 100, "closing": 1000}
    ]
    assert moved(ramped, "2024-04-01", "2024-05-01", "KRW") == [
        {"opening": 1666667, "expansion": 833333, "closing": 2500000}
    ]


def test_rates() -> None:
    """ChartMogul: gross 20%, net 10%, one of ten customers; capped an account: NRR 100%, GRR 75%."""
    january = (day_of("2024-01-01"), day_of("2024-02-01"), "USD")
    year = (day_of("2024-02-01"), day_of("2025-02-01"), "USD")
    assert figures.gross_mrr_churn_rate(CHARTMOGUL, *january) == Fraction(1, 5)
    assert figures.net_mrr_churn_rate(CHARTMOGUL, *january) == Fraction(1, 10)
    assert figures.customer_churn_rate(CHARTMOGUL, *january) == Fraction(1, 10)
    assert figures.quick_ratio(CHARTMOGUL, *january) == Fraction(1, 2)
    assert figures.nrr(CAPPED, *year) == 1
    assert figures.grr(CAPPED, *year) == Fraction(3, 4)
    assert figures.nrr([], *year) is None
    assert figures.quick_ratio([], *year) is None


def test_revenue_per_account() -> None:
    """Polar: 100 a month and 1,000 a year are 91.67 per account; a free account does not count."""
    signings = {"a1": line(10000), "b1": line(100_000, "year"), "c1": line(0)}
    events = [fact("signed", name, "2024-01-01", lines=[priced]) for name, priced in signings.items()]
    assert figures.arpa(events, day_of("2024-02-01"), "USD") == Fraction(55000, 6)


# ---------------------------------------------------------------- rulings


@pytest.mark.parametrize(
    ("before", "after", "split"),
    [
        pytest.param(
            [line(100), line(300, line_id="l2", plan="old")],
            [line(250), line(200, line_id="l2"), line(500, line_id="l3")],
            "transfer l2 -300, transfer l2 200, transfer l1 100, expansion l1 50, expansion l3 500",
            id="what is left of a fall goes to the first other line",
        ),
        pytest.param(
            [line(100), line(100, line_id="l2", plan="old")],
            [line(250), line(250, line_id="l2")],
            "transfer l2 -100, transfer l2 100, expansion l1 150, expansion l2 150",
            id="its own line alone takes a fall that fits",
        ),
        pytest.param(
            [line(400), line(300, line_id="l2", plan="old"), line(50, line_id="l3")],
            [line(250), line(100, line_id="l2"), line(60, line_id="l3")],
            "transfer l3 10, transfer l2 100, transfer l2 -100, transfer l1 -10, "
            "contraction l1 -140, contraction l2 -200",
            id="a net fall is the mirror image",
        ),
        pytest.param(
            [line(100, plan="old"), line(50, line_id="l2")],
            [line(150)],
            "transfer l1 -100, transfer l1 150, transfer l2 -50",
            id="with no net change all is transfer",
        ),
    ],
)
def test_how_falls_use_up_rises(
    before: list[dict[str, Any]], after: list[dict[str, Any]], split: str
) -> None:
    """First the own line, then the others by (contract, line)."""
    events = [
        fact("signed", "a1", "2024-01-01", lines=before),
        fact("upgraded", "a1", "2024-02-01", lines=after),
    ]
    changes = [p for p in movements(events) if p.movement != "new"]
    found = [f"{p.movement} {p.cell.line_id} {p.amount_e4 // 120_000}" for p in changes]
    assert sorted(found) == sorted(split.split(", "))


@pytest.mark.parametrize(
    ("story", "mrr_minor"),
    [
        ("signed", 100),
        ("upgraded signed", 100),
        ("paused signed", 100),
        ("renewed", 0),
        ("signed paused", 0),
        ("signed paused resumed", 100),
        ("signed paused renewed", 0),
        ("signed paused upgraded resumed", 900),
        ("signed paused signed", 100),
        ("signed cancelled", 0),
        ("signed cancelled upgraded", 0),
        ("signed cancelled renewed", 100),
        ("signed upgraded cancelled renewed", 900),
        ("signed cancelled upgraded renewed", 100),
        ("signed paused cancelled renewed", 100),
        ("signed cancelled paused renewed", 100),
        ("signed cancelled resumed", 0),
        ("signed cancelled signed", 100),
    ],
)
def test_what_a_contract_becomes(story: str, mrr_minor: int) -> None:
    """Signed at 1.00 a month, upgraded to 9.00, one fact a day."""
    said: dict[str, dict[str, Any]] = {
        "signed": {"lines": [line(100)]},
        "upgraded": {"lines": [line(900)]},
        "renewed": {"term": {}},
    }
    events = [
        fact(kind, "a1", f"2024-01-0{day}", **said.get(kind, {})) for day, kind in enumerate(story.split(), 1)
    ]
    assert figures.mrr(events, day_of("2024-02-01"), "USD") == mrr_minor


@pytest.mark.parametrize(
    ("facts", "churned"),
    [
        ([], [("2024-03-01", "expired", "voluntary")]),
        ([fact("cancelled", "a1", "2024-03-01", reason="price")], [("2024-03-01", "price", None)]),
        ([fact("renewed", "a1", "2024-03-01", term={})], []),
        ([fact("renewed", "a1", "2024-03-02", term={})], [("2024-03-01", "expired", "voluntary")]),
        ([fact("paused", "a1", "2024-02-10")], [("2024-02-10", "paused", "voluntary")]),
        ([fact("upgraded", "a1", "2024-03-02", lines=[line(9)])], [("2024-03-01", "expired", "voluntary")]),
    ],
)
def test_why_a_contract_stopped(facts: list[Event], churned: list[tuple[str, str, str | None]]) -> None:
    """A fixed term until 1 March, and what else is said about it."""
    term = {"end": "2024-03-01", "auto_renew": False}
    events = [fact("signed", "a1", "2024-01-01", lines=[line(100)], term=term), *facts]
    found = [(p.day, p.reason, p.initiative) for p in movements(events) if p.movement == "churn"]
    assert found == [(day_of(day), reason, initiative) for day, reason, initiative in churned]


def test_a_retraction_is_final_and_may_come_first() -> None:
    """The retraction of a retraction brings nothing back."""
    signing = fact("signed", "a1", "2024-01-01", lines=[line(100)])
    first = retracted(signing, "2024-01-05")
    second = retracted(first, "2024-01-06")
    assert facts_in_force([first, signing, second]) == []
    assert movements([second, first, signing, signing]) == []


# ---------------------------------------------------------------- laws


@given(histories())
def test_the_level_of_every_day_is_the_sum_of_the_movements(history: list[Event]) -> None:
    """Cell by cell, on every day on which the facts or the days around them could matter."""
    postings = movements(history)
    edges = {posting.day + offset for posting in postings for offset in (-1, 0, 1)}
    days = sorted({*edges, *range(FIRST_DAY - 10, FIRST_DAY + 200, 13), WINDOW[1]})
    for account in accounts_of(history):
        for day in days:
            summed: dict[Cell, int] = {}
            for posting in postings:
                if posting.account == account and posting.day <= day:
                    summed[posting.cell] = summed.get(posting.cell, 0) + posting.amount_e4
            found: Level = {cell: amount for cell, amount in summed.items() if amount}
            assert found == level(history, account, day)


@given(histories(), st.sampled_from(CURRENCIES), st.sampled_from((None, *BREAKDOWNS)))
def test_every_bridge_closes(history: list[Event], currency: str, by: str | None) -> None:
    """Opening and movements sum to closing in every row, and a row opens where its group closed before."""
    closed: dict[str | None, int] = {}
    for row in figures.bridge(history, *WINDOW, "quarter", currency, by=by):
        inner = [row.amounts[name] for name in ("opening", *figures.MOVEMENTS)]
        assert sum(inner) == row.amounts["closing"]
        assert closed.get(row.group, 0) == row.amounts["opening"]
        closed[row.group] = row.amounts["closing"]


@given(histories(), st.sampled_from(CURRENCIES), st.sampled_from(BREAKDOWNS))
def test_groups_add_up_to_the_total(history: list[Event], currency: str, by: str) -> None:
    """Every column of the total is the sum of the groups."""
    for total in figures.bridge(history, *WINDOW, "year", currency):
        groups = figures.bridge(history, total.start, total.until, "year", currency, by=by)
        for name, amount in total.amounts.items():
            assert sum(group.amounts[name] for group in groups) == amount


@given(histories())
def test_movements_have_their_signs_and_transfers_cancel_out(history: list[Event]) -> None:
    """No account-day and currency has both growth and shrinkage, and its transfers sum to zero."""
    days: dict[tuple[str, int, str], dict[str, int]] = {}
    for posting in movements(history):
        sums = days.setdefault((posting.account, posting.day, posting.currency), {})
        sums[posting.movement] = sums.get(posting.movement, 0) + posting.amount_e4
        if posting.movement in ("new", "reactivation", "expansion"):
            assert posting.amount_e4 > 0
        elif posting.movement in ("churn", "contraction"):
            assert posting.amount_e4 < 0
    for sums in days.values():
        assert sums.pop("transfer", 0) == 0
        assert len(sums) <= 1


@given(st.data())
def test_the_order_of_arrival_does_not_matter(data: st.DataObject) -> None:
    """Shuffled and repeated, the same events make the same books."""
    history = data.draw(histories())
    shuffled = data.draw(arrival_orders(history))
    day = data.draw(st.integers(*WINDOW))
    assert sorted(map(repr, movements(shuffled))) == sorted(map(repr, movements(history)))
    assert figures.committed(shuffled, day) == figures.committed(history, day)


@given(st.data())
def test_a_retraction_leaves_the_books_as_if_it_had_never_been(data: st.DataObject) -> None:
    """Retracting an event is the same as leaving it out, at every place in the order of arrival."""
    history = data.draw(histories())
    target = data.draw(st.sampled_from(history))
    place = data.draw(st.integers(0, len(history)))
    wrong = retracted(target, "2024-01-01")
    without = [event for event in history if event != target or event["type"] == wrong["type"]]
    assert movements([*history[:place], wrong, *history[place:]]) == movements(without)


@given(histories(), st.sampled_from(CURRENCIES), st.integers(*WINDOW), st.integers(1, 400))
def test_figures_keep_their_bounds(history: list[Event], currency: str, start: int, days: int) -> None:
    """GRR is never above NRR or 1; committed revenue after everything happened is the level in the end."""
    net = figures.nrr(history, start, start + days, currency)
    gross = figures.grr(history, start, start + days, currency)
    if net is not None and gross is not None:
        assert 0 <= gross <= min(net, Fraction(1))
    far = WINDOW[1] + 10_000
    assert figures.committed(history, far).get(currency, 0) == figures.arr(history, far, currency)
    assert figures.scheduled_churn(history, far) == {}
