"""Alerts: what somebody is told, under an id that is the same whenever the same thing is found again."""

from base64 import b32encode
from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct

from events.days import text_of_day, text_of_moment
from events.money import arr_minor, mrr_minor, ratio_text
from projections.happenings import Happening, Score
from projections.rules import Context, Rule, Severity, Stake

FIRED: Final = "revledger.alert.fired.v1"
RESOLVED: Final = "revledger.alert.resolved.v1"
ESCALATED: Final = "revledger.alert.escalated.v1"
SOURCE: Final = "/revledger/alerts"
ID_CHARACTERS: Final = 26
"""Of base32: 130 bits, so that two alerts never share an id by chance."""


class Position(Struct, frozen=True, omit_defaults=True):
    """Where in the ledger an alert comes from; `seq` is the entry, None where it is the state at a height."""

    partition: int
    height: int
    seq: int | None = None


class Event(Struct, frozen=True):
    """The event behind an alert; `time` in RFC 3339."""

    source: str
    id: str
    type: str
    time: str


class Answer(Struct, frozen=True, omit_defaults=True):
    """A score that was given; `time` in RFC 3339."""

    survey: str
    score: int
    time: str
    scale_max: int = 0
    respondent: str = ""


class Crossing(Struct, frozen=True, omit_defaults=True):
    """A figure beyond its line: values as the catalogue gives them, the window as days.

    `position` is the height of each partition that the value reflects.
    """

    figure: str
    value: int | str
    above: str | None = None
    below: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None
    at: str | None = None
    group: Mapping[str, str] = {}
    position: Mapping[str, int] = {}


class Outlier(Struct, frozen=True, omit_defaults=True):
    """A day on which more moved than is usual, in minor units of MRR: the median of so many days, and the limit."""

    movement: str
    mrr_minor: int
    usual_minor: int
    limit_minor: int
    days: int
    group: Mapping[str, str] = {}


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an alert says. Money in minor units, what is lost below zero; `recorded_at` in microseconds.

    `share` is of the MRR of the whole book; `account_mrr_minor` what the account pays now. Of a term that ends,
    `mrr_minor` is what the contract pays, and `renews` whether it goes on by itself.
    """

    id: str
    rule: str
    kind: str
    severity: Severity
    subject: str
    summary: str
    recorded_at: int
    position: Position
    account: str = ""
    contracts: Sequence[str] = ()
    plans: Sequence[str] = ()
    owner: str = ""
    attributes: Mapping[str, str] = {}
    currency: str = ""
    mrr_minor: int | None = None
    arr_minor: int | None = None
    share: str | None = None
    account_mrr_minor: int | None = None
    effective: str = ""
    renews: bool | None = None
    reason: str = ""
    initiative: str = ""
    attempt: int = 0
    scores: Sequence[Answer] = ()
    figure: Crossing | None = None
    unusual: Outlier | None = None
    event: Event | None = None
    explain: str = ""


class Message(Struct, frozen=True):
    """A CloudEvent about an alert, as every sink gets it; `id` is that of the event."""

    id: str
    body: bytes

    @property
    def subject(self) -> str:
        """What the alert is about: an account, or the whole book."""
        return _SUBJECT.decode(self.body).subject


class _Subject(Struct, frozen=True):
    subject: str


_SUBJECT: Final = msgspec.json.Decoder(_Subject)


def alert_id(ledger: str, rule: str, partition: int, at: int, subject: str) -> str:
    """The id of what a rule finds about a subject at a place of a ledger, by its name: an entry, a height or a day."""
    return id_of("alr_", ledger, rule, str(partition), str(at), subject)


def id_of(prefix: str, *parts: str) -> str:
    """An id that the same parts always have."""
    return prefix + b32encode(sha256("\n".join(parts).encode()).digest()).decode()[:ID_CHARACTERS].lower()


def message_of(alert: Alert, type_: str = FIRED) -> Message:
    """The CloudEvent that tells of an alert, in structured mode; the same alert gives the same bytes."""
    told = msgspec.to_builtins(alert)
    recorded_at, subject = told.pop("recorded_at"), told.pop("subject")
    event_id = alert.id if type_ == FIRED else f"{alert.id}.{type_.split('.')[-2]}"
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": type_,
        "subject": subject,
        "time": text_of_moment(recorded_at),
        "datacontenttype": "application/json",
        "data": told,
    }
    return Message(event_id, msgspec.json.encode(document))


def retold(body: bytes, type_: str) -> Message:
    """What became of an alert, of which the message of its firing is given."""
    document = msgspec.json.decode(body)
    event_id = f"{document['data']['id']}.{type_.split('.')[-2]}"
    document.update(type=type_, id=event_id)
    return Message(event_id, msgspec.json.encode(document))


def alert_of_happening(
    ledger: str,
    rule: Rule,
    happening: Happening,
    context: Context,
    stake: Stake,
    position: Position,
    recorded_at: int,
) -> Alert:
    """The alert of a rule that fires on a happening in a ledger; `stake` is the money that made it fire."""
    holding, is_loss = context.holding, bool(happening.annual)
    labels = dict(happening.labels or holding.labels)
    currency = stake.currency
    return Alert(
        id=alert_id(ledger, rule.name, position.partition, happening.seq, f"{happening.account}\n{currency}"),
        rule=rule.name,
        kind=happening.kind,
        severity=rule.severity,
        subject=happening.account,
        summary="",
        recorded_at=recorded_at,
        position=position,
        account=happening.account,
        contracts=happening.contracts or holding.contracts,
        plans=happening.plans or holding.plans,
        owner=labels.pop("owner", ""),
        attributes=labels,
        currency=currency,
        mrr_minor=mrr_minor(-stake.annual) if is_loss else None,
        arr_minor=arr_minor(-stake.annual) if is_loss else None,
        share=share_text(stake.share),
        account_mrr_minor=mrr_minor(holding.levels.get(currency, 0)) if currency else None,
        effective=text_of_day(happening.day),
        reason=happening.reason,
        initiative=happening.initiative,
        attempt=happening.attempt,
        scores=scores_told(happening.score, *context.scores),
        event=Event(
            happening.event.source, happening.event.id, happening.event.type, text_of_moment(happening.event.moment)
        ),
        explain=explanation(happening, currency),
    )


def share_text(share: Fraction | None) -> str | None:
    """A share as it is told: decimal; None where there is none."""
    return None if share is None else ratio_text(share.numerator, share.denominator)


def scores_told(*scores: Score | None) -> list[Answer]:
    """Scores as they are told, in their order."""
    return [
        Answer(one.survey, one.score, text_of_moment(one.moment), one.scale_max, one.respondent)
        for one in scores
        if one is not None
    ]


def explanation(happening: Happening, currency: str) -> str:
    """The command that shows what is behind an alert."""
    where = f" --where {quoted(f'account={happening.account}')}"
    money = f" --currency {currency}" if currency else ""
    if happening.kind in ("churn", "contraction", "notice"):
        window = f"--from {text_of_day(happening.day)} --until {text_of_day(happening.day + 1)}"
        return f"revledger explain {happening.movement} {window}{where}{money}"
    return f"revledger explain mrr_minor --on {text_of_day(happening.day)}{where}{money}"


_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=:,./-@%+")


def quoted(text: str) -> str:
    """A word as a shell takes it."""
    return text if set(text) <= _PLAIN else "'" + text.replace("'", "'\\''") + "'"
