"""After the faults: what was acknowledged held against ledger, dead letters and views, all of them read back."""

import re
from collections import Counter
from collections.abc import Sequence

from aiokafka import ConsumerRecord
from msgspec import Struct
from redis.asyncio import Redis

from events import block as blocks
from events.block import Block, Entry
from events.envelope import event_of
from events.partitions import partition_of
from services.accounts import Accounts
from services.distributed import views_of
from services.ledgers.memory import memory_ledger
from services.projector import Projector
from services.settings import Settings
from services.views.memory import memory_views
from services.views.port import Position
from services.writer import Submitted, Writer, stored
from tests.crash.books import HOT, Identity, identity_of
from tests.crash.readback import Chain
from tests.crash.traffic import Traffic
from tests.services.kafka.projected import content_on
from tests.simulation.checks import content_of


class Counted(Struct):
    """What was found; `lost` and `booked_twice` are events, `skipped` records of the ledger's topic."""

    acknowledged: int = 0
    refused: int = 0
    entries: int = 0
    lost: int = 0
    booked_twice: int = 0
    skipped: int = 0
    problems: list[str] = []


def count_events(chains: Sequence[Chain], traffic: Traffic) -> Counted:
    """Every acknowledged event once, byte for byte but for a nonce, in its account's partition; nothing unsent."""
    counted = Counted(len(traffic.acknowledged), len(traffic.refused))
    found: Counter[Identity] = Counter()
    for partition, chain in enumerate(chains):
        counted.skipped += chain.skipped
        counted.problems += chain.problems
        for entry in (entry for block in chain.blocks for entry in block.entries):
            identity = identity_of(entry.event)
            found[identity] += 1
            if _as_sent(entry.event) not in traffic.sent.get(identity, []):
                counted.problems.append(f"nobody sent this to be booked: {entry.event!r}")
            counted.problems += _misplaced(entry, partition, len(chains))
    counted.entries = sum(found.values())
    lost = traffic.acknowledged - found.keys()
    counted.lost, counted.booked_twice = len(lost), sum(count - 1 for count in found.values())
    if lost:
        counted.problems.append(f"{len(lost)} acknowledged events are not in the ledger, such as {sorted(lost)[:3]}")
    if counted.booked_twice:
        twice = [identity for identity, count in found.items() if count > 1]
        counted.problems.append(f"{len(twice)} events are booked more than once, such as {twice[:3]}")
    return counted


def _as_sent(event: bytes) -> bytes:
    """An event without the nonce that a writer gives to one with free text."""
    return re.sub(rb',"textnonce":"[0-9a-f]{32}"}$', b"}", event)


def _misplaced(entry: Entry, partition: int, partitions: int) -> list[str]:
    account = event_of(entry.event).subject
    if partition_of(account, partitions) != partition or blocks.booking_of(entry).account != account:
        return [f"an event of {account!r} is booked in partition {partition}"]
    return []


def check_letters(letters: Sequence[ConsumerRecord], topic: str, traffic: Traffic) -> list[str]:
    """All that was to be refused is among the dead letters, and nothing else is."""
    kept: dict[tuple[int, int], bytes] = {}
    problems = []
    for letter in letters:
        told = {name: data.decode() for name, data in letter.headers}
        kept[int(told["partition"]), int(told["offset"])] = letter.value or b""
        if told["topic"] != topic or (letter.value or b"") not in traffic.refusable or not told["code"]:
            problems.append(f"this was not to be refused: {told}, {letter.value!r}")
    missing = {place for place, raw in traffic.refused.items() if kept.get(place) != raw}
    if missing:
        problems.append(f"{len(missing)} refused records are no dead letters, such as {_some(traffic, missing)}")
    return problems


def _some(traffic: Traffic, places: set[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    return {place: traffic.refused[place] for place in sorted(places)[:3]}


async def check_booked_again(chains: Sequence[Chain]) -> list[str]:
    """The events of the ledger, booked again from scratch, give the same entries."""
    problems = []
    for partition, chain in enumerate(chains):
        if not chain.blocks:
            problems.append(f"partition {partition} has no first block")
            continue
        genesis = chain.blocks[0].header.genesis
        assert genesis is not None
        ledger = memory_ledger()
        writer = Writer(
            ledger,
            Accounts(None, partition, HOT),
            genesis.policy,
            None,
            partition=partition,
            partitions=genesis.partitions,
            find_places=False,
        )
        entries = _entries(chain.blocks)
        await writer.begin()
        await writer.write([Submitted(entry.event) for entry in entries])
        again = [blocks.block_of(one.data) async for one in ledger.read(partition)]
        if genesis.partitions != len(chains) or _entries(again) != entries:
            problems.append(f"partition {partition}, booked again from scratch, has other entries")
        await writer.close()
    return problems


async def check_views(chains: Sequence[Chain], settings: Settings) -> list[str]:
    """All keys of the views, and no others, are to the byte what the ledger folds to."""
    scratch, positions = memory_views(), {}
    for partition, chain in enumerate(chains):
        ledger = memory_ledger()
        await ledger.append([stored(block) for block in chain.blocks])
        projector = Projector(ledger, scratch, partition)
        await projector.start()
        await projector.catch_up()
        positions[partition] = projector.position
    problems = []
    expected, found = content_of(scratch), await content_on(settings)
    if found != expected:
        wrong = sorted(place for place in found.keys() | expected.keys() if found.get(place) != expected.get(place))
        problems.append(f"{len(wrong)} keys of the views are not what the ledger folds to, such as {wrong[:5]}")
    stand = await positions_on(settings)
    if stand != positions:
        problems.append(f"the views stand at {stand}, and the ledger at {positions}")
    return problems + await _strange_keys(settings, len(chains))


async def positions_on(settings: Settings) -> dict[int, Position | None]:
    """Where the views are, by partition; raises ViewsUnavailable."""
    views = views_of(settings)
    try:
        return {partition: await views.position(partition) for partition in range(settings.partitions)}
    finally:
        await views.close()


async def _strange_keys(settings: Settings, partitions: int) -> list[str]:
    """Keys of our namespace beside those of the views, their index and their position."""
    client = Redis.from_url(settings.redis)
    try:
        names = {name.decode() async for name in client.scan_iter(match=f"{settings.prefix}*")}
    finally:
        await client.aclose()
    starts = [f"{settings.prefix}:{{{partition}}}" for partition in range(partitions)]
    views = tuple(f"{start}:" for start in starts)
    known = {f"{start}{ending}" for start in starts for ending in ("", "#keys")}
    strange = sorted(name for name in names - known if not name.startswith(views))
    return [f"the views have keys that nobody knows: {strange[:5]}"] if strange else []


def _entries(chain: Sequence[Block]) -> list[Entry]:
    return [entry for block in chain for entry in block.entries]
