"""Finding: what the rules fire on in blocks of the ledger, with what the projections know beside it."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import tzinfo
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.block import Block, check_entries
from events.days import day_of_moment
from projections.alerts import Alert, Position, alert_of_happening
from projections.bridge import level_of
from projections.happenings import Happening, Score, happenings_of
from projections.holdings import NOTHING, Holding, holding_of
from projections.pages import ACCOUNTS
from projections.records import record_of_bytes
from projections.rules import Candidates, Context, RuleBox, stake_in
from services.alerts.rules.rulebook import Rulebook
from services.alerts.wording import summary_of
from services.evidence import buckets_for, evidence_of, keys_for
from services.questions import Question
from services.views.port import START, Views, ViewsUnavailable

SCORES_MAX: Final = 20
"""How many answers are remembered of an account: the last of each respondent to each survey."""

Scores = dict[str, list[Score]]
"""Account -> its last answers, the newest last."""
ScoresOf = Callable[[Collection[str]], Awaitable[Mapping[str, list[Score]]]]
"""Reads the answers that some accounts gave before."""

_SCORES: Final = msgspec.msgpack.Decoder(list[Score])
_ENCODE: Final = msgspec.msgpack.Encoder().encode


def scores_of_bytes(data: bytes | None) -> list[Score]:
    """Answers as they are kept."""
    return [] if data is None else _SCORES.decode(data)


def bytes_of_scores(scores: Sequence[Score]) -> bytes:
    """The same in msgpack."""
    return _ENCODE(scores)


class Found(Struct, frozen=True):
    """What blocks led to: alerts in order, new answers, keys of events retracted, and how much was history already."""

    alerts: Sequence[Alert] = ()
    scores: Mapping[str, list[Score]] = {}
    retracted: Sequence[str] = ()
    late: int = 0


class _Told(Struct, frozen=True, gc=False):
    """A happening with its block, and the rules that are about such; `today` the day on which it was recorded."""

    block: Block
    today: int
    happening: Happening
    candidates: Candidates


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
        scores_of: ScoresOf,
    ) -> None:
        self.rulebook = rulebook
        self._ledger = ledger
        self._views = views
        self._partition = partition
        self._partitions = partitions
        self._zone = zone
        self._scores_of = scores_of
        self._late_days = rulebook.late_seconds // 86_400
        self._rules = RuleBox(rulebook.rules)

    async def find(self, blocks: Sequence[Block], *, is_silent: bool = False) -> Found:
        """What blocks lead to; with `is_silent` no alerts, only what later ones need to know.

        Raises:
            BlockDamaged: an entry that would fire is not what was sealed.
            ViewsUnavailable: the projections do not answer.
        """
        told = [one for block in blocks for one in self._told(block)]
        if not told:
            return Found()
        concerned = {one.happening.account for one in told if one.candidates} if not is_silent else set()
        answering = {one.happening.account for one in told if one.happening.score}
        scores: Scores = {**await self._scores_of(answering | concerned)}
        known = _Known(self._views, self._partitions, self._partition, blocks[-1].header.height)
        await known.read(concerned)
        alerts: list[Alert] = []
        late = 0
        for one in told:
            if one.candidates and not is_silent:
                found, is_late = await self._fired(one, known, scores)
                alerts += found
                late += is_late
            _remember(scores, one.happening)
        for height in {one.position.height for one in alerts}:
            check_entries(blocks[height - blocks[0].header.height])
        retracted = [one.happening.target for one in told if one.happening.target]
        return Found(alerts, {account: scores[account] for account in answering}, retracted, late)

    def _told(self, block: Block) -> list[_Told]:
        recorded_at = block.header.recorded_at
        found = list(happenings_of(block.entries, recorded_at, self._zone))
        today = day_of_moment(recorded_at, self._zone) if found else 0
        return [_Told(block, today, one, self._rules.about(one)) for one in found]

    async def _fired(self, told: _Told, known: "_Known", scores: Scores) -> tuple[list[Alert], bool]:
        """The alerts of one happening, and whether it is history instead."""
        happening, today = told.happening, told.today
        if happening.kind != "notice" and happening.day < today - self._late_days:
            return [], True
        if happening.annual:
            amounts: Mapping[str, int] = {happening.currency: happening.annual}
        else:
            holding = known.holding(happening.account, today)
            amounts = holding.levels
        if not told.candidates.may_fire(amounts):
            return [], False
        if not happening.annual:
            happening = _labelled(happening, holding)
        rules = told.candidates.among(happening, amounts)
        if not rules:
            return [], False
        context = await self._context(happening, today, known, scores.get(happening.account, []))
        header = told.block.header
        position = Position(header.partition, header.height, happening.seq)
        alerts: list[Alert] = []
        for rule in rules:
            stake = stake_in(rule, happening, context)
            if stake is not None:
                said = (rule, happening, context, stake, position, header.recorded_at)
                alert = alert_of_happening(self._ledger, *said)
                alerts.append(replace(alert, summary=summary_of(alert)))
        return alerts, False

    async def _context(self, happening: Happening, today: int, known: "_Known", last: Sequence[Score]) -> Context:
        holding = known.holding(happening.account, today)
        currencies = (happening.currency,) if happening.annual else tuple(holding.levels)
        book = {currency: await known.level(currency, today) for currency in currencies}
        return Context(holding, book, _answer_before(last, happening), tuple(reversed(last)))


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
        self._holdings: dict[tuple[str, int], Holding] = {}
        self._levels: dict[tuple[str, int], int] = {}

    async def read(self, accounts: Collection[str]) -> None:
        """Reads the records of some accounts; raises ViewsUnavailable, also where the views have gone back."""
        names = list(accounts)
        if names:
            position, _, values = await self._views.snapshot_with(self._partition, [], {ACCOUNTS: names})
            self._require((position or START).next_height - 1)
            self._records = {a: v for a, v in zip(names, values[ACCOUNTS], strict=True) if v is not None}

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


def _labelled(happening: Happening, holding: Holding) -> Happening:
    """A happening that is not about money has the labels of what its account holds."""
    if happening.annual:
        return happening
    contracts = happening.contracts or holding.contracts
    return replace(happening, contracts=contracts, plans=holding.plans, labels=holding.labels)


def _answer_before(scores: Sequence[Score], happening: Happening) -> Score | None:
    """The last answer of the same respondent to the same survey."""
    now = happening.score
    if now is None:
        return None
    same = [one for one in scores if (one.survey, one.respondent) == (now.survey, now.respondent)]
    return same[-1] if same and same[-1].moment <= now.moment else None


def _remember(scores: Scores, happening: Happening) -> None:
    now = happening.score
    if now is None:
        return
    kept = list(scores.get(happening.account, ()))
    for place, one in enumerate(kept):
        if one.respondent == now.respondent and one.survey == now.survey:
            if one.moment > now.moment:
                return
            del kept[place]
            break
    kept.append(now)
    scores[happening.account] = kept[-SCORES_MAX:]
