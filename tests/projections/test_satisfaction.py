"""Satisfaction: who counts, how often, where, and with how much revenue."""

from fractions import Fraction

import pytest

from events.notes import Answer
from projections.groups import selected_groups
from projections.satisfaction import SILENCE, Item, Satisfaction, Window, band_of, is_content, satisfaction_of
from tests.model.days import day_of
from tests.model.notation import fact, line
from tests.projections.folding import bookings_of, projected

HISTORY = [
    fact("signed", "a1", "2024-01-01", lines=[line(600), line(200, plan="pro", line_id="l2")]),
    fact("signed", "b1", "2024-01-01", lines=[line(100, plan="pro")]),
    fact("cancelled", "b1", "2024-01-20"),
    fact("signed", "d1", "2024-01-01", currency="EUR", lines=[line(300, plan="pro")]),
]
E4 = 120_000


def answer(score: int | None, day: str, respondent: str = "", survey: str = "nps", **said: object) -> Answer:
    """An answer on a day."""
    at = day_of(day)
    scale = {"nps": 10, "csat": 5}.get(survey, 0)
    resolved = said.get("resolved")
    assert resolved is None or isinstance(resolved, bool)
    return Answer(b"", at, at, survey, score, scale, resolved, respondent)


def satisfaction(by: str | None = None, **answers: list[Answer]) -> dict[str, Satisfaction]:
    """Of January, by group."""
    views = projected([bookings_of(HISTORY)])
    items: dict[str, list[Item]] = {account: list(views.record(account).items()) for account in "abcd"}
    window = Window("USD", day_of("2024-01-01"), day_of("2024-02-01"), selected_groups(by, {}), by is None)
    return satisfaction_of([(name, said, items[name]) for name, said in answers.items()], window)


@pytest.mark.parametrize(("score", "scale", "band"), [(10, 10, 1), (9, 10, 1), (8, 10, 0), (7, 10, 0), (6, 10, -1)])
def test_bands(score: int, scale: int, band: int) -> None:
    assert band_of(Answer(b"", 0, 0, "nps", score, scale, None, "")) == band
    assert band_of(Answer(b"", 0, 0, "nps", 10 * score, 10 * scale, None, "")) == band


@pytest.mark.parametrize(("score", "scale", "content"), [(4, 5, True), (3, 5, False), (8, 10, True), (7, 10, False)])
def test_content_is_80_percent(score: int, scale: int, content: bool) -> None:
    assert is_content(Answer(b"", 0, 0, "csat", score, scale, None, "")) is content


def test_the_last_answer_of_each_counts_and_all_of_the_nameless() -> None:
    said = [answer(2, "2024-01-05", "r1"), answer(9, "2024-01-08", "r1"), answer(0, "2024-02-01", "r1")]
    found = satisfaction(a=[*said, answer(7, "2024-01-09"), answer(3, "2024-01-09"), answer(None, "2024-01-09")])
    assert (found[""].promoters, found[""].passives, found[""].detractors) == (1, 1, 1)


def test_an_account_weighs_what_it_is_worth_on_the_day_shared_by_its_people() -> None:
    """a: 800 by two people of whom one recommends; b: 100, all of it warns; c has no revenue and weighs nothing."""
    a = [answer(9, "2024-01-05", "r1"), answer(8, "2024-01-05", "r2")]
    found = satisfaction(a=a, b=[answer(1, "2024-01-10")], c=[answer(10, "2024-01-10")])
    assert found[""] == Satisfaction(2, 1, 1, Fraction(400 - 100) * E4, Fraction(900) * E4)
    gone = satisfaction(b=[answer(1, "2024-01-20")])
    assert gone[""] == Satisfaction(0, 0, 1)


def test_an_answer_counts_where_its_account_has_revenue_that_day() -> None:
    found = satisfaction("plan", a=[answer(9, "2024-01-05")], b=[answer(1, "2024-01-25")])
    assert found["plan"] == Satisfaction(1, 0, 0, Fraction(600) * E4, Fraction(600) * E4)
    assert found["pro"] == Satisfaction(1, 0, 0, Fraction(200) * E4, Fraction(200) * E4)
    assert found[""] == Satisfaction(0, 0, 1)


def test_what_somebody_says_counts_whatever_currency_they_pay_in() -> None:
    found = satisfaction("plan", d=[answer(9, "2024-01-05"), answer(5, "2024-01-05", survey="csat")])
    assert found == {"pro": Satisfaction(1, rated=1, content=1)}


def test_scores_and_contacts() -> None:
    rated = [answer(4, "2024-01-05", survey="csat"), answer(3, "2024-01-05", survey="csat")]
    asked = [answer(None, "2024-01-05", survey="fcr", resolved=flag) for flag in (True, True, False)]
    found = satisfaction(a=[*rated, *asked, answer(None, "2024-01-05", survey="csat")])[""]
    assert (found.content, found.rated, found.resolved, found.contacts) == (1, 2, 2, 3)
    assert satisfaction(a=[]) == {}
    assert Satisfaction() == SILENCE
