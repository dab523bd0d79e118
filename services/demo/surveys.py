"""What customers answer when asked: scores and words that follow their mood."""

import random
from collections.abc import Callable

from services.demo.chance import between, hit, pick, weighted
from services.demo.company import Market
from services.demo.dates import some_day, working_hours
from services.demo.facts import ANSWERED, Account, Fact, JsonObject, told

# Answers in 10,000 account-months.
_ANSWER_RATE: dict[str, int] = {"smb": 2_700, "midmarket": 4_200, "enterprise": 6_000}
_RESPONDENTS: dict[str, int] = {"smb": 1, "midmarket": 3, "enterprise": 8}

_TOUCHPOINTS = ("onboarding", "support", "renewal", "in-app", "quarterly-review")
_PRAISE = (
    "Everyone on the team uses it every day.",
    "Support answered within minutes.",
    "The reports save us a day each month.",
    "설정이 간단하고 팀 전체가 잘 쓰고 있습니다.",
    "Sehr übersichtlich, und die Einführung ging schnell.",
)
_NEUTRAL = (
    "Works, but the mobile version needs attention.",
    "Good product. We use about half of it.",
    "機能は十分ですが、検索が少し遅いです。",
    "An export to spreadsheets would help us.",
)
_BLAME = (
    "Too expensive for what we use.",
    "Three tickets open for weeks and no answer.",
    "The last release broke our single sign-on.",
    "가격이 올라서 다른 제품을 알아보고 있습니다.",
    "Die Synchronisierung fällt ständig aus.",
)
_TAGS: tuple[tuple[str, ...], ...] = (
    ("price", "support", "bug", "performance", "missing-feature"),
    ("mobile", "export", "search", "training"),
    ("ease-of-use", "reports", "support", "integration"),
)


def surveys(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """At most one answer a month."""
    if between(rng, 1, 10_000) > _ANSWER_RATE[account.segment]:
        return []
    kind = weighted(rng, _KINDS)
    data: JsonObject = {"survey": kind} | _ANSWERS[kind](rng, account.mood)
    data["touchpoint"] = "support" if kind == "fcr" else pick(rng, _TOUCHPOINTS)
    data["respondent"] = f"{account.subject}-user-{between(rng, 1, _RESPONDENTS[account.segment])}"
    day = some_day(rng, market.month.first, market.month.until)
    return [told(account, ANSWERED, working_hours(rng, day), data)]


_KINDS = (("nps", 44), ("csat", 26), ("ces", 9), ("fcr", 12), ("feedback", 9))


def _felt(rng: random.Random, mood: int, highest: int) -> int:
    """A score in [0, highest] around the mood (0 to 100)."""
    felt = mood + between(rng, -14, 18)
    return max(0, min(highest, (felt * highest + 50) // 100))


def _nps(rng: random.Random, mood: int) -> JsonObject:
    answer: JsonObject = {"score": _felt(rng, mood + 13, 10)}
    return answer | _words(rng, mood) if hit(rng, 25) else answer


def _csat(rng: random.Random, mood: int) -> JsonObject:
    answer: JsonObject = {"score": 1 + _felt(rng, mood + 9, 4)}
    return answer | {"scale_max": 5} if hit(rng, 50) else answer


def _ces(rng: random.Random, mood: int) -> JsonObject:
    return {"score": 1 + _felt(rng, mood, 6), "scale_max": 7}


def _fcr(rng: random.Random, mood: int) -> JsonObject:
    return {"resolved_first_contact": hit(rng, 35 + mood // 2)}


def _words(rng: random.Random, mood: int) -> JsonObject:
    band = 0 if mood < 48 else 1 if mood < 65 else 2
    return {"comment": pick(rng, (_BLAME, _NEUTRAL, _PRAISE)[band]), "tags": [pick(rng, _TAGS[band])]}


_ANSWERS: dict[str, Callable[[random.Random, int], JsonObject]] = {
    "nps": _nps,
    "csat": _csat,
    "ces": _ces,
    "fcr": _fcr,
    "feedback": _words,
}
