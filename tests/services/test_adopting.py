"""Adopting: afterwards every figure is what the new policy says of all there is, and the past is what it was."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from events.policy import Policy
from projections.tables import TABLES
from services import adopting
from services.adopting import AdoptionRefused, PolicyInForce, adopt
from services.adoptions import policies_of
from services.audit.replaying import replayed
from services.audit.verifying.findings import Finding
from services.cli.failures import NOT_DONE, ending_of
from services.compose import DataInUse, genesis_of, holding, owned_books
from services.ledgers.sqlite import sqlite_ledger
from services.policies import PolicyDiffers
from services.questions import question_of
from services.reports import Answer, Reports
from services.settings import Settings, settings_from
from services.writer import Submitted
from tests.effort import examples
from tests.events.test_switches import CHOICES, policy_of
from tests.model.days import Event
from tests.model.notation import fact, line, retracted
from tests.model.reports import Asked
from tests.services.audit.chains import verified_of
from tests.services.audit.test_replaying import is_known
from tests.services.books import parameters, raw_of, text
from tests.services.eras import Eras
from tests.services.running import asynchronous
from tests.services.test_reports import arrived, questions, windows

MARGINS = st.sampled_from(("100", "80", "72.5"))
ERAS = st.lists(st.tuples(CHOICES, MARGINS, st.integers(0, 9)), min_size=2, max_size=3)


def policies_from(eras: Sequence[tuple[Any, str, int]]) -> list[Policy]:
    """The policy of each era, under a name of its own."""
    return [replace(policy_of(one), name=f"era{n}", gross_margin=margin) for n, (one, margin, _) in enumerate(eras)]


async def said_of(reports: Reports, texts: dict[str, Any], every: str) -> list[Answer]:
    """Bridge and every figure of a question."""
    bridge = await reports.bridge(question_of(parameters({**texts, "every": every})))
    return [bridge, await reports.figures(question_of(parameters(texts)))]


async def tables_of(reports: Reports, texts: dict[str, Any]) -> list[Answer]:
    """Every table there is."""
    found = []
    for name, table in TABLES.items():
        kept = {one: text for one, text in texts.items() if one not in ("start", "until", "by")}
        span = {one: texts[one] for one in ("start", "until")} if table.is_window else {"at": texts["until"]}
        every = {"every": table.every[0]} if table.every else {}
        found.append(await reports.table(name, question_of(parameters({**kept, **span, **every}))))
    return found


def rows_of(answers: Sequence[Answer]) -> list[Any]:
    """What they say, without when."""
    return [(one["policy"], one["currency"], one["rows"]) for one in answers]


async def eras_of(events: Sequence[Event], each: Sequence[Policy], counts: Sequence[int]) -> tuple[Eras, list[int]]:
    """A ledger with some events in each era and all that are left in the last; the last block of each."""
    books, rest, ends = Eras(each[0]), list(events), list[int]()
    for policy, count in zip(each, [*counts[:-1], len(events)], strict=True):
        if policy is not each[0]:
            await books.adopt(policy)
        await books.write(rest[:count])
        rest = rest[count:]
        ends.append(await books.height())
    return books, ends


@settings(max_examples=examples(20), deadline=None)
@given(arrived(), ERAS, questions(), windows())
@asynchronous
async def test_after_adoptions_figures_are_those_of_books_kept_under_the_last_policy_from_the_beginning(
    events: list[Event], eras: list[Any], asked: Any, window: tuple[int, int, str]
) -> None:
    """Bridge, figures and tables; as known at the end of each era they are those of books that end there."""
    each = policies_from(eras)
    books, ends = await eras_of(events, each, [count for *_, count in eras])
    texts = {"start": text(window[0]), "until": text(window[1]), "currency": asked.currency}
    texts |= {} if asked.by is None or not await _knows(await books.reports(), asked.by) else {"by": asked.by}
    reports, taken = await books.reports(), 0
    for policy, height, (*_, count) in zip(each, ends, eras, strict=True):
        taken = len(events) if policy is each[-1] else taken + count
        scratch = Eras(policy)
        await scratch.write(events[:taken])
        known = texts if policy is each[-1] else {**texts, "known_at": f"0:{height}"}
        due = await scratch.reports()
        if "by" not in texts or await _knows(due, texts["by"]):
            assert rows_of(await said_of(reports, known, window[2])) == rows_of(await said_of(due, texts, window[2]))
        assert rows_of(await tables_of(reports, known)) == rows_of(await tables_of(due, texts))
    verified = await verified_of(await books.chain())
    assert (verified.findings, verified.policies) == ([], each)


@settings(max_examples=examples(8), deadline=None)
@given(arrived(), ERAS, questions(), windows())
@asynchronous
async def test_after_adoptions_a_replay_says_the_same_as_recorded_and_booked_again(
    events: list[Event], eras: list[Any], asked: Any, window: tuple[int, int, str]
) -> None:
    each = policies_from(eras)
    books, ends = await eras_of(events, each, [count for *_, count in eras])
    texts = {"start": text(window[0]), "until": text(window[1]), "currency": asked.currency}
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    reports = await books.reports()
    if not await is_known(reports, Asked(asked.currency)):
        return
    for under, known in ((None, texts), (each[-1], texts), (None, {**texts, "known_at": f"0:{ends[0]}"})):
        live, found = rows_of(await said_of(reports, known, window[2])), []
        for is_bridge in (True, False):
            question = question_of(parameters({**known, "every": window[2]} if is_bridge else known))
            found.append(await replayed(books.ledger, genesis, question, is_bridge=is_bridge, policy=under))
        assert rows_of(found) == live


async def _knows(reports: Reports, name: Any) -> bool:
    known = {one for field in (await reports.book()).counts() for one in field.split("|", 2)[2:]}
    return name in known | {"account", "contract", "currency"} or not known


# ---------------------------------------------------------------- a data directory

NOTICE = Policy(name="notice", churn="notice", gross_margin="80")
HALF = [{"percent": "50", "until": "2024-06-01"}]
TOLD = [
    *(fact("signed", f"{name}1", "2024-01-10", lines=[line(1000, discounts=HALF)]) for name in "abcd"),
    *(fact("cancelled", f"{name}1", "2024-03-05", effective_at="2024-04-01") for name in "abc"),
]
MARCH = {"start": "2024-03-01", "until": "2024-04-01"}


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    """The settings of a data directory."""
    return settings_from({"REVLEDGER_DATA": str(tmp_path / "books")})


async def filled(place: Settings, events: Sequence[Event] = TOLD) -> None:
    """Writes events into a data directory."""
    async with owned_books(place) as books:
        outcomes = await books.writer.write([Submitted(raw_of(event)) for event in events])
        assert {one.status for one in outcomes} <= {"accepted"}


async def findings_in(place: Settings) -> list[Finding]:
    """What is found wrong with the ledger of a data directory."""
    ledger = await sqlite_ledger(place.data / "ledger.db")
    chain = [one async for one in ledger.read(0)]
    await ledger.close()
    return (await verified_of(chain)).findings


async def march(place: Settings, **more: str) -> tuple[str, int, int]:
    """Policy, churn of March and MRR at its end."""
    async with owned_books(place) as books:
        await books.projector.catch_up()
        answer = await books.reports.bridge(question_of(parameters({**MARCH, **more})))
    amounts = answer["rows"][0]["mrr_minor"]
    return answer["policy"], amounts["churn"], amounts["closing"]


@asynchronous
async def test_a_ledger_goes_over_and_the_service_goes_on_under_the_new_policy(place: Settings, tmp_path: Path) -> None:
    await filled(place)
    assert await march(place) == (Policy().stamp, 0, 2000)
    effect = await adopt(place, NOTICE)
    assert (effect.accounts, effect.changed, effect.is_adopted, effect.height) == (4, 3, True, 2)
    assert effect.levels == {"USD": (4000 * 12 * 10_000 - 3 * 1000 * 12 * 10_000,) * 2}
    assert await march(place) == (NOTICE.stamp, -1500, 500)
    assert await march(place, known_at="0:1") == (Policy().stamp, 0, 2000)
    late = fact("cancelled", "d1", "2024-03-20", effective_at="2024-05-01")
    await filled(place, [late])
    assert await march(place) == (NOTICE.stamp, -2000, 0)
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text("")
    new.write_text('name = "notice"\nchurn = "notice"\ngross_margin = "80"\n')
    with pytest.raises(PolicyDiffers, match="revledger policy adopt FILE"):
        await filled(replace(place, policy=old), [])
    await filled(replace(place, policy=new), [])


@asynchronous
async def test_a_dry_run_says_the_same_and_changes_nothing(place: Settings) -> None:
    await filled(place)
    tried = await adopt(place, NOTICE, dry_run=True)
    assert await march(place) == (Policy().stamp, 0, 2000)
    assert (await adopt(place, NOTICE)) == replace(tried, is_adopted=True)


@asynchronous
async def test_a_policy_that_changes_no_account_is_adopted_too(place: Settings) -> None:
    """Its margin and its name count from then on."""
    await filled(place, TOLD[:1])
    effect = await adopt(place, Policy(name="ours", gross_margin="70"))
    assert (effect.changed, effect.height, effect.settled) == (0, 2, 2)
    assert (await march(place))[0] == Policy(name="ours", gross_margin="70").stamp


@asynchronous
async def test_what_cannot_be_adopted_is_refused_with_what_to_do(place: Settings) -> None:
    with pytest.raises(Exception, match="There is no ledger in"):
        await adopt(place, NOTICE)
    await filled(place)
    with pytest.raises(PolicyInForce, match=rf"{Policy().stamp} is in force since block 0\."):
        await adopt(place, Policy())
    with pytest.raises(AdoptionRefused, match="load their events into a new ledger") as caught:
        await adopt(place, Policy(name="east", zone="Asia/Seoul"))
    ending = ending_of(caught.value)
    assert ending is not None
    assert ending.status == NOT_DONE
    async with holding(place.data, "http://127.0.0.1:1"):
        with pytest.raises(DataInUse):
            await adopt(place, NOTICE)
    await adopt(place, NOTICE)
    with pytest.raises(AdoptionRefused, match="give it a higher version"):
        await adopt(place, Policy())
    back = await adopt(place, Policy(version=2))
    assert (back.changed, back.postings > 0) == (3, True)
    assert await march(place) == (Policy(version=2).stamp, 0, 2000)


@asynchronous
async def test_an_entry_that_no_ledger_keeps_is_refused_before_anything_is_written(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(place)
    monkeypatch.setattr("events.block.BOOKING_BYTES_MAX", 100)
    with pytest.raises(AdoptionRefused, match="cannot be adopted: the event would make"):
        await adopt(place, NOTICE)
    monkeypatch.undo()
    assert await march(place) == (Policy().stamp, 0, 2000)


DIES = """
import asyncio, os, signal, sys
from services import adopting
from services.ledgers import sqlite
from services.policies import policy_of_file
from services.settings import settings_from
from pathlib import Path

adopting.BLOCK_ENTRIES_MAX = 1
at, real = int(sys.argv[3]), sqlite._row
done = 0

def row(block):
    global done
    if done == at:
        os.kill(os.getpid(), signal.SIGKILL)
    done += 1
    return real(block)

sqlite._row = row
adopting._caught_up = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
settings = settings_from({"REVLEDGER_DATA": sys.argv[1]})
asyncio.run(adopting.adopt(settings, policy_of_file(Path(sys.argv[2]))))
"""
"""Adopts in blocks of one entry each, and is killed before the given row of the append, or after the append."""


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@asynchronous
async def test_whoever_is_killed_leaves_the_old_policy_in_force_or_the_new_one(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Three blocks in one transaction: there before its end none of them is, and after it all are."""
    monkeypatch.setattr(adopting, "BLOCK_ENTRIES_MAX", 1)
    await filled(place)
    file = tmp_path / "notice.toml"
    file.write_text('name = "notice"\nchurn = "notice"\ngross_margin = "80"\n')
    done = subprocess.run([sys.executable, "-c", DIES, str(place.data), str(file), str(at)], check=False)  # noqa: ASYNC221
    assert done.returncode == -9
    ledger = await sqlite_ledger(place.data / "ledger.db")
    policies = await policies_of(ledger)
    await ledger.close()
    assert policies is not None
    if at < 3:
        assert policies.in_force == Policy()
        assert await march(place) == (Policy().stamp, 0, 2000)
        assert (await adopt(place, NOTICE)).settled == 4
    else:
        assert (policies.in_force, policies.spans[-1].height, policies.spans[-1].settled) == (NOTICE, 2, 4)
        with pytest.raises(PolicyInForce):
            await adopt(place, NOTICE)
    assert await march(place) == (NOTICE.stamp, -1500, 500)
    await filled(place, [retracted(TOLD[4], "2024-03-10")])
    assert await march(place) == (NOTICE.stamp, -1000, 1000), "by accounts that know what the new policy makes of facts"
    assert await findings_in(place) == []
