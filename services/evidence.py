"""Evidence: the sums and records an answer is computed from, read from the views at one ledger position."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from events.days import text_of_moment
from events.facts import Fact
from events.notes import AnyNote, notes_in_force
from events.policy import Counted, Rules
from events.stated import facts_in_force
from projections.buckets import Buckets, buckets_of
from projections.groups import CONTRACT_NAMES, GroupsOf, selected_groups
from projections.lives import UNLIVED, Lives, lives_of
from projections.pages import (
    ACCOUNTS,
    BOOK,
    NOTES,
    STATED,
    Amount,
    Totals,
    amounts_of_days,
    amounts_of_tallies,
    days_key,
    months_key,
    totals_of_months,
)
from projections.periods import split_months
from projections.records import NOTHING, Record, record_of_bytes
from projections.tally import tally_of
from services import clock
from services.questions import Moment, Question
from services.views.port import START, Position, Views

SEPARATE_NAMES: Final = ("account", "contract")
"""Names under which every account has a value of its own."""
_SCANNED_NAMES: Final = (*SEPARATE_NAMES, "currency")


class AsOf(Struct, frozen=True):
    """What an answer reflects: the last height of each partition, and the newest of what is in them."""

    heights: dict[str, int]
    recorded_at: int
    newest_event_at: int
    moment: Moment | None = None
    final: bool = True

    def shown(self) -> dict[str, object]:
        """The answer's `as_of`; the age is how long ago, at the moment asked for, its newest block was recorded."""
        seen: dict[str, object] = {
            "position": self.heights,
            "newest_event": text_of_moment(self.newest_event_at) if self.newest_event_at else None,
            "age_seconds": max(0, (self._asked_at() - self.recorded_at) // 1_000_000) if self.recorded_at else None,
            "final": self.final,
        }
        return seen if self.moment is None else {**seen, "known_at": self.moment.text}

    def _asked_at(self) -> int:
        """Up to when age counts: an answer about a past moment says the same whenever it is asked for."""
        if self.moment is None or self.moment.is_now:
            return clock.now()
        return self.recorded_at if self.moment.time is None else min(self.moment.time, clock.now())


class Evidence(Struct, frozen=True):
    """Hashes of the views by key, one of each partition, all of a partition at one position."""

    as_of: AsOf
    hashes: Mapping[str, Sequence[Mapping[bytes, bytes]]]

    def months(self, currency: str, name: str) -> Iterator[Totals]:
        """The totals of all months by the values of a name."""
        for fields in self.hashes[months_key(currency, name)]:
            yield from totals_of_months(fields)

    def days(self, currency: str, name: str, months: frozenset[int]) -> Iterator[Amount]:
        """The sums of the days of some months by the values of a name."""
        for month in months:
            for fields in self.hashes[days_key(currency, name, month)]:
                yield from amounts_of_days(fields, month)

    def records(self) -> Iterator[tuple[str, Record]]:
        """The accounts with what was posted to them."""
        for fields in self.hashes[ACCOUNTS]:
            for account, data in fields.items():
                yield account.decode(), record_of_bytes(data)

    def noted(self) -> Iterator[tuple[str, list[AnyNote], Record]]:
        """The accounts of which something is noted, with what was posted to them."""
        for noted, posted in zip(self.hashes[NOTES], self.hashes[ACCOUNTS], strict=True):
            for account, data in noted.items():
                record = posted.get(account)
                posts = NOTHING if record is None else record_of_bytes(record)
                yield account.decode(), notes_in_force(data), posts

    def told(self) -> Iterator[tuple[str, list[AnyNote], Record]]:
        """The accounts that something was posted to, with what is noted of them."""
        for noted, posted in zip(self.hashes[NOTES], self.hashes[ACCOUNTS], strict=True):
            for account, data in posted.items():
                notes = noted.get(account)
                yield account.decode(), [] if notes is None else notes_in_force(notes), record_of_bytes(data)

    def everyone(self) -> Iterator[tuple[str, list[AnyNote], Record]]:
        """All accounts with what is noted of them and what was posted to them, and the book."""
        for noted, posted in zip(self.hashes[NOTES], self.hashes[ACCOUNTS], strict=True):
            for account in {**posted, **noted}:
                notes, record = noted.get(account), posted.get(account)
                told = [] if notes is None else notes_in_force(notes)
                yield account.decode(), told, NOTHING if record is None else record_of_bytes(record)

    def stated(self, rules: Rules) -> Iterator[tuple[str, list[Fact]]]:
        """The accounts that ever had a discount, with their facts; the lines of these are worth what it takes off."""
        for fields in self.hashes[STATED]:
            for account, data in fields.items():
                if facts := facts_in_force(data, rules):
                    yield account.decode(), facts

    def stated_of(self, rules: Rules, counted: Counted = "net") -> Callable[[str], Sequence[Fact]]:
        """The facts of each account, read as they are asked for; what all discounts take off, or those `counted`."""

        def facts_of(account: str) -> Sequence[Fact]:
            found = (fields.get(account.encode()) for fields in self.hashes[STATED])
            return [fact for data in found if data is not None for fact in facts_in_force(data, rules, counted)]

        return facts_of

    def counts(self) -> dict[str, int]:
        """What is counted over the whole book, and `names|currency|name` for every name in use."""
        counts: dict[str, int] = {}
        for fields in self.hashes[BOOK]:
            for field, count in fields.items():
                counts[field.decode()] = counts.get(field.decode(), 0) + int(count)
        return counts


async def evidence_of(views: Views, partitions: Sequence[int], keys: Sequence[str]) -> Evidence:
    """Reads some keys of all partitions."""
    return evidence_from(partitions, keys, [await views.snapshot(partition, keys) for partition in partitions])


def evidence_from(
    partitions: Sequence[int],
    keys: Sequence[str],
    parts: Sequence[tuple[Position | None, Sequence[Mapping[bytes, bytes]]]],
) -> Evidence:
    """What was read of some keys, each partition at a position of its own."""
    positions = {partition: at or START for partition, (at, _) in zip(partitions, parts, strict=True)}
    hashes = {key: [part[index] for _, part in parts] for index, key in enumerate(keys)}
    return Evidence(as_of_positions(positions), hashes)


def as_of_positions(positions: Mapping[int, Position]) -> AsOf:
    """What is reflected by views that stand at some positions, by partition."""
    heights = {str(partition): position.next_height - 1 for partition, position in positions.items()}
    every = positions.values()
    return AsOf(heights, max(at.recorded_at for at in every), max(at.newest_event_at for at in every))


def groups_asked(question: Question) -> GroupsOf:
    """The groups of a question."""
    return selected_groups(question.by, dict(question.where))


def keys_for(
    question: Question, currency: str, bounds: Sequence[int], *, accounts: bool, notes: bool = False
) -> list[str]:
    """The keys that `buckets_for` reads, and the accounts and notes where they are needed anyway."""
    keys = [ACCOUNTS] if accounts or not is_kept(question) else []
    if notes:
        keys.append(NOTES)
    if is_kept(question):
        for name in {question.by or "", ""} if _has_rest(question) else {question.by or ""}:
            keys.append(months_key(currency, name))
            keys += [days_key(currency, name, month) for month in split_months([*bounds])]
    return keys


def buckets_for(
    evidence: Evidence, question: Question, currency: str, bounds: Sequence[int]
) -> dict[str, Buckets]:
    """The sums of a question by group, sorted into its periods; the empty value stands for none."""
    if not is_kept(question):
        groups = groups_asked(question)
        tallies = (tally_of(account, record.items(), groups, {}) for account, record in evidence.records())
        return buckets_of(bounds, (), amounts_of_tallies(tallies, currency), frozenset())
    found = _kept(evidence, currency, question.by or "", bounds)
    if _has_rest(question):
        whole = _kept(evidence, currency, "", bounds)
        if whole:
            found[""] = whole[""].less(buckets for value, buckets in found.items() if value)
    return found


def lives_for(
    evidence: Evidence, question: Question, currencies: Sequence[str], bounds: Sequence[int]
) -> dict[str, Lives]:
    """The lives of the accounts of a question up to the last bound, by group.

    Of one currency; or of several together with `EVERY`, by which accounts with more than one are counted once.
    """
    if not is_kept(question):
        groups = groups_asked(question)
        tallies = [tally_of(account, record.items(), groups, {}) for account, record in evidence.records()]
        some = [lives_of(bounds[-1], (), amounts_of_tallies(tallies, one), frozenset()) for one in currencies]
        return _lives_together(some)
    found = _lives_together([_lives(evidence, one, question.by or "", bounds) for one in currencies])
    if _has_rest(question):
        found[""] = _lives_together([_lives(evidence, one, "", bounds) for one in currencies]).get("", UNLIVED)
        for value, lives in found.items():
            found[""] = found[""].less(lives) if value else found[""]
    return found


def _lives(evidence: Evidence, currency: str, name: str, bounds: Sequence[int]) -> dict[str, Lives]:
    split = frozenset(split_months([*bounds]))
    return lives_of(bounds[-1], evidence.months(currency, name), evidence.days(currency, name, split), split)


def _lives_together(parts: Iterable[Mapping[str, Lives]]) -> dict[str, Lives]:
    found: dict[str, Lives] = {}
    for part in parts:
        for value, lives in part.items():
            found[value] = found.get(value, UNLIVED).plus(lives)
    return found


def parts_for(
    evidence: Evidence, question: Question, currencies: Sequence[str], bounds: Sequence[int]
) -> dict[str, dict[str, Buckets]]:
    """The same for several currencies, by group and currency."""
    if is_kept(question):
        sums_of = {currency: buckets_for(evidence, question, currency, bounds) for currency in currencies}
        return parts_of({f"{one}|{value}": sums for one, found in sums_of.items() for value, sums in found.items()})
    groups = groups_asked(question)
    tallies = (tally_of(account, record.items(), groups, {}) for account, record in evidence.records())
    return parts_of(buckets_of(bounds, (), amounts_of_tallies(tallies, None), frozenset()))


def parts_of(found: Mapping[str, Buckets]) -> dict[str, dict[str, Buckets]]:
    """Sums by group and currency, from those under currency and group, such as `EUR|pro`."""
    parts: dict[str, dict[str, Buckets]] = {}
    for key, buckets in found.items():
        currency, _, value = key.partition("|")
        parts.setdefault(value, {})[currency] = buckets
    return parts


def _kept(evidence: Evidence, currency: str, name: str, bounds: Sequence[int]) -> dict[str, Buckets]:
    split = frozenset(split_months([*bounds]))
    return buckets_of(bounds, evidence.months(currency, name), evidence.days(currency, name, split), split)


def is_kept(question: Question) -> bool:
    """Whether sums are kept for the groups of a question, so that nobody has to look at each account."""
    return not question.where and question.by not in _SCANNED_NAMES


def _has_rest(question: Question) -> bool:
    """Whether accounts may lack what a question groups by: their sums are what is left of the whole."""
    return question.by is not None and question.by not in ("plan", "product", *CONTRACT_NAMES)
