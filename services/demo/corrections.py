"""Mistakes of the source systems: what a wrong event says, and how it is taken back and put right."""

import random

from msgspec.structs import replace

from services.demo.chance import between, pick
from services.demo.facts import RETRACTED, Fact, JsonObject

_REASONS = ("typing error", "wrong quantity", "imported twice under another id", "wrong customer selected")


def mistaken(rng: random.Random, fact: Fact) -> Fact | None:
    """The same fact as it was told wrongly at first; None where nothing in it lends itself to a mistake."""
    wrong = _wrong_lines(rng, fact.data) or _wrong_score(fact.data) or _wrong_cost(fact.data)
    return replace(fact, data=wrong, late_ms=0) if wrong else None


def _wrong_lines(rng: random.Random, data: JsonObject) -> JsonObject | None:
    """Another quantity on the first line: a zero too many, or a few seats."""
    lines = data.get("lines")
    if not isinstance(lines, list):
        return None
    quantity = lines[0].get("quantity", 1)
    wrong = quantity * 10 if between(rng, 1, 3) == 1 else quantity + between(rng, 1, 9)
    return {**data, "lines": [{**lines[0], "quantity": wrong}, *lines[1:]]}


def _wrong_score(data: JsonObject) -> JsonObject | None:
    """The scale read from the other end: of 0 to 10, or of 1 to 5."""
    if data.get("survey") == "nps" and isinstance(score := data.get("score"), int) and score != 5:
        return {**data, "score": 10 - score}
    return None


def _wrong_cost(data: JsonObject) -> JsonObject | None:
    """An invoice booked in full that should have been a tenth."""
    amount = data.get("amount_minor")
    return {**data, "amount_minor": amount * 10} if "kind" in data and isinstance(amount, int) else None


def corrected(rng: random.Random, fact: Fact, withdrawn_ms: int) -> tuple[Fact, Fact]:
    """The retraction of a fact told wrongly, made at `withdrawn_ms`, and the fact as it should have been."""
    data: JsonObject = {"source": fact.source, "id": fact.id, "reason": pick(rng, _REASONS)}
    retraction = Fact(fact.source, f"{fact.id}-retracted", RETRACTED, fact.subject, withdrawn_ms, data)
    return retraction, replace(fact, id=f"{fact.id}-corrected")
