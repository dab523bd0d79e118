"""Unmatched facts, one by one: events about a contract nobody signed, retractions of an event nobody sent."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from events.days import text_of_moment
from services.archive.tables import Tables

RETRACTED: Final = "revledger.event.retracted.v1"
SIGNED: Final = "revledger.contract.signed.v1"

_SAID: Final = f"""
WITH said AS (
    SELECT account, source, id, type, time, recorded_at, partition, height, seq, decode(event) AS event
    FROM entries
    WHERE type LIKE 'revledger.contract.%' OR type LIKE 'revledger.payment.%' OR type = '{RETRACTED}'
), taken_back AS (
    SELECT account, event ->> '$.data.source' AS of_source, event ->> '$.data.id' AS of_id, * EXCLUDE (account, event),
        row_number() OVER (PARTITION BY account, of_source, of_id ORDER BY partition, seq) AS nth
    FROM said WHERE type = '{RETRACTED}'
), held AS (
    SELECT *, event ->> '$.data.contract_id' AS contract
    FROM said
    WHERE type <> '{RETRACTED}' AND NOT EXISTS (
        SELECT 1 FROM taken_back AS t
        WHERE t.account = said.account AND t.of_source = said.source AND t.of_id = said.id
    )
), signed AS (
    SELECT DISTINCT account, contract FROM held WHERE type = '{SIGNED}'
)
"""  # noqa: S608
_UNMATCHED: Final = f"""
{_SAID}
SELECT account, contract, '' AS of_source, '' AS of_id, source, id, type, time, recorded_at, partition, height, seq
FROM held WHERE NOT EXISTS (
    SELECT 1 FROM signed WHERE signed.account = held.account AND signed.contract = held.contract
)
UNION ALL
SELECT account, '', of_source, of_id, source, id, type, time, recorded_at, partition, height, seq
FROM taken_back AS t WHERE nth = 1 AND NOT EXISTS (
    SELECT 1 FROM entries AS e WHERE e.account = t.account AND e.source = t.of_source AND e.id = t.of_id
)
ORDER BY recorded_at, partition, seq
"""  # noqa: S608
_SIGNED: Final = f"{_SAID} SELECT * FROM signed WHERE account IN (SELECT unnest(?)) ORDER BY ALL"  # noqa: S608


class Unmatched(Struct, frozen=True):
    """A fact that moves nothing yet: what it waits for (a contract, or an event to retract), and where it is.

    `near` are contracts of the account that its own may be meant to be. Times are in microseconds.
    """

    account: str
    contract: str
    of_source: str
    of_id: str
    source: str
    id: str
    type: str
    time: int
    recorded_at: int
    partition: int
    height: int
    seq: int
    near: tuple[str, ...] = ()

    @property
    def waits_for(self) -> str:
        """What has to come before it counts, in words."""
        if self.type == RETRACTED:
            return f"event {self.of_id!r} of {self.of_source!r}, which nobody sent"
        hint = f"; did it mean {' or '.join(map(repr, self.near))}?" if self.near else ""
        return f"contract {self.contract!r}, which nobody signed{hint}"

    def shown(self) -> dict[str, Any]:
        """As JSON says it."""
        place = {"partition": self.partition, "height": self.height, "seq": self.seq}
        told = {"source": self.source, "id": self.id, "type": self.type, "account": self.account}
        times = {"time": text_of_moment(self.time), "recorded_at": text_of_moment(self.recorded_at)}
        waits = {"waits_for": self.waits_for}
        if self.type == RETRACTED:
            return {**told, "of_source": self.of_source, "of_id": self.of_id, **times, **place, **waits}
        return {**told, "contract": self.contract, **times, **place, **waits, "near": list(self.near)}


async def unmatched_of(tables: Tables) -> list[Unmatched]:
    """The unmatched facts of a ledger's table `entries`, in the order they were recorded."""
    found = [_unmatched(row) for row in await tables.rows(_UNMATCHED)]
    accounts = sorted({one.account for one in found if one.contract})
    signed: dict[str, list[str]] = {}
    for account, contract in await tables.rows(_SIGNED, [accounts]) if accounts else ():
        signed.setdefault(account, []).append(contract)
    return [_with_near(one, signed) for one in found]


def _unmatched(row: Iterable[Any]) -> Unmatched:
    account, contract, of_source, of_id, source, id_, type_, time, recorded_at, partition, height, seq = row
    clocks = (_microseconds(time), _microseconds(recorded_at))
    return Unmatched(account, contract, of_source, of_id, source, id_, type_, *clocks, partition, height, seq)


def _microseconds(moment: datetime) -> int:
    since = moment.replace(tzinfo=None) - datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, without its name
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _with_near(one: Unmatched, signed: Mapping[str, list[str]]) -> Unmatched:
    known = signed.get(one.account, [])
    near = difflib.get_close_matches(one.contract, known, n=2, cutoff=0.6) if one.contract else []
    if not near and one.contract and len(known) == 1:
        near = known
    return replace(one, near=tuple(near))
