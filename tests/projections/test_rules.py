"""Rules: which happening fires which, as a table."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from projections.happenings import Happening, Score, Source
from projections.holdings import Holding
from projections.rules import OF_ENTRIES, Context, Rule, RuleBox, fires, stake_in, stakes_of

MRR = 12 * 10_000 * 100
"""One dollar a month in annual_e4."""
EVENT = Source("/s", "1", "t", 0)
LOSS = Happening(
    kind="churn",
    account="a",
    seq=1,
    day=1,
    event=EVENT,
    currency="USD",
    annual=100 * MRR,
    plans=("pro",),
    labels=(("segment", "smb"),),
    reason="price",
)
BOOK = Context(book={"USD": 900 * MRR})


def answer(score: int, survey: str = "nps") -> Happening:
    """An answer."""
    return Happening(kind="score", account="a", seq=1, day=1, event=EVENT, score=Score(survey, "", score, 10, 0))


def pays(**levels: int) -> Context:
    """An account that pays so many whole units a month, in a book of 1,000 dollars."""
    return Context(Holding({name: level * MRR for name, level in levels.items()}), {"USD": 1_000 * MRR})


CASES: list[tuple[bool, dict[str, Any], Happening, Context]] = [
    (True, {}, LOSS, BOOK),
    (False, {"on": "contraction"}, LOSS, BOOK),
    (True, {"where": (("segment", "smb"), ("plan", "pro"))}, LOSS, BOOK),
    (False, {"where": (("segment", "big"),)}, LOSS, BOOK),
    (False, {"where": (("region", "eu"),)}, LOSS, BOOK),
    (True, {"mrr_at_least": Fraction(100)}, LOSS, BOOK),
    (False, {"mrr_at_least": Fraction(10_001, 100)}, LOSS, BOOK),
    (True, {"mrr_at_least": {"USD": Fraction(100)}}, LOSS, BOOK),
    (False, {"mrr_at_least": {"EUR": Fraction(1)}}, LOSS, BOOK),
    (True, {"share_at_least": Fraction(1, 10)}, LOSS, BOOK),
    (False, {"share_at_least": Fraction(11, 100)}, LOSS, BOOK),
    (True, {"share_at_least": Fraction(11, 100), "mrr_at_least": Fraction(1)}, LOSS, BOOK),
    (False, {"share_at_least": Fraction(1, 100)}, LOSS, Context(book={"USD": -200 * MRR})),
    (True, {"currency": "USD"}, LOSS, BOOK),
    (False, {"currency": "EUR"}, LOSS, BOOK),
    (True, {"reasons": ("bugs", "price")}, LOSS, BOOK),
    (False, {"reasons": ("bugs",)}, LOSS, BOOK),
    (True, {"on": "score", "score_at_most": 6}, answer(6), pays(USD=1)),
    (False, {"on": "score", "score_at_most": 6}, answer(7), pays(USD=1)),
    (False, {"on": "score", "score_at_most": 6}, answer(1, "csat"), pays(USD=1)),
    (True, {"on": "score", "score_at_most": 6}, answer(1), pays()),
    (False, {"on": "score", "score_at_most": 6, "share_at_least": Fraction(1, 100)}, answer(1), pays()),
    (True, {"on": "score", "score_at_most": 6, "share_at_least": Fraction(1, 100)}, answer(1), pays(USD=10)),
    (False, {"on": "score", "score_at_most": 6, "share_at_least": Fraction(1, 100)}, answer(1), pays(USD=9)),
    (True, {"on": "score", "score_at_most": 6, "mrr_at_least": Fraction(20)}, answer(1), pays(USD=1, EUR=20)),
    (False, {"on": "score", "fall_at_least": 3}, answer(1), pays(USD=1)),
]


@pytest.mark.parametrize(("expected", "said", "happening", "context"), CASES)
def test_rules(expected: bool, said: dict[str, Any], happening: Happening, context: Context) -> None:
    rule = Rule(name="r", on=said.pop("on", "churn"), **said)
    assert (fires(rule, happening, context) is not None) == expected


@pytest.mark.parametrize(("before", "expected"), [(9, True), (4, True), (3, False), (1, False)])
def test_a_fall_is_counted_from_the_score_before(before: int, expected: bool) -> None:
    context = Context(before=Score("nps", "", before, 10, 0))
    assert (fires(Rule(name="r", on="score", fall_at_least=3), answer(1), context) is not None) == expected


@pytest.mark.parametrize(("attempt", "expected"), [(0, False), (1, False), (2, True)])
def test_a_payment_that_failed_often_enough(attempt: int, expected: bool) -> None:
    failed = Happening(kind="payment_failed", account="a", seq=1, day=1, event=EVENT, attempt=attempt)
    rule = Rule(name="r", on="payment_failed", attempt_at_least=2)
    assert (fires(rule, failed, Context()) is not None) == expected


def test_a_loss_is_a_share_of_what_there_was_before_it_and_a_notice_of_what_there_is() -> None:
    assert [one.share for one in stakes_of(LOSS, BOOK)] == [Fraction(1, 10)]
    notice = Happening(kind="notice", account="a", seq=1, day=1, event=EVENT, currency="USD", annual=90 * MRR)
    assert [one.share for one in stakes_of(notice, BOOK)] == [Fraction(1, 10)]


AMOUNTS = st.integers(1, 4).map(Fraction)
WHERE = st.sampled_from([(), (("segment", "smb"),), (("plan", "pro"), ("segment", "big")), (("account", "a"),)])
RULES: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        on=st.sampled_from(OF_ENTRIES),
        where=WHERE,
        currency=st.sampled_from([None, None, "USD", "JPY"]),
        mrr_at_least=st.none() | AMOUNTS | st.dictionaries(st.sampled_from(["USD", "JPY"]), AMOUNTS, min_size=1),
        share_at_least=st.sampled_from([None, None, Fraction(1, 2)]),
        reasons=st.sampled_from([(), ("price",)]),
        survey=st.sampled_from(["nps", "csat"]),
        score_at_most=st.sampled_from([None, 4, 6]),
        fall_at_least=st.sampled_from([None, None, 2]),
        attempt_at_least=st.integers(1, 3),
    ),
    max_size=6,
)
LEVELS = st.dictionaries(st.sampled_from(["USD", "JPY"]), st.integers(1, 5), max_size=2)
LABELS = st.sampled_from([(), (("segment", "smb"),), (("region", "eu"), ("segment", "big"))])
HAPPENINGS = st.tuples(st.sampled_from(OF_ENTRIES), LABELS, LEVELS, st.integers(0, 7), st.integers(0, 3))


def happened(kind: Any, labels: Any, levels: dict[str, int], number: int, attempt: int) -> tuple[Happening, Context]:
    """A happening with what is known beside it; amounts are in whole units."""
    units = {"USD": MRR, "JPY": MRR // 100}
    context = Context(
        Holding({name: level * units[name] for name, level in levels.items()}, labels=labels),
        {name: 6 * unit for name, unit in units.items()},
        before=Score("nps", "", 6, 10, 0),
    )
    happening = Happening(kind=kind, account="a", seq=1, day=1, event=EVENT, labels=labels, plans=("pro",))
    if kind == "score":
        return replace(happening, score=Score("nps" if attempt else "csat", "", number, 10, 0)), context
    if kind == "payment_failed":
        return replace(happening, attempt=attempt, reason="price" if number else ""), context
    currency = next(iter(levels), "USD")
    loss = replace(happening, currency=currency, annual=(number + 1) * units[currency] // 2)
    return replace(loss, reason="price" if attempt else ""), context


@given(RULES, st.lists(HAPPENINGS, min_size=1, max_size=8))
def test_rules_looked_up_are_the_rules_that_fire(said: list[dict[str, Any]], happenings: list[Any]) -> None:
    rules = [Rule(name=f"r{number}", **one) for number, one in enumerate(said)]
    box = RuleBox(rules)
    for happening, context in (happened(*one) for one in happenings):
        amounts = {happening.currency: happening.annual} if happening.annual else context.holding.levels
        candidates = box.about(happening)
        found = candidates.among(happening, amounts) if candidates and candidates.may_fire(amounts) else []
        told = [rule for rule in found if stake_in(rule, happening, context) is not None]
        assert told == [rule for rule in rules if fires(rule, happening, context) is not None]
