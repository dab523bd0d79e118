"""Renewals: contracts whose term ends soon, what hangs on them, and whether a rule tells of it."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from events.days import text_of_day
from events.facts import Pairs
from events.money import arr_minor, mrr_minor
from events.notes import Agreed, Answer, AnyNote
from projections.alerts import Alert, Position, alert_id, quoted, scores_told, share_text
from projections.happenings import Score
from projections.rules import Rule, Stake, is_large
from projections.satisfaction import Item
from projections.terms import Held, held_on


class Renewal(Struct, frozen=True):
    """A contract with revenue that is in its term until `end`, a day; `renews`: by itself. `level` in annual_e4.

    `answers` are the last of each respondent to each survey, the newest first.
    """

    account: str
    contract: str
    currency: str
    end: int
    renews: bool
    level: int
    plans: tuple[str, ...]
    labels: Pairs
    answers: tuple[Score, ...]

    def label(self, name: str) -> str:
        """The value of a label or of a field that one can group by; empty where there is none."""
        fields = {"account": self.account, "contract": self.contract, "currency": self.currency}
        fields["plan"] = self.plans[0] if self.plans else ""
        return fields[name] if name in fields else dict(self.labels).get(name, "")


def renewals_of(
    told: Iterable[tuple[str, Sequence[Item], Sequence[AnyNote]]], currencies: Sequence[str], today: int, days: int
) -> tuple[list[Renewal], Mapping[str, int]]:
    """The contracts whose term ends within so many days of the end of a day, and all MRR by currency (annual_e4).

    Those that somebody has given notice of, or renewed already, are left out: there is nothing to renew.
    """
    found: list[Renewal] = []
    whole = dict.fromkeys(currencies, 0)
    for account, items, notes in told:
        for currency in currencies:
            for held in held_on(account, items, notes, currency, today + 1):
                whole[currency] += held.level
                is_near = not held.term.is_open and held.term.end - today <= days
                if is_near and not _is_gone(held) and not _is_renewed(held, notes):
                    found.append(_renewal(held, currency, notes, today))
    return sorted(found, key=lambda one: (one.end, -one.level, one.account, one.contract)), whole


def _is_gone(held: Held) -> bool:
    """Whether it has ended before its term does, or is not to begin another."""
    last = held.term.end if held.term.renews else held.term.end - 1
    return sum(amount for (day, _, _, _), amount in held.items if day <= last) <= 0


def _is_renewed(held: Held, notes: Sequence[AnyNote]) -> bool:
    """Whether it is agreed already what comes after its term."""
    agreed = [note for note in notes if type(note) is Agreed and note.contract == held.contract]
    return any(held.term.start < note.day <= held.term.end < note.end for note in agreed)


def _renewal(held: Held, currency: str, notes: Sequence[AnyNote], today: int) -> Renewal:
    cells = [cell for (day, _, cell, _), amount in held.items if day <= today and amount > 0]
    plans = tuple(dict.fromkeys(cell.plan for cell in cells))
    answers = _answers(notes, today)
    place = (held.account, held.contract, currency)
    return Renewal(*place, held.term.end, held.term.renews, held.level, plans, held.labels, answers)


def _answers(notes: Sequence[AnyNote], today: int) -> tuple[Score, ...]:
    last: dict[tuple[str, str], Score] = {}
    for note in notes:
        if type(note) is Answer and note.score is not None and note.day <= today:
            name = (note.survey, note.respondent)
            if name not in last or last[name].moment <= note.moment:
                last[name] = Score(note.survey, note.respondent, note.score, note.scale, note.moment)
    return tuple(sorted(last.values(), key=lambda one: (-one.moment, one.survey, one.respondent)))


def stake_of_renewal(rule: Rule, renewal: Renewal, today: int, whole: int) -> Stake | None:
    """The money at stake if a rule tells of a contract on a day; `whole` is all MRR of its currency."""
    if rule.currency not in (None, renewal.currency) or renewal.end - today > rule.within_days:
        return None
    if any(renewal.label(name) != value for name, value in rule.where):
        return None
    last = next((one for one in renewal.answers if one.survey == rule.survey), None)
    if rule.score_at_least is not None and last is not None and last.score >= rule.score_at_least:
        return None
    stake = Stake(renewal.currency, renewal.level, whole)
    return stake if is_large(rule, stake) else None


def alert_of_renewal(
    ledger: str, rule: Rule, renewal: Renewal, stake: Stake, position: Position, today: int, moment: int
) -> Alert:
    """The alert of a rule that tells of a contract: the same id whenever it tells of the same term in a ledger."""
    labels, where = dict(renewal.labels), quoted(f"account={renewal.account}")
    subject = "\n".join(("renewal", renewal.account, renewal.contract, renewal.currency))
    return Alert(
        id=alert_id(ledger, rule.name, position.partition, renewal.end, subject),
        rule=rule.name,
        kind="renewal",
        severity=rule.severity,
        subject=renewal.account,
        summary="",
        recorded_at=moment,
        position=position,
        account=renewal.account,
        contracts=(renewal.contract,),
        plans=renewal.plans,
        owner=labels.pop("owner", ""),
        attributes=labels,
        currency=renewal.currency,
        mrr_minor=mrr_minor(renewal.level),
        arr_minor=arr_minor(renewal.level),
        share=share_text(stake.share),
        effective=text_of_day(renewal.end),
        renews=renewal.renews,
        scores=scores_told(*(one for one in renewal.answers if one.survey == rule.survey)),
        explain=f"revledger report renewals --on {text_of_day(today)} --currency {renewal.currency} --where {where}",
    )
