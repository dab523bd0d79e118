"""A partition verified: what is as it was sealed passes, and whatever is not is found and named."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from events import block as blocks
from events.block import Block, Entry, Genesis
from events.checkpoint import Head
from events.policy import Policy
from services.audit.verifying.findings import Finding
from services.ledgers.port import StoredBlock
from services.writer import stored
from tests.services.audit.chains import chain_of, findings_of, rebooked, resealed, verified_of, with_column, with_data
from tests.services.cli.calling import event, signed
from tests.services.running import asynchronous

COLUMNS = ("partition", "height", "first_seq", "entries", "recorded_at")


def some_events(accounts: int = 12) -> list[dict[str, Any]]:
    """Contracts signed, cancelled, upgraded late, retracted; surveys."""
    made: list[dict[str, Any]] = []
    for number in range(accounts):
        account = f"a{number}"
        made.append(signed(f"s{number}", 1000 + number, subject=account, attributes={"segment": "smb"}))
        line = {"line_id": "l1", "plan": "pro", "amount_minor": 2500, "quantity": number + 1}
        made.append(
            event(f"u{number}", "contract.upgraded", account, "2024-03-01", contract_id=f"c-{account}", lines=[line])
        )
        made.append(
            event(f"n{number}", "survey.answered", account, "2024-04-01", survey="nps", score=9, comment="good")
        )
        if number % 3 == 0:
            made.append(event(f"c{number}", "contract.cancelled", account, "2024-06-01", contract_id=f"c-{account}"))
    made.append(event("r1", "event.retracted", "a3", "2024-07-01", source="/tests", id="u3", reason="wrong"))
    return made


async def honest(**given: Any) -> list[StoredBlock]:
    """A ledger as the writer made it."""
    return await chain_of(some_events(), **given)


def first(findings: list[Finding]) -> Finding:
    """The first finding, of which there must be one."""
    assert findings, "nothing was found"
    return findings[0]


@asynchronous
async def test_a_ledger_as_it_was_written_passes() -> None:
    chain = await honest()
    verified = await verified_of(chain)
    assert verified.findings == []
    assert (verified.blocks, verified.height, verified.hash) == (len(chain), len(chain) - 1, chain[-1].hash)
    assert verified.entries == chain[-1].end_seq == len(some_events())
    bookings = [blocks.booking_of(one) for block in chain for one in blocks.block_of(block.data).entries]
    assert verified.postings == sum(len(one.postings) for one in bookings)


@asynchronous
async def test_an_empty_ledger_has_nothing_wrong() -> None:
    verified = await verified_of([])
    assert (verified.findings, verified.height) == ([], -1)


@asynchronous
async def test_blocks_that_are_missing_are_named() -> None:
    chain = await honest()
    found = first(await findings_of([one for one in chain if one.height not in (3, 4)]))
    assert (found.check, found.height, found.sentence) == ("gap", 3, "Blocks 3 to 4 of partition 0 are missing.")
    assert first(await findings_of(chain[1:])).sentence == "Block 0 of partition 0 is missing."


@asynchronous
async def test_blocks_that_changed_places_are_named() -> None:
    chain = await honest()
    swapped = with_column(with_column(chain, 3, data=chain[4].data), 4, data=chain[3].data)
    found = await findings_of(swapped)
    assert {one.height for one in found if one.check == "header"} == {3, 4}
    moved = [replace(chain[3], height=4), replace(chain[4], height=3)]
    found = await findings_of([*chain[:3], *moved, *chain[5:]])
    assert first(found).check == "column"
    assert {one.height for one in found} >= {3, 4}


@asynchronous
async def test_a_block_that_is_there_twice_is_named() -> None:
    chain = await honest()
    found = await findings_of([*chain, replace(chain[-1], height=len(chain))])
    assert {one.height for one in found} == {len(chain)}


@pytest.mark.parametrize("name", COLUMNS)
@asynchronous
async def test_what_is_kept_beside_a_block_is_held_against_it(name: str) -> None:
    chain = await honest()
    wrong = getattr(chain[4], name) + 1
    findings = await findings_of(with_column(chain, 4, **{name: wrong}))
    assert [one for one in findings if one.check == "column" and name in one.sentence], findings


@pytest.mark.parametrize("name", ["hash", "prev_hash"])
@asynchronous
async def test_hashes_beside_a_block_are_held_against_it(name: str) -> None:
    chain = await honest()
    (found,) = await findings_of(with_column(chain, 4, **{name: bytes(32)}))
    assert (found.height, found.check) == (4, "header" if name == "hash" else "column")


@asynchronous
async def test_a_clock_that_runs_backwards_is_named() -> None:
    chain = await honest()
    made: list[StoredBlock] = []
    before: Block | None = None
    for one in chain:
        block = blocks.block_of(one.data)
        header = replace(block.header, prev_hash=blocks.NO_HASH if before is None else before.hash)
        if header.height == 5:
            header = replace(header, recorded_at=1)
        head = blocks._ENCODER.encode(header)
        before = blocks.block_of(blocks.data_of(head, block.entries))
        made.append(stored(before))
    (found,) = await findings_of(made)
    assert (found.height, found.check) == (5, "clock")
    assert "1970-01-01" in found.sentence


@asynchronous
async def test_an_event_that_was_changed_with_all_hashes_made_good_is_named_by_its_booking() -> None:
    chain = await honest()

    def raised(block: Block) -> list[Entry]:
        entry = block.entries[0]
        return [
            Entry(entry.event.replace(b'"amount_minor": 1', b'"amount_minor": 9'), entry.booking),
            *block.entries[1:],
        ]

    (found,) = await findings_of(resealed(chain, 1, raised))
    assert (found.check, found.height, found.seq, found.source, found.id) == ("booking", 1, 0, "/tests", "s0")
    assert "+120,000,000 e-4 USD" in found.found
    assert "+1,080,000,000 e-4 USD" in found.expected


@asynchronous
async def test_who_rewrites_everything_is_found_by_a_checkpoint_alone() -> None:
    """Event, booking and all hashes changed: the ledger is one that might have been; it is another than was noted."""
    chain = await honest()

    def raised(block: Block) -> list[Entry]:
        changed = rebooked(block.entries[:1], lambda raw: raw.replace(b'"amount_minor": 1000', b'"amount_minor": 1001'))
        return [*changed, *block.entries[1:]]

    # The first account has one more entry that depends on it; the attacker leaves it out of the second block.
    forged = resealed(chain[:2], 1, lambda block: raised(block)[:1])
    assert await findings_of(forged) == []
    pin = Head(0, 1, chain[1].recorded_at, chain[1].hash)
    (found,) = await findings_of(forged, pin=pin)
    assert (found.check, found.height) == ("checkpoint", 1)
    assert "rewritten" in found.sentence


@asynchronous
async def test_a_ledger_that_was_cut_off_is_found_by_a_checkpoint_alone() -> None:
    chain = await honest()
    assert await findings_of(chain[:-2]) == []
    pin = Head(0, chain[-1].height, chain[-1].recorded_at, chain[-1].hash)
    assert await findings_of(chain, pin=pin) == []
    (found,) = await findings_of(chain[:-2], pin=pin)
    assert (found.check, found.height) == ("truncated", chain[-1].height)


@asynchronous
async def test_rules_that_differ_from_those_of_partition_0_are_named() -> None:
    chain = await honest()
    rule = Genesis(1, Policy(name="other"))
    checks = {one.check for one in await findings_of(chain, genesis=rule)}
    assert checks == {"genesis", "policy"}


@asynchronous
async def test_an_account_of_another_partition_is_named() -> None:
    """The genesis of the chain says one partition; by a rule of eight most accounts are strays."""
    chain = await honest()
    findings = await findings_of(chain, genesis=Genesis(8, Policy()))
    strays = [one for one in findings if one.check == "partition"]
    assert "belongs to partition" in first(strays).sentence


@asynchronous
async def test_an_id_that_two_accounts_share_is_named() -> None:
    chain = await honest()

    def renamed(block: Block) -> list[Entry]:
        return rebooked(block.entries, lambda raw: raw.replace(b'"s1"', b'"s0"'))

    one_block = await chain_of([signed("s0", subject="a0"), signed("s1", subject="a1")])
    (found,) = await findings_of(resealed(one_block, 1, renamed))
    assert (found.check, found.seq, found.id) == ("twice", 1, "s0")
    assert "entry 0, of another account" in found.sentence
    assert await findings_of(chain) == []


@asynchronous
async def test_an_event_that_was_booked_twice_is_named() -> None:
    chain = await chain_of([signed("s0", subject="a0"), signed("s1", subject="a1")])

    def doubled(block: Block) -> list[Entry]:
        entry = block.entries[0]
        again = blocks.booking_of(entry)
        return [entry, blocks.entry_of(entry.event, replace(again, seq=1))]

    found = first(await findings_of(resealed(chain, 1, doubled)))
    assert (found.check, found.seq, found.found) == ("twice", 1, "the id of entry 0")


@asynchronous
async def test_what_cannot_be_read_is_named_and_gone_over() -> None:
    chain = await honest()
    findings = await findings_of(with_column(chain, 2, data=b"\x00"))
    assert [(one.check, one.height) for one in findings] == [("unreadable", 2)]
    verified = await verified_of(with_column(chain, 2, data=b"\x00"))
    assert (verified.height, verified.unbooked_height) == (len(chain) - 1, 2)
    both = with_column(with_column(chain, 2, data=b"\x00"), 6, prev_hash=bytes(32))
    assert [(one.check, one.height) for one in await findings_of(both)] == [("unreadable", 2), ("column", 6)]


@pytest.mark.parametrize("seed", range(4))
@asynchronous
async def test_any_byte_of_any_block_is_found_where_it_is(seed: int) -> None:
    await flip(seed, 25)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(4, 8))
@asynchronous
async def test_a_thousand_bytes_are_found_where_they_are(seed: int) -> None:
    await flip(seed, 1_000)


async def flip(seed: int, times: int) -> None:
    """Sets random bytes, one at a time, and holds what is found against where it was."""
    rng = random.Random(seed)
    chain = await honest(a_block=rng.choice((1, 3, 7, 50)))
    for _ in range(times):
        height = rng.randrange(len(chain))
        spot = rng.randrange(len(chain[height].data))
        byte = chain[height].data[spot] ^ rng.randrange(1, 256)
        found = first(await findings_of(with_data(chain, height, spot, byte)))
        assert found.height == height, (height, spot, byte, found)
