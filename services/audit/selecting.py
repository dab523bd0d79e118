"""Selecting in SQL: the postings that fit a question, what accounts come to by group, and what rates are told."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Final

from events.envelope import event_of
from events.vocabulary import BOOK_SUBJECT
from projections.groups import CELL_NAMES
from projections.rates import Kept, Rates, kept_of
from services.archive.tables import Tables
from services.converting import currency_or_refusal
from services.questions import LABELS, Question, QuestionError, nearest

_CARRIED: Final = "SELECT 1 FROM postings WHERE map_contains(attributes, ?) LIMIT 1"
_ABOUT_RATES: Final = ("revledger.rate.published.v1", "revledger.event.retracted.v1")
_OF_THE_BOOK: Final = "SELECT seq, event FROM entries WHERE account = ? AND type IN (?, ?)"
_COLUMNS: Final = frozenset(CELL_NAMES) - {"term_months"}
RETENTION: Final = """
    SELECT grp, sum(opening), sum(closing), sum(least(opening, closing)), count(*), count_if(closing <= 0)
    FROM (
        SELECT grp, account, sum(CASE WHEN day < {start} THEN amount ELSE 0 END) AS opening, sum(amount) AS closing
        FROM chosen WHERE movement <> 'ahead' AND day < {end} GROUP BY ALL
    )
    WHERE opening > 0 GROUP BY grp
"""
SHARES: Final = """
    SELECT grp, list(level) FROM (
        SELECT grp, account, sum(amount) AS level FROM chosen WHERE movement <> 'ahead' AND day < {end} GROUP BY ALL
    )
    WHERE level > 0 GROUP BY grp
"""
# A month counts where an account has revenue as it ends: what begins on a day is there for as many as follow.
LIVES: Final = """
    SELECT {whole},
        sum((date_diff('month', day, {end} - 1) + 1) * (CAST(level > 0 AS INT) - CAST(level - change > 0 AS INT))),
        count(*) FILTER (gone <> 0)
    FROM (
        SELECT *, sum(change) OVER (PARTITION BY grp, account ORDER BY day) AS level
        FROM (
            SELECT grp, account, day, sum(amount) AS change, sum(amount) FILTER (movement = 'churn') AS gone
            FROM chosen WHERE movement <> 'ahead' AND day < {end} GROUP BY ALL
        )
    )
    GROUP BY grp
"""


def chosen_sql(question: Question, currency: str | None) -> str:
    """A query for the postings of a question in one currency, or in all of them.

    `grp` is the value of the name it groups by, empty for the whole.
    """
    fitting = "".join(f" AND {value_sql(name)} = {quoted(value)}" for name, value in question.where)
    group = "''" if question.by is None else value_sql(question.by)
    columns = "partition, height, seq, account, contract, line, plan, term_months, currency, day, movement"
    among = "true" if currency is None else f"currency = {quoted(currency)}"
    return f"SELECT {columns}, amount_e4 AS amount, {group} AS grp FROM postings WHERE {among}{fitting}"  # noqa: S608


def value_sql(name: str) -> str:
    """The value that a posting has under a name, empty where it has none."""
    if name in _COLUMNS:
        return name
    if name == "term_months":
        return "coalesce(CAST(term_months AS VARCHAR), '')"
    return f"coalesce(attributes[{quoted(name)}], '')"


def known_sql(heights: Mapping[int, int]) -> str:
    """Whether a row was recorded by then: its block is at most the one of its partition."""
    places = [f"(partition = {partition} AND height <= {height})" for partition, height in heights.items()]
    return f"({' OR '.join(places)})"


def day_sql(day: int) -> str:
    """A day given as a number."""
    return f"(DATE '1970-01-01' + {day})"


def quoted(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


async def currencies_in(tables: Tables) -> list[str]:
    """The currencies of the books."""
    return [row[0] for row in await tables.rows("SELECT DISTINCT currency FROM postings ORDER BY 1")]


async def currency_in(tables: Tables, question: Question, *, converts: bool) -> str:
    """The currency asked for, or the only one in the books; raises QuestionError if there are several."""
    if question.currency is not None:
        return question.currency
    return currency_or_refusal(question, await currencies_in(tables), converts=converts)


async def rates_in(tables: Tables, zone: tzinfo | None) -> Rates:
    """The rates that were published, from the events themselves."""
    return Rates(await kept_in(tables, "true"), zone)


async def kept_in(tables: Tables, within: str) -> Kept:
    """What the events `within` say of rates, as the views keep it."""
    kept: Kept = {}
    for seq, event in await tables.rows(f"{_OF_THE_BOOK} AND {within}", [BOOK_SUBJECT, *_ABOUT_RATES]):
        for key, fields in kept_of(event_of(event), seq).items():
            kept.setdefault(key, {}).update(fields)
    return kept


async def check_names(tables: Tables, question: Question) -> None:
    """Raises QuestionError for a name that nothing is labelled with."""
    asked = [("by", question.by), *(("where", name) for name, _ in question.where)]
    unusual = [
        (parameter, name)
        for parameter, name in asked
        if name is not None and name not in CELL_NAMES and not await tables.rows(_CARRIED, [name])
    ]
    if not unusual:
        return
    names = await tables.rows("SELECT DISTINCT unnest(map_keys(attributes)) FROM postings")
    known = {*CELL_NAMES, *(row[0] for row in names)}
    for parameter, name in unusual:
        if name not in known:
            raise QuestionError(parameter, f"nothing is labelled {name!r}{nearest(name, known, LABELS)}")
