"""Reviewing: figures of the catalogue beyond their lines, by group, and what an alert says of it."""

from typing import Any

from services.alerts.firing.reviewing import is_beyond, reviewed
from services.alerts.rules.rulebook import rulebook_of_toml
from tests.model.days import day_of, moment
from tests.model.notation import fact, line
from tests.services.alerts.desk import ONLY, rule, two_accounts
from tests.services.books import MemoryBooks, books_of
from tests.services.running import asynchronous

TODAY = "2024-06-01"


async def looked(books: MemoryBooks, rules: str) -> dict[str, Any]:
    """Summary by name of what is beyond its line."""
    found = await reviewed(
        books.reports, rulebook_of_toml(ONLY + rules).rules, day_of(TODAY), moment(f"{TODAY}T12:00:00Z")
    )
    assert not found.wrong, found.wrong
    return {name: alert.summary for name, alert in found.beyond.items()}


@asynchronous
async def test_a_figure_of_a_day() -> None:
    books = await books_of(two_accounts())
    rules = rule("low", "figure", figure='"mrr_minor"', below="1000.01") + rule(
        "fine", "figure", figure='"mrr_minor"', below=1000
    )
    assert await looked(books, rules) == {"low|USD": "mrr_minor is 1,000.00 USD, below 1,000.01"}


@asynchronous
async def test_a_figure_of_a_window_that_ends_today() -> None:
    """The 30 days up to today, today among them."""
    books = await books_of([*two_accounts(), fact("cancelled", "b1", "2024-05-03")])
    high = rule("churn", "figure", figure='"gross_mrr_churn_rate"', above='"9%"', window='"30d"')
    told = {"churn|USD": "gross_mrr_churn_rate in USD is 10.00%, above 9.00%, from 2024-05-03 until 2024-06-02"}
    assert await looked(books, high) == told
    assert await looked(books, high.replace("30d", "29d")) == {}


@asynchronous
async def test_a_figure_by_label_and_of_one_group() -> None:
    books = await books_of([*two_accounts(), fact("cancelled", "b1", "2024-05-20")])
    by = rule("nrr", "figure", figure='"nrr"', below="0.5", window='"90d"', by='"segment"')
    assert list(await looked(books, by)) == ["nrr|USD|big"]
    where = rule("nrr", "figure", figure='"nrr"', below="0.5", window='"90d"', where='{ segment = "smb" }')
    assert await looked(books, where) == {}
    assert list(await looked(books, where.replace("smb", "big"))) == ["nrr|USD"]


@asynchronous
async def test_each_currency_is_looked_at() -> None:
    books = await books_of([*two_accounts(), fact("signed", "c1", "2024-01-01", currency="KRW", lines=[line(500_000)])])
    low = rule("low", "figure", figure='"mrr_minor"', below=600_000)
    assert [*await looked(books, low)] == ["low|KRW", "low|USD"]
    assert [*await looked(books, low + 'currency = "KRW"\n')] == ["low|KRW"]


@asynchronous
async def test_nothing_is_beyond_anything_in_empty_books() -> None:
    assert await looked(await books_of([]), "defaults = true\n".removeprefix("defaults = true\n")) == {}
    assert await looked(await books_of([]), rule("nrr", "figure", figure='"nrr"', below=1, window='"30d"')) == {}


@asynchronous
async def test_a_label_nobody_has_is_told() -> None:
    books = await books_of(two_accounts())
    rules = rulebook_of_toml(ONLY + rule("r", "figure", figure='"mrr_minor"', below=1, by='"sgment"')).rules
    found = await reviewed(books.reports, rules, day_of(TODAY), 0)
    assert "did you mean segment" in found.wrong["r"]


@asynchronous
async def test_an_alert_says_where_it_comes_from() -> None:
    books = await books_of(two_accounts())
    rules = rulebook_of_toml(ONLY + rule("low", "figure", figure='"mrr_minor"', below=2000, by='"segment"')).rules
    found = await reviewed(books.reports, rules, day_of(TODAY), 0)
    alert = found.beyond["low|USD|smb"]
    assert alert.figure is not None
    assert (alert.figure.value, alert.figure.below, alert.figure.at, alert.figure.group) == (
        *(90_000, "2000", "2024-06-02"),
        {"segment": "smb"},
    )
    tail = await books.ledger.tail(0)
    assert tail is not None
    assert alert.figure.position == {"0": tail.height}
    assert alert.explain == "revledger explain mrr_minor --at 2024-06-02 --currency USD --where 'segment=smb'"


def test_lines_are_not_crossed_by_reaching_them() -> None:
    (below,) = rulebook_of_toml(ONLY + rule("r", "figure", figure='"nrr"', below='"90%"', window='"9d"')).rules
    assert [is_beyond(below, value, "USD") for value in ("0.89999999", "0.90000000", "0.9")] == [True, False, False]
