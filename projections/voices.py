"""Voices: what customers said, beside the revenue that goes with it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from events.days import day_months_later, first_day_of_month, month_of_day, text_of_day
from events.money import mrr_minor, ratio_text, round_half_up
from events.notes import Answer
from projections.columns import (
    Asked,
    Row,
    Table,
    Told,
    answers_before,
    columns,
    contracts_held,
    level_before,
    tags_said,
    yearly_minor,
)
from projections.satisfaction import band_of

TAGS_MONTHS: Final = 12
"""For how many months what was mentioned is counted."""
BAND_DAYS: Final = 90
"""How long ago the bands are made, to see who has left since."""
BANDS: Final = ("promoters", "passives", "detractors", "silent")


def _risk(told: Iterable[Told], asked: Asked) -> list[Row]:
    rows: list[Row] = []
    for account, items, notes in told:
        level = level_before(items, asked, asked.day)
        last = next(answers_before(notes, "nps", asked.day), None)
        if level > 0 and last is not None and band_of(last) < 0:
            rows.append(risk_row(account, level, last.score, last.day, tags_said(notes, asked.day)))
    return sorted(rows, key=lambda row: (-row["mrr_minor"], row["account"]))


def risk_row(account: str, level: int, score: int | None, day: int, tags: list[str]) -> Row:
    """The row of an account that is worth something, with the score of its last answer, the day of that, and tags."""
    said = {"nps": score, "answered": text_of_day(day), "tags": tags}
    return {"account": account, "mrr_minor": mrr_minor(level), **said}


def _upsell(told: Iterable[Told], asked: Asked) -> list[Row]:
    """Promoters that are worth less a year than the average account of their segment."""
    yearly: dict[tuple[str, str], int] = {}
    scores: dict[str, Answer] = {}
    for held, (account, _, notes) in contracts_held(told, asked):
        place = (account, dict(held.labels).get("segment", ""))
        yearly[place] = yearly.get(place, 0) + yearly_minor(held)
        last = next(answers_before(notes, "nps", asked.day), None)
        if last is not None and band_of(last) > 0:
            scores[account] = last
    of_segment: dict[str, list[int]] = {}
    for (_, segment), worth in yearly.items():
        of_segment.setdefault(segment, []).append(worth)
    rows: list[Row] = []
    for (account, segment), worth in yearly.items():
        average = round_half_up(sum(of_segment[segment]), len(of_segment[segment]))
        if account in scores and worth < average:
            rows.append(upsell_row(account, segment, scores[account].score, worth, average))
    return sorted(rows, key=lambda row: (-row["gap_minor"], row["account"], row["segment"]))


def upsell_row(account: str, segment: str, score: int | None, worth: int, average: int) -> Row:
    """The row of a promoter with its score, what it is worth a year in its segment, and the average there."""
    amounts = {"acv_minor": worth, "segment_acv_minor": average, "gap_minor": average - worth}
    return {"account": account, "segment": segment, "nps": score, **amounts}


def _bands(told: Iterable[Told], asked: Asked) -> list[Row]:
    """Accounts by what they last answered a while ago, and which of them have left since."""
    then = asked.day - BAND_DAYS
    sums = {band: [0, 0, 0, 0] for band in BANDS}
    for _, items, notes in told:
        before, now = level_before(items, asked, then), level_before(items, asked, asked.day)
        if before > 0:
            last = next(answers_before(notes, "nps", then), None)
            own = sums["silent" if last is None else BANDS[1 - band_of(last)]]
            own[0] += 1
            own[1] += before
            if now <= 0:
                own[2] += 1
                own[3] += before
    return band_rows(sums)


def band_rows(sums: Mapping[str, Sequence[int]]) -> list[Row]:
    """The rows of bands, from the accounts of each, what they were worth, who has left, and what those were worth."""
    return [
        {
            "band": band,
            "accounts": accounts,
            "mrr_minor": mrr_minor(worth),
            "churned": gone,
            "churned_minor": mrr_minor(lost),
            "churn_rate": ratio_text(gone, accounts),
        }
        for band, (accounts, worth, gone, lost) in sums.items()
    ]


def _tags_by_month(told: Iterable[Told], asked: Asked) -> list[Row]:
    """What people mentioned in the last twelve months, by month, with the revenue of those who did."""
    then = day_months_later(asked.day, -TAGS_MONTHS)
    said: dict[tuple[int, str], tuple[int, dict[str, int]]] = {}
    for account, items, notes in told:
        level = level_before(items, asked, asked.day)
        for note in notes:
            if type(note) is Answer and then <= note.day < asked.day:
                for tag in note.tags:
                    count, accounts = said.get((month_of_day(note.day), tag), (0, {}))
                    said[month_of_day(note.day), tag] = (count + 1, {**accounts, account: level})
    return tag_rows((*key, count, len(accounts), sum(accounts.values())) for key, (count, accounts) in said.items())


def tag_rows(said: Iterable[tuple[int, str, int, int, int]]) -> list[Row]:
    """The rows of tags, from month, tag, how often it was said, by how many accounts, and what those are worth."""
    rows: list[Row] = [
        {
            "month": text_of_day(first_day_of_month(month))[:7],
            "tag": tag,
            "answers": count,
            "accounts": accounts,
            "mrr_minor": mrr_minor(worth),
        }
        for month, tag, count, accounts, worth in said
    ]
    rows.sort(key=lambda row: (-row["answers"], row["tag"]))
    return sorted(rows, key=lambda row: row["month"], reverse=True)


RISK: Final = Table(
    "risk",
    "Revenue at risk: the accounts whose last answer was that of a detractor.",
    columns(account="text", mrr_minor="minor", nps="count", answered="day", tags="list"),
    _risk,
)

UPSELL: Final = Table(
    "upsell",
    "Promoters that are worth less a year than the average account of their segment.",
    columns(
        account="text", segment="text", nps="count",
        acv_minor="minor", segment_acv_minor="minor", gap_minor="minor",
    ),
    _upsell,
)

BANDS_SINCE: Final = Table(
    "bands",
    "By the last answer of 90 days ago: accounts with revenue then, and how many have left since; of a day itself,"
    " ask for 90 days later.",
    columns(
        band="text", accounts="count", mrr_minor="minor",
        churned="count", churned_minor="minor", churn_rate="ratio",
    ),
    _bands,
    is_whole=True,
)

TAGS: Final = Table(
    "tags",
    "What answers mentioned in the last twelve months, with the revenue of the accounts that did.",
    columns(month="text", tag="text", answers="count", accounts="count", mrr_minor="minor"),
    _tags_by_month,
)
