"""Random but valid histories of a book, as CloudEvents in which days, lines and amounts often collide."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.model.days import EPOCH, Event, date_of

Data = dict[str, Any]

FIRST_DAY = (datetime(2023, 12, 1, tzinfo=UTC) - EPOCH).days
SPANS_DAYS = (40, 120, 400, 730)
MINUTES_A_DAY = 24 * 60
ACCOUNTS = ("acme", "beta", "corp", "dune")
CONTRACTS = ("k1", "k10", "k2")
CURRENCIES = ("USD", "EUR", "KRW", "JPY")
LINE_IDS = ("l1", "l10", "l2")
AMOUNTS_MINOR = (1000, 1000, 2000, 5000, 12000, 100_000, 999, 700, 1, 0)
PERCENTS = ("10", "12.5", "33.33", "50", "100", "0.1")
INTERVALS = ("month", "month", "year", "week", "day")
KINDS = ("recurring",) * 5 + ("one_time", "usage")
SOURCES = ("/billing", "/crm")
SELLERS = {"owner": ("kim", "lee"), "campaign": ("spring",), "channel": ("partner", "direct")}
ATTRIBUTES: dict[str, tuple[str | int | bool, ...]] = {
    "segment": ("smb", "enterprise"),
    "region": ("emea", "apac"),
    "seats": (50, 51),
    "vip": (True, False),
}
LATER = (
    ("upgraded", "cancelled", "signed", "renewed", "changed", "resumed", "downgraded", "paused") * 3
    + ("upgraded", "upgraded", "cancelled", "signed", "retracted", "retracted", "retracted")
    + ("survey", "survey", "survey", "failed", "recovered", "cost", "cost", "rate")
)


class Scene(NamedTuple):
    """What a history draws from; a contract is (account, contract id, currency), size counts events."""

    days: list[int]
    contracts: list[tuple[str, str, str]]
    size: int


# ---------------------------------------------------------------- small pieces


@st.composite
def day_texts(draw: st.DrawFn, days: list[int]) -> str:
    """One of the days, mostly as a date, sometimes as an RFC 3339 time whose UTC day it is."""
    day = draw(st.sampled_from(days))
    form = draw(st.sampled_from(("date", "date", "date", "utc", "offset")))
    if form == "date":
        return date_of(day).isoformat()
    if form == "utc":
        return f"{date_of(day).isoformat()}T23:59:59.999999Z"
    return f"{date_of(day + 1).isoformat()}T08:30:00+09:00"


@st.composite
def spans(draw: st.DrawFn, days: list[int]) -> Data:
    """Optional `from` and `until`; where both are given, from < until."""
    first, last = sorted((draw(st.sampled_from(days)), draw(st.sampled_from(days))))
    edges = draw(st.sampled_from(((), (), (), ("from",), ("until",), ("until",), ("from", "until"))))
    texts = {"from": first, "until": last if last > first else first + 30}
    return {edge: draw(day_texts([texts[edge]])) for edge in edges}


@st.composite
def discounts(draw: st.DrawFn, days: list[int]) -> Data:
    """A discount in percent or of an amount, with or without dates."""
    if draw(st.booleans()):
        off: Data = {"percent": draw(st.sampled_from(PERCENTS))}
    else:
        off = {"amount_minor": draw(st.sampled_from((1, 300, 999, 5000)))}
    return off | draw(spans(days))


@st.composite
def priced_lines(draw: st.DrawFn, line_id: str, days: list[int]) -> Data:
    """One line of any kind, interval and span."""
    line: Data = {
        "line_id": line_id,
        "plan": draw(st.sampled_from(("basic", "pro"))),
        "amount_minor": draw(st.sampled_from(AMOUNTS_MINOR)),
        **draw(spans(days)),
    }
    optional = {
        "product": st.sampled_from(("desk", "chat")),
        "kind": st.sampled_from(KINDS),
        "quantity": st.integers(1, 3),
        "interval": st.sampled_from(INTERVALS),
        "interval_count": st.sampled_from((1, 2, 3, 6, 7)),
        "discounts": st.lists(discounts(days), max_size=2),
    }
    for name in draw(st.sets(st.sampled_from(sorted(optional)), max_size=4).map(sorted)):
        line[name] = draw(optional[name])
    return line


@st.composite
def line_sets(draw: st.DrawFn, days: list[int]) -> list[Data]:
    """A complete set of lines, each line id at most once."""
    ids = draw(st.lists(st.sampled_from(LINE_IDS), min_size=1, max_size=3, unique=True))
    return [draw(priced_lines(line_id, days)) for line_id in ids]


@st.composite
def terms(draw: st.DrawFn, effective: int, days: list[int]) -> Data:
    """A term, open-ended or with an end after its start, which is the effective day unless it is given."""
    start = draw(st.sampled_from([effective, effective, *days]))
    months = draw(st.sampled_from((None, 28, 30, 59, 365, 366, 731, "pool")))
    term: Data = {} if start == effective else {"start": draw(day_texts([start]))}
    if months is not None:
        later = [day for day in days if day > start] or [start + 1]
        term["end"] = draw(day_texts(later if months == "pool" else [start + int(months)]))
    if draw(st.booleans()):
        term["auto_renew"] = draw(st.sampled_from((False, False, True)))
    return term


@st.composite
def attribute_changes(draw: st.DrawFn, *, removals: bool) -> dict[str, Any]:
    """Some attributes with new values, or null where removals are allowed."""
    names = draw(st.sets(st.sampled_from(sorted(ATTRIBUTES)), min_size=1, max_size=2).map(sorted))
    gone: tuple[None, ...] = (None,) if removals else ()
    return {name: draw(st.sampled_from(ATTRIBUTES[name] + gone)) for name in names}


# ---------------------------------------------------------------- data of an event


@st.composite
def signings(draw: st.DrawFn, effective: int, currency: str, days: list[int]) -> Data:
    """What a signing says: lines always; term, trial, seller and attributes sometimes."""
    data: Data = {"currency": currency, "lines": draw(line_sets(days))}
    if draw(st.booleans()):
        data["term"] = draw(terms(effective, days))
    if draw(st.integers(0, 3)) == 3:
        data["trial_end"] = draw(day_texts(days))
    for name in draw(st.sets(st.sampled_from(sorted(SELLERS)), max_size=1)):
        data[name] = draw(st.sampled_from(SELLERS[name]))
    if draw(st.booleans()):
        data["attributes"] = draw(attribute_changes(removals=False))
    return data


@st.composite
def renewals(draw: st.DrawFn, effective: int, days: list[int]) -> Data:
    """A renewal: its term mostly, new lines sometimes."""
    data: Data = {"term": draw(terms(effective, days))} if draw(st.integers(0, 5)) < 5 else {}
    if draw(st.integers(0, 2)) == 2:
        data["lines"] = draw(line_sets(days))
    return data


@st.composite
def cancellations(draw: st.DrawFn) -> Data:
    """A cancellation with or without a reason and an initiative."""
    data: Data = {}
    if draw(st.booleans()):
        data["reason"] = draw(st.sampled_from(("price", "missing_feature")))
    if draw(st.booleans()):
        data["initiative"] = draw(st.sampled_from(("voluntary", "involuntary")))
    return data


def contract_data(kind: str, effective: int, currency: str, days: list[int]) -> st.SearchStrategy[Data]:
    """What a contract event of this kind says besides its contract and its day."""
    if kind == "signed":
        return signings(effective, currency, days)
    if kind in ("upgraded", "downgraded"):
        return st.fixed_dictionaries({"lines": line_sets(days)})
    if kind == "renewed":
        return renewals(effective, days)
    return cancellations() if kind == "cancelled" else st.just({})


@st.composite
def answers(draw: st.DrawFn) -> Data:
    """An answer to a survey, by one of two people or by nobody in particular."""
    survey = draw(st.sampled_from(("nps", "nps", "nps", "csat", "ces", "fcr", "feedback")))
    data: Data = {"survey": survey}
    if draw(st.integers(0, 5)) < 5:
        data["score"] = draw(st.integers(0, 5 if survey == "csat" else 10))
    if survey in ("nps", "csat") and draw(st.integers(0, 4)) == 4:
        data["scale_max"] = draw(st.sampled_from((5, 10, 100) if survey == "csat" else (10, 20)))
    if survey == "fcr" or draw(st.integers(0, 4)) == 4:
        data["resolved_first_contact"] = draw(st.booleans())
    who = draw(st.sampled_from((None, "r1", "r1", "r2")))
    return data if who is None else data | {"respondent": who}


@st.composite
def costs(draw: st.DrawFn, currency: str, days: list[int]) -> Data:
    """A cost over some days or none, of a campaign, a seller or a segment, or of nothing in particular."""
    first = draw(st.sampled_from(days))
    data: Data = {
        "kind": draw(st.sampled_from(("acquisition", "retention"))),
        "amount_minor": draw(st.sampled_from((0, 1, 500, 1000, 99_999))),
        "currency": currency,
        "from": date_of(first).isoformat(),
        "until": date_of(first + draw(st.sampled_from((0, 1, 30, 91)))).isoformat(),
    }
    named = {"campaign": "spring", "owner": "kim", "segment": "smb"}
    return data | {name: named[name] for name in draw(st.sets(st.sampled_from(sorted(named)), max_size=2))}


def aside(kind: str, currency: str, contract: str) -> tuple[str, Data]:
    """The type and the data of an event that moves nothing."""
    other = "USD" if currency != "USD" else "EUR"
    asides: dict[str, tuple[str, Data]] = {
        "failed": (
            "payment.failed",
            {"contract_id": contract, "amount_minor": 900, "currency": currency, "attempt": 1},
        ),
        "recovered": ("payment.recovered", {"contract_id": contract}),
        "rate": ("rate.published", {"base": currency, "quote": other, "rate": "1.25"}),
    }
    return asides[kind]


# ---------------------------------------------------------------- whole histories


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A handful of days, one to four accounts with one to three contracts each, one to fourteen events."""
    span = draw(st.sampled_from(SPANS_DAYS))
    offsets = draw(st.lists(st.integers(0, span), min_size=2, max_size=8, unique=True))
    currencies = CURRENCIES if draw(st.booleans()) else CURRENCIES[:1]
    contracts = [
        (account, f"{account}-{contract}", draw(st.sampled_from(currencies)))
        for account in ACCOUNTS[: draw(st.sampled_from((1, 1, 1, 2, 2, 3, 4)))]
        for contract in CONTRACTS[: draw(st.sampled_from((1, 1, 2, 2, 3)))]
    ]
    size = draw(st.one_of(st.integers(1, 14), st.integers(8, 14)))
    return Scene([FIRST_DAY + offset for offset in sorted(offsets)], contracts, size)


@st.composite
def moments(draw: st.DrawFn, scene: Scene) -> list[tuple[int, int]]:
    """As many distinct (day, minute) as there are events, in order; most days hold several."""
    one = st.tuples(st.sampled_from(scene.days), st.integers(0, MINUTES_A_DAY - 1))
    return sorted(draw(st.lists(one, min_size=scene.size, max_size=scene.size, unique=True)))


@st.composite
def time_texts(draw: st.DrawFn, day: int, minute: int) -> str:
    """A moment as RFC 3339, mostly in UTC, sometimes as seen from elsewhere."""
    when = EPOCH + timedelta(days=day, minutes=minute)
    offset = draw(st.sampled_from((None, None, None, "+09:00", "-05:30")))
    if offset is None:
        return when.strftime("%Y-%m-%dT%H:%M:%SZ")
    shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
    local = when + shift if offset[0] == "+" else when - shift
    return local.strftime("%Y-%m-%dT%H:%M:%S.000000") + offset


def identity(index: int) -> tuple[str, str]:
    """The (source, id) of the event at an index: ids repeat across sources, pairs do not."""
    return SOURCES[index % 2], f"e{index // 2}"


@st.composite
def changes(draw: st.DrawFn, scene: Scene, contract_index: int, kind: str, day: int) -> tuple[str, str, Data]:
    """The type, subject and data of an event that is not a retraction."""
    account, contract, currency = scene.contracts[contract_index]
    if kind == "survey":
        return "revledger.survey.answered.v1", account, draw(answers())
    if kind == "cost":
        return "revledger.cost.recorded.v1", account, draw(costs(currency, scene.days))
    if kind in ("failed", "recovered", "rate"):
        name, said = aside(kind, currency, contract)
        subject = "~book" if kind == "rate" else account
        return f"revledger.{name}.v1", subject, said
    effective = draw(st.sampled_from(scene.days)) if draw(st.integers(0, 2)) == 2 else None
    data: Data = {} if effective is None else {"effective_at": draw(day_texts([effective]))}
    if kind == "changed":
        data["attributes"] = draw(attribute_changes(removals=True))
        return "revledger.account.changed.v1", account, data
    data["contract_id"] = contract
    data |= draw(contract_data(kind, day if effective is None else effective, currency, scene.days))
    return f"revledger.contract.{kind}.v1", account, data


@st.composite
def kinds_of(draw: st.DrawFn, scene: Scene) -> list[tuple[int, str]]:
    """For each event its contract and its kind; most contracts are signed before anything else is said."""
    last = len(scene.contracts) - 1
    seen: set[int] = set()
    kinds: list[tuple[int, str]] = []
    for _ in range(scene.size):
        index = draw(st.integers(0, last))
        is_first = index not in seen and draw(st.integers(0, 3)) < 3
        kinds.append((index, "signed" if is_first else draw(st.sampled_from(LATER))))
        seen.add(index)
    return kinds


@st.composite
def retractions(draw: st.DrawFn, subjects: list[str | None], index: int, account: str) -> tuple[str, Data]:
    """A retraction of an event of the same account, earlier or later in the history, or of an unknown one."""
    own = [other for other, subject in enumerate(subjects) if subject == account and other != index]
    target = draw(st.sampled_from([*own, *own, None]))
    source, name = ("/elsewhere", "unknown") if target is None else identity(target)
    return account, {"source": source, "id": name, "reason": "mistake"}


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """A valid history in order of `time`, which no two of its events share.

    One to four accounts with one to three contracts each, one to fourteen events of every type, on two to
    eight days within 40 days to two years. A contract keeps its currency.
    """
    scene = draw(scenes())
    kinds = draw(kinds_of(scene))
    when = draw(moments(scene))
    accounts = [scene.contracts[index][0] for index, _ in kinds]
    subjects: list[str | None] = [
        None if kind == "rate" else account for account, (_, kind) in zip(accounts, kinds, strict=True)
    ]
    events: list[Event] = []
    for index, ((contract, kind), (day, minute)) in enumerate(zip(kinds, when, strict=True)):
        if kind == "retracted":
            subject, data = draw(retractions(subjects, index, accounts[index]))
            name = "revledger.event.retracted.v1"
        else:
            name, subject, data = draw(changes(scene, contract, kind, day))
        source, event_id = identity(index)
        events.append(
            {
                "specversion": "1.0",
                "id": event_id,
                "source": source,
                "type": name,
                "subject": subject,
                "time": draw(time_texts(day, minute)),
                "datacontenttype": "application/json",
                "data": data,
            }
        )
    return events


@st.composite
def arrival_orders(draw: st.DrawFn, history: list[Event]) -> list[Event]:
    """The history shuffled, with some of its events repeated."""
    repeated = draw(st.lists(st.sampled_from(history), max_size=4))
    return draw(st.permutations(history + repeated))
