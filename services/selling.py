"""Selling: tables of what was sold in the JSON shape of the interfaces, live or replayed alike."""

from collections.abc import Sequence

from events.days import text_of_day
from events.policy import Rules
from projections.periods import PeriodError
from projections.portfolio import year_before
from projections.sales import AskedSales, Sales, Sources, sales_rows, whole_periods
from services.evidence import Evidence
from services.questions import Question, QuestionError
from services.rows import Answer, in_order


def bounds_of_sales(table: Sales, question: Question, bounds: tuple[int, int]) -> tuple[int, int]:
    """The window of a table of what was sold: of seasons whole ones, where the question leaves it open."""
    if not table.every:
        return bounds
    start, until = whole_periods(*bounds, question.every)
    return (start if question.start is None else bounds[0], until if question.until is None else bounds[1])


def sources_told(evidence: Evidence, rules: Rules) -> Sources:
    """What sales are worked out from, as it is in the views."""
    told = ((account, record.items(), notes) for account, notes, record in evidence.everyone())
    counted = rules.policy.discounts
    deducted = None if counted == "net" else evidence.stated_of(rules, counted)
    return Sources(told, evidence.stated_of(rules), deducted)


def sold(table: Sales, sources: Sources, question: Question, currency: str, bounds: Sequence[int]) -> Answer:
    """The part of an answer that a table of what was sold is; raises QuestionError.

    Grouped, it has the rows of each value in turn, as many of each as are told of the whole, and of as many values.
    """
    start, until = bounds
    asked = AskedSales(currency, start, until, question.every, question.by, dict(question.where))
    try:
        found = sales_rows(table, sources, asked)
    except PeriodError as error:
        raise QuestionError("every", str(error)) from error
    told = [
        {**({} if question.by is None else {"group": {question.by: group or None}}), **row}
        for group in in_order(found)[: None if question.by is None else question.limit]
        for row in found[group][: question.limit]
    ]
    sides = [
        {"from": text_of_day(first), "until": text_of_day(end)}
        for first, end in ((start, until), (year_before(start), year_before(until)))
    ]
    return {**sides[0], "before": sides[1], "rows": told, "more": sum(map(len, found.values())) - len(told)}
