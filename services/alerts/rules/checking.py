"""Checking rules: keys that mean nothing together, names that are not there, and lines that are never crossed."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, get_args

from events.movements import BRIDGE_MOVEMENTS
from projections.figures import CATALOGUE
from projections.groups import CELL_NAMES
from projections.rules import OF_OPERATION, On, Rule, Severity
from services.alerts.rules import reading
from services.alerts.rules.reading import Wrong
from services.questions import nearest

ON: Final = get_args(On)

MOVEMENTS: Final = tuple(one for one in BRIDGE_MOVEMENTS if one != "transfer")
"""What may be unusual about a day; a transfer comes to nothing."""
RULE_KEYS: Final[dict[str, tuple[str, reading.Reader]]] = {
    "name": ("name", reading.text),
    "enabled": ("enabled", reading.yes),
    "on": ("on", reading.one_of(*ON)),
    "severity": ("severity", reading.one_of(*get_args(Severity))),
    "sinks": ("sinks", reading.texts),
    "where": ("where", reading.pairs),
    "currency": ("currency", reading.currency),
    "mrr_at_least": ("mrr_at_least", reading.amount),
    "share_at_least": ("share_at_least", reading.share),
    "reasons": ("reasons", reading.texts),
    "survey": ("survey", reading.one_of("nps", "csat", "ces", "fcr", "feedback")),
    "score_at_most": ("score_at_most", reading.whole(0, 1_000)),
    "fall_at_least": ("fall_at_least", reading.whole(1, 1_000)),
    "score_at_least": ("score_at_least", reading.whole(0, 1_000)),
    "within": ("within_days", reading.window),
    "attempt_at_least": ("attempt_at_least", reading.whole(1, 100)),
    "movement": ("movement", reading.one_of(*MOVEMENTS)),
    "deviations": ("deviations", reading.whole(1, 100)),
    "figure": ("figure", reading.text),
    "above": ("above", reading.number),
    "below": ("below", reading.number),
    "window": ("window_days", reading.window),
    "by": ("by", reading.text),
    "after": ("after_seconds", reading.duration),
    "escalate_after": ("escalate_seconds", reading.duration),
    "escalate_to": ("escalate_to", reading.texts),
    "group_within": ("group_seconds", reading.duration_or_no),
    "group_by": ("group_by", reading.texts),
    "cool_down": ("cool_down_seconds", reading.duration),
}
"""Key of a rule -> its field, and how it is read."""

_MONEY: Final = ("where", "currency", "mrr_at_least", "share_at_least")
_OWN_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "churn": (*_MONEY, "reasons", "cool_down"),
    "contraction": (*_MONEY, "cool_down"),
    "notice": (*_MONEY, "reasons", "cool_down"),
    "score": (*_MONEY, "survey", "score_at_most", "fall_at_least", "cool_down"),
    "payment_failed": (*_MONEY, "attempt_at_least", "cool_down"),
    "renewal": (*_MONEY, "within", "survey", "score_at_least"),
    "unusual": (*_MONEY, "movement", "by", "deviations"),
    "figure": ("where", "currency", "figure", "above", "below", "window", "by", "cool_down"),
    **dict.fromkeys(OF_OPERATION, ("after",)),
}
"""What a rule is on -> the keys that mean something there, beside those of every rule."""

_OF_ALL: Final = (
    *("name", "enabled", "on", "severity", "sinks", "escalate_after", "escalate_to", "group_within", "group_by"),
)

_RANGES: Final[dict[str, tuple[int | None, int | None]]] = {
    **dict.fromkeys(("grr", "customer_churn_rate", "csat", "fcr", "herfindahl"), (0, 1)),
    **dict.fromkeys(("share_top_1", "share_top_3", "share_top_10"), (0, 1)),
    **dict.fromkeys(("mrr_minor", "arr_minor", "accounts", "arpa_minor", "asp_minor", "nrr", "quick_ratio"), (0, None)),
    "scheduled_churn_minor": (None, 0),
}
"""Figure -> the least and the most it can be, where there is such."""
_SCALES: Final = {"nps": 10, "csat": 5}


def keys_of(on: str) -> tuple[str, ...]:
    """The keys a rule may have."""
    return (*_OF_ALL, *_OWN_KEYS[on])


def problems_of_rule(
    rule: Rule, unread: Collection[str], sinks: Collection[str], names: Collection[str] | None
) -> list[Wrong]:
    """What is wrong in a rule beside its keys that are `unread`, because they cannot be or are not there.

    `names`: what accounts are labelled with, if that is known.
    """
    of_kind = () if "on" in unread else _OF_KIND[rule.on](rule)
    return reading.causes([*_of_names(rule, sinks, names), *of_kind], unread)


def misplaced(on: str, keys: Collection[str]) -> list[Wrong]:
    """Keys that mean nothing in a rule on such things."""
    return [
        Wrong(key, f"{key} means nothing in a rule on {on}{nearest(key, _OWN_KEYS[on])}")
        for key in keys
        if key not in keys_of(on)
    ]


def _of_names(rule: Rule, sinks: Collection[str], names: Collection[str] | None) -> Iterator[Wrong]:
    for key, named in (("sinks", rule.sinks or ()), ("escalate_to", rule.escalate_to)):
        for sink in named:
            if sink not in sinks:
                yield Wrong(key, f"there is no sink {sink!r}{nearest(sink, sinks)}")
    yield from problems_of_escalation(rule.escalate_seconds, rule.escalate_to)
    by = () if rule.by is None else (rule.by,)
    said = {"where": [name for name, _ in rule.where], "by": by, "group_by": rule.group_by}
    for key, some in said.items():
        yield from unlabelled(key, some, names)


def unlabelled(key: str, said: Iterable[str], names: Collection[str] | None) -> Iterator[Wrong]:
    """The names in a key that no account is labelled with; none where that is not known."""
    known = {*(names or ()), *CELL_NAMES}
    for name in said:
        if names is not None and name not in known:
            yield Wrong(key, f"no account is labelled {name!r}{nearest(name, known)}")


def problems_of_escalation(seconds: int, to: Collection[str]) -> Iterator[Wrong]:
    """What is wrong where a rule or a sink says half of how alerts are escalated."""
    if seconds and not to:
        yield Wrong(
            "escalate_after",
            'it does not say to whom: write escalate_to = one or several sinks, such as ["mail"]',
            ("escalate_to",),
        )
    if to and not seconds:
        yield Wrong(
            "escalate_to", 'it does not say when: write escalate_after = a time, such as "30m"', ("escalate_after",)
        )


def _of_loss(rule: Rule) -> Iterator[Wrong]:
    said = dict(rule.where).get("currency")
    if said is not None and rule.currency not in (None, said):
        yield Wrong("currency", f"it can never fire: where asks for {said}, currency for {rule.currency}", ("where",))
    amounts = rule.mrr_at_least if rule.share_at_least is None else None
    if isinstance(amounts, dict) and rule.currency is not None and rule.currency not in amounts:
        yield Wrong(
            "mrr_at_least", f"it can never fire: it has no amount in {rule.currency}", ("share_at_least", "currency")
        )


def _of_score(rule: Rule) -> Iterator[Wrong]:
    yield from _of_loss(rule)
    if rule.score_at_most is None and rule.fall_at_least is None:
        yield Wrong(
            "on",
            "it says neither score_at_most nor fall_at_least: write one of them, or both",
            ("score_at_most", "fall_at_least"),
        )
    scale = _SCALES.get(rule.survey)
    if scale is not None and rule.score_at_most is not None and rule.score_at_most >= scale:
        yield Wrong("score_at_most", f"it fires on every answer: {rule.survey} goes to {scale}", ("survey",))
    if scale is not None and rule.fall_at_least is not None and rule.fall_at_least > scale:
        yield Wrong("fall_at_least", f"it can never fire: {rule.survey} goes from 0 to {scale}", ("survey",))


def _of_renewal(rule: Rule) -> Iterator[Wrong]:
    yield from _of_loss(rule)
    if not rule.within_days:
        yield Wrong(
            "on", 'it does not say how long before the end of a term: write within = a time, such as "30d"', ("within",)
        )
    scale = _SCALES.get(rule.survey)
    if scale is not None and rule.score_at_least is not None and rule.score_at_least > scale:
        yield Wrong("score_at_least", f"no answer is ever as good: {rule.survey} goes to {scale}", ("survey",))


def _of_unusual(rule: Rule) -> Iterator[Wrong]:
    yield from _of_loss(rule)
    if rule.mrr_at_least is None and rule.share_at_least is None:
        yield Wrong(
            "on",
            'it does not say what is too little to matter: write share_at_least = "0.5%", or mrr_at_least',
            ("mrr_at_least", "share_at_least"),
        )


def _of_figure(rule: Rule) -> Iterator[Wrong]:
    if not rule.figure:
        yield Wrong("on", "it does not say which figure: write figure = one, such as \"nrr\"", ("figure",))
    if rule.above is None and rule.below is None:
        yield Wrong("figure", "it has no line to cross: write above or below", ("above", "below"))
    if rule.above is not None and rule.below is not None and rule.below > rule.above:
        yield Wrong(
            "below",
            "every value is above the one line or below the other: write a lower below, or a higher above",
            ("above",),
        )
    if rule.figure in CATALOGUE:
        yield from _of_window(rule)
        yield from _unreachable(rule)
    elif rule.figure:
        yield Wrong("figure", f"there is no figure {rule.figure!r}{nearest(rule.figure, CATALOGUE)}")


def _of_window(rule: Rule) -> Iterator[Wrong]:
    needs = CATALOGUE[rule.figure].needs
    if needs == "day" and rule.window_days is not None:
        yield Wrong("window", f"{rule.figure} is of a day, not of a window: leave it out", ("figure",))
    if needs != "day" and rule.window_days is None:
        yield Wrong("figure", f'{rule.figure} is of a window: write one, such as window = "30d"', ("window",))


def _unreachable(rule: Rule) -> Iterator[Wrong]:
    low, high = _RANGES.get(rule.figure, (None, None))
    if rule.above is not None and high is not None and rule.above >= high:
        yield Wrong("above", f"it can never fire: {rule.figure} is never above {_told(high)}", ("figure",))
    if rule.below is not None and low is not None and rule.below <= low:
        yield Wrong("below", f"it can never fire: {rule.figure} is never below {_told(low)}", ("figure",))


def _told(bound: int) -> str:
    return "1, which is 100%" if bound == 1 else str(bound)


def _of_operation(rule: Rule) -> Iterator[Wrong]:
    if not rule.after_seconds:
        yield Wrong("on", 'it does not say after how long: write after = a time, such as "15m"', ("after",))


_OF_KIND: Final[dict[str, Callable[[Rule], Iterator[Wrong]]]] = {
    **dict.fromkeys(("churn", "contraction", "notice", "payment_failed"), _of_loss),
    "score": _of_score,
    "renewal": _of_renewal,
    "unusual": _of_unusual,
    "figure": _of_figure,
    **dict.fromkeys(OF_OPERATION, _of_operation),
}
