"""Ranked: tables whose first rows are told from the accounts in memory, in the JSON shape of the interfaces."""

from projections.columnar.firsts import FIRST
from projections.columnar.layers import Layers
from projections.columns import Asked
from projections.groups import Choice
from projections.tables import LISTS
from services.listing import groups_told, rows_told
from services.questions import Question
from services.rows import Answer, in_order


def first_listed(name: str, layers: Layers, question: Question, currency: str, bounds: tuple[int, int]) -> Answer:
    """As `listed`, of one of the tables whose first rows can be told."""
    asked = Asked(currency, bounds[-1], bounds[0], question.every)
    found = FIRST[name](layers, Choice(currency, question.by, dict(question.where)), asked, question.limit)
    if question.by is not None:
        groups = ((value, found[value].rows, found[value].count) for value in in_order(found))
        return groups_told(name, groups, question, bounds)
    if not found:
        return rows_told(name, rows := LISTS[name].rows((), asked), len(rows), question, bounds)
    return rows_told(name, found[""].rows, found[""].count, question, bounds)
