"""Unbooked: values that rules ask for and that nothing in the books has, which may be a slip, or may still come."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from projections.rules import Rule
from services.ledgers.port import Chains
from services.questions import QuestionError, nearest
from services.values import require_values
from services.views.port import Views


class Warned(Struct, frozen=True):
    """What had better be looked at in a rule."""

    rule: str
    message: str


async def unbooked(
    ledger: Chains, views: Views, partitions: Sequence[int], rules: Iterable[Rule], currencies: Sequence[str]
) -> list[Warned]:
    """The values and currencies of rules that were never booked, with the nearest that were; raises ViewsUnavailable.

    `currencies` are those in use; where there are none, nothing was booked yet, and nothing is compared.
    """
    found: list[Warned] = []
    known: dict[tuple[str, str], str] = {}
    for rule in rules if currencies else ():
        for pair in _asked(rule):
            if pair not in known:
                known[pair] = await _problem(ledger, views, partitions, pair, currencies)
            if known[pair]:
                found.append(Warned(rule.name, known[pair]))
    return found


def _asked(rule: Rule) -> list[tuple[str, str]]:
    """(name, value) of all that a rule asks for."""
    amounts = [] if rule.mrr_at_least is None or not isinstance(rule.mrr_at_least, dict) else [*rule.mrr_at_least]
    currencies = [*amounts, *([rule.currency] if rule.currency else [])]
    asked = [*rule.where, *(("reason", one) for one in rule.reasons), *(("currency", one) for one in currencies)]
    return list(dict.fromkeys(asked))


async def _problem(
    ledger: Chains, views: Views, partitions: Sequence[int], pair: tuple[str, str], currencies: Sequence[str]
) -> str:
    name, value = pair
    if name == "currency":
        return "" if value in currencies else f"nothing was ever booked in {value}{nearest(value, currencies)}"
    try:
        await require_values(ledger, views, partitions, [pair], currencies)
    except QuestionError as error:
        return error.message
    return ""
