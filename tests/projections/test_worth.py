"""Worth: what amounts come to in the currency asked for, converted or as they are."""

from hypothesis import given
from hypothesis import strategies as st

from projections.worth import as_it_is, nothing, worth_on
from tests.projections.test_conversion import converter


@given(st.integers(5, 40), st.integers(0, 30), st.integers(0, 30))
def test_what_is_spent_on_days_side_by_side_adds_up(start: int, some: int, more: int) -> None:
    """Converted or not: one unit a day, of dollars or of euros that are 1.5 and, from day 25 on, 2 dollars."""
    middle, end = start + some, start + some + more
    for worth in (converter().over, converter("constant").over, as_it_is, nothing):
        for currency in ("EUR", "USD"):
            first, last = (
                worth(currency, *span, lambda a, b: b - a) for span in ((start, middle), (middle, end))
            )
            assert first + last == worth(currency, start, end, lambda a, b: b - a)


def test_each_day_has_its_rate_unless_there_is_one_for_all() -> None:
    closing, constant = converter(), converter("constant")
    assert closing.over("EUR", 23, 27, lambda a, b: b - a) == 2 * 1.5 + 2 * 2
    assert constant.over("EUR", 10, 12, lambda a, b: b - a) == 2 * 2
    assert [worth_on(closing.over, "EUR", day, 10) for day in (24, 25)] == [15, 20]
    assert worth_on(as_it_is, "EUR", 24, 10) == 10
    assert worth_on(closing.over, "CHF", 24, 0) == 0
    closing.require()
