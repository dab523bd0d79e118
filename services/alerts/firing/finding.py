"""Finding: what the rules fire on in blocks of the ledger, with what the projections know beside it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from events.block import Block, check_entries
from events.days import day_of_moment
from events.notes import Answer, AnyNote, note_key, notes_in_force
from projections.alerts import Alert, Position, alert_of_happening
from projections.bridge import level_of
from projections.happenings import Happening, Score, Source, Wanted, happenings_of
from projections.holdings import NOTHING, Holding, holding_of, levels_of
from projections.pages import ACCOUNTS, NOTES
from projections.records import record_of_bytes
from projections.rules import Candidates, Context, Rule, RuleBox, stake_in
from services.alerts.rules.rulebook import Rulebook
from services.alerts.wording import summary_of
from services.evidence import buckets_for, evidence_of, keys_for
from services.questions import Question
from services.views.port import START, Views, ViewsUnavailable

SCORES_MAX: Final = 20
"""How many answers an alert tells of: the last of each respondent to each survey."""

NOTHING_BUT_RETRACTIONS: Final = Wanted(losses=False, payments=False, scores={})


class Found(Struct, frozen=True):
    """What blocks led to: alerts in order, keys of events retracted, and how much was history already."""

    alerts: Sequence[Alert] = ()
    retracted: Sequence[str] = ()
    late: int = 0


class _Told(Struct, frozen=True, gc=False):
    """A happening with its block, and the rules that are about such; `today` the day on which it was recorded."""

    block: Block
    today: int
    happening: Happening
    candidates: Candidates


class _Picked(Struct, frozen=True, gc=False):
    """A happening with the labels of its account, and the rules that fire on it if money and scores are as they ask."""

    told: _Told
    happening: Happening
    rules: Sequence[Rule]


class Finder:
    """Finds what the rules fire on in a ledger, by its name.

    `views` are those of the projector, which has to have passed the blocks.
    """

    def __init__(
        self,
        ledger: str,
        rulebook: Rulebook,
        views: Views,
        partition: int,
        partitions: Sequence[int],
        zone: tzinfo | None,
    ) -> None:
        self.rulebook = rulebook
        self._ledger = ledger
        self._views = views
        self._partition = partition
        self._partitions = partitions
        self._zone = zone
        self._late_days = rulebook.late_seconds // 86_400
        self._rules = RuleBox(rulebook.rules)

    async def find(self, blocks: Sequence[Block], *, is_silent: bool = False) -> Found:
        """What blocks lead to; with `is_silent` no alerts, only what is retracted.

        Raises:
            BlockDamaged: an entry that would fire is not what was sealed.
            ViewsUnavailable: the projections do not answer.
        """
        wanted = NOTHING_BUT_RETRACTIONS if is_silent else self._rules.wanted
        told = [one for block in blocks for one in self._told(block, wanted)]
        retracted = [one.happening.target for one in told if one.happening.target]
        asked = [one for one in told if one.candidates]
        current = [one for one in asked if not self._is_late(one)]
        alerts = await self._alerts(current, blocks[-1].header.height) if current else []
        for height in {one.position.height for one in alerts}:
            check_entries(blocks[height - blocks[0].header.height])
        return Found(alerts, retracted, len(asked) - len(current))

    def concerns(self, block: Block) -> bool:
        """Whether anything in a block is such that rules are about it."""
        return any(one.candidates for one in self._told(block, self._rules.wanted))

    def _told(self, block: Block, wanted: Wanted) -> list[_Told]:
        recorded_at = block.header.recorded_at
        found = list(happenings_of(block.entries, recorded_at, self._zone, wanted))
        today = day_of_moment(recorded_at, self._zone) if found else 0
        return [_Told(block, today, one, self._rules.about(one)) for one in found]

    def _is_late(self, told: _Told) -> bool:
        """Whether a happening is history, of which nobody is told."""
        return told.happening.kind != "notice" and told.happening.day < told.today - self._late_days

    async def _alerts(self, told: Sequence[_Told], height: int) -> list[Alert]:
        """What happenings of blocks up to a height fire; of each account only what is needed is read."""
        known = _Known(self._views, self._partitions, self._partition, height)
        large = [one for one in told if not one.happening.annual or one.candidates.may_fire(_lost(one.happening))]
        await known.read_records({one.happening.account for one in large})
        picked = [one for one in (self._picked(one, known) for one in large) if one.rules]
        await known.read_notes({one.happening.account for one in picked})
        alerts: list[Alert] = []
        for one in picked:
            alerts += await self._fired(one, known)
        return alerts

    def _picked(self, told: _Told, known: "_Known") -> _Picked:
        happening = told.happening
        if happening.annual:
            return _Picked(told, happening, told.candidates.among(happening, _lost(happening)))
        if not told.candidates.may_fire(known.levels(happening.account, told.today)):
            return _Picked(told, happening, ())
        holding = known.holding(happening.account, told.today)
        happening = _labelled(happening, holding)
        return _Picked(told, happening, told.candidates.among(happening, holding.levels))

    async def _fired(self, picked: _Picked, known: "_Known") -> list[Alert]:
        happening, header = picked.happening, picked.told.block.header
        context = await self._context(happening, picked.told.today, known)
        position = Position(header.partition, header.height, happening.seq)
        alerts: list[Alert] = []
        for rule in picked.rules:
            stake = stake_in(rule, happening, context)
            if stake is not None:
                said = (rule, happening, context, stake, position, header.recorded_at)
                alert = alert_of_happening(self._ledger, *said)
                alerts.append(replace(alert, summary=summary_of(alert)))
        return alerts

    async def _context(self, happening: Happening, today: int, known: "_Known") -> Context:
        holding = known.holding(happening.account, today)
        currencies = (happening.currency,) if happening.annual else tuple(holding.levels)
        book = {currency: await known.level(currency, today) for currency in currencies}
        scores = scores_before(known.notes(happening.account), happening.event)
        return Context(holding, book, _answer_before(scores, happening), tuple(reversed(scores)))


class _Known:
    """What the projections know, read once for all that blocks ask of them; never less than at a height.

    Views that have just been emptied know of no revenue: an alert by them would be a wrong one, or missing.
    """

    def __init__(self, views: Views, partitions: Sequence[int], partition: int, height: int) -> None:
        self._views = views
        self._partitions = partitions
        self._partition = partition
        self._height = height
        self._records: dict[str, bytes] = {}
        self._notes: dict[str, Sequence[AnyNote]] = {}
        self._holdings: dict[tuple[str, int], Holding] = {}
        self._levels: dict[tuple[str, int], int] = {}

    async def read_records(self, accounts: Collection[str]) -> None:
        """Reads what was posted to some accounts; raises ViewsUnavailable, also where the views have gone back."""
        self._records = await self._read(ACCOUNTS, accounts)

    async def read_notes(self, accounts: Collection[str]) -> None:
        """Reads what some accounts said; raises likewise."""
        notes = await self._read(NOTES, accounts)
        self._notes = {account: notes_in_force(data) for account, data in notes.items()}

    async def _read(self, key: str, accounts: Collection[str]) -> dict[str, bytes]:
        names = list(accounts)
        if not names:
            return {}
        position, _, values = await self._views.snapshot_with(self._partition, [], {key: names})
        self._require((position or START).next_height - 1)
        return {account: value for account, value in zip(names, values[key], strict=True) if value is not None}

    def _require(self, height: int) -> None:
        if height < self._height:
            problem = f"The projections of partition {self._partition} have lost what they knew, and read it again."
            raise ViewsUnavailable(problem, "Wait until they have.")

    def holding(self, account: str, day: int) -> Holding:
        """What an account holds on a day."""
        found = self._holdings.get((account, day))
        if found is None:
            data = self._records.get(account)
            found = NOTHING if data is None else holding_of(record_of_bytes(data), day)
            self._holdings[account, day] = found
        return found

    def levels(self, account: str, day: int) -> Mapping[str, int]:
        """What an account pays on a day by currency, in annual_e4."""
        data = self._records.get(account)
        return {} if data is None else levels_of(record_of_bytes(data), day)

    def notes(self, account: str) -> Sequence[AnyNote]:
        """The notes of an account that are in force, in the order of the ledger."""
        return self._notes.get(account, ())

    async def level(self, currency: str, day: int) -> int:
        """All MRR of the book in a currency at the end of a day, in annual_e4."""
        if (currency, day) not in self._levels:
            question, bounds = Question(currency=currency), [day + 1]
            keys = keys_for(question, currency, bounds, accounts=False)
            evidence = await evidence_of(self._views, self._partitions, keys)
            self._require(evidence.as_of.heights[str(self._partition)])
            buckets = buckets_for(evidence, question, currency, bounds).get("")
            self._levels[currency, day] = 0 if buckets is None else level_of(buckets.before)
        return self._levels[currency, day]


def _lost(happening: Happening) -> Mapping[str, int]:
    return {happening.currency: happening.annual}


def _labelled(happening: Happening, holding: Holding) -> Happening:
    """A happening that is not about money has the labels of what its account holds."""
    if happening.annual:
        return happening
    contracts = happening.contracts or holding.contracts
    return replace(happening, contracts=contracts, plans=holding.plans, labels=holding.labels)


def scores_before(notes: Iterable[AnyNote], event: Source) -> list[Score]:
    """The last score of each respondent to each survey before an event, and if it is none of them, of all."""
    own = note_key(event.source, event.id)
    last: dict[tuple[str, str], Score] = {}
    for note in notes:
        if note.key == own:
            break
        if type(note) is Answer and note.score is not None:
            who = (note.survey, note.respondent)
            if who not in last or last[who].moment <= note.moment:
                last.pop(who, None)
                last[who] = Score(*who, note.score, note.scale, note.moment)
    return [*last.values()][-SCORES_MAX:]


def _answer_before(scores: Sequence[Score], happening: Happening) -> Score | None:
    """The last answer of the same respondent to the same survey."""
    now = happening.score
    if now is None:
        return None
    same = [one for one in scores if (one.survey, one.respondent) == (now.survey, now.respondent)]
    return same[-1] if same and same[-1].moment <= now.moment else None
