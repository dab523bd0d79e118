"""A lane: one partition of the ledger in the hands of this process, from blocks handed over to committed views."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from services import clock
from services.following import BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Follower
from services.ledgers.kafka import KafkaLedger
from services.ledgers.port import LedgerUnavailable, StoredBlock
from services.metrics import Metrics
from services.projector import Projector
from services.views.port import Views, ViewsUnavailable

WAITING_BLOCKS_MAX: Final = 500
"""How many blocks wait for the projector at most, and that only if they are small (`BATCH_BYTES_MAX`)."""
RETRY_SECONDS: Final = 0.5
PACE_SECONDS: Final = 0.02
"""From one commit to the next at least: of what comes meanwhile, each page is written once."""
LOOK_SECONDS: Final = 1.0
"""How often an idle lane looks whether the views are still where it left them."""
HELP_LOOKS: Final = 5
"""After so many looks at a ledger of which nothing is handed over, the lane reads it by itself."""
STANDSTILL_SECONDS: Final = 60.0
REMIND_SECONDS: Final = 60.0
"""How often an outage that lasts is logged again."""
GRACE_SECONDS: Final = 2.0
"""How long a batch in progress may take to end when the partition goes elsewhere."""
_log = logging.getLogger("revledger")


class Handed(Struct, frozen=True):
    """A record of the ledger's topic; `ack` is called once the views reflect it, in the order of the offsets."""

    block: StoredBlock
    offset: int
    ack: Callable[[], object]


class Anchor(Struct, frozen=True):
    """Views at a height reflect all records before an offset."""

    offset: int
    height: int


async def _no_check() -> None:
    pass


class Lane:
    """Projects the blocks of one partition in the order they are handed over.

    Where the handing over leaves something out, the ledger is asked; so what is handed over, and from where on,
    decides how quick it is, never what comes out. Before it begins, and after every outage, `check` is called: it
    raises `ViewsUnavailable` while the views are not fit to be kept where they are. `follower` is what the blocks are
    given to, if that is not a projector.
    """

    def __init__(
        self,
        ledger: KafkaLedger,
        views: Views,
        partition: int,
        metrics: Metrics,
        check: Callable[[], Awaitable[None]] = _no_check,
        follower: Follower | None = None,
    ) -> None:
        self._ledger = ledger
        self._views = views
        self._partition = partition
        self._metrics = metrics
        self._name = str(partition)
        self._projector = follower or Projector(ledger, views, partition)
        self._waiting: deque[Handed] = deque()
        self._bytes = 0
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = asyncio.Event()
        self._started = asyncio.Event()
        self._check = check
        self._is_checked = self._is_begun = False
        self._looks = 0
        self._anchor = Anchor(0, 0)
        self._end = self._goal = 0
        self._newest_offset = self._newest_height = -1
        self._outage = ""
        self._told = self._paced = 0.0
        self._stood = (0, asyncio.get_running_loop().time())
        self._task = asyncio.create_task(self._run(), name=f"projector {partition}")

    @property
    def task(self) -> asyncio.Task[None]:
        """What works; it ends with an error only if that is for a person to look at."""
        return self._task

    @property
    def entries(self) -> int:
        """How many entries the views reflect."""
        return self._projector.position.last_seq + 1

    @property
    def lag(self) -> int:
        """How many records of the topic the views do not reflect: the blocks they lack, and forks among them."""
        lost = self._anchor.height - self._projector.position.next_height
        return max(0, self._end - self._anchor.offset + lost)

    async def begins_at(self, patience_seconds: float) -> int | None:
        """The offset from which records should be handed over; None if the stores do not tell in that time."""
        try:
            await asyncio.wait_for(self._started.wait(), patience_seconds)
        except TimeoutError:
            return None
        return self._anchor.offset

    async def put(self, handed: Handed) -> None:
        """Takes a record over, as soon as there is room; a lane that is closed drops it."""
        while not self._closing.is_set() and self._is_full():
            self._room.clear()
            await self._room.wait()
        if not self._closing.is_set():
            self._waiting.append(handed)
            self._bytes += len(handed.block.data)
            self._came.set()

    async def close(self) -> None:
        """Ends the lane after the batch in progress; nothing is committed by it afterwards."""
        self._closing.set()
        self._came.set()
        self._room.set()
        await asyncio.wait([self._task], timeout=GRACE_SECONDS)
        self._task.cancel()
        await asyncio.wait([self._task])
        for gauge in (self._metrics.lag_blocks, self._metrics.lag_seconds):
            gauge.remove(self._name)

    async def measure(self) -> None:
        """Measures how far behind the views are; while Kafka does not tell, what it said last counts."""
        if not self._started.is_set():
            return
        try:
            self._end = max(self._end, await self._ledger.end_offset(self._partition))
            oldest = await self._oldest_recorded_at()
        except LedgerUnavailable:
            oldest = None
        height, now = self._projector.position.next_height, asyncio.get_running_loop().time()
        if not self.lag or height != self._stood[0]:
            self._stood = (height, now)
        if not self._closing.is_set():
            age = 0.0 if oldest is None else max(0.0, (clock.now() - oldest) / 1e6)
            self._metrics.lag_blocks.labels(self._name).set(self.lag)
            self._metrics.lag_seconds.labels(self._name).set(age)

    def not_live(self) -> str:
        """Why the process should be started again; empty if it should not."""
        stood = asyncio.get_running_loop().time() - self._stood[1]
        if self._started.is_set() and self.lag and stood > STANDSTILL_SECONDS:
            return f"the views of partition {self._name} lack {self.lag} blocks and have not moved for {stood:.0f} s"
        return ""

    def not_ready(self) -> str:
        """Why the views are not to be relied on yet; empty if they are."""
        if self._outage:
            return f"partition {self._name} waits: {self._outage}"
        if not self._started.is_set():
            return f"partition {self._name} is being taken over"
        if self._anchor.offset < self._goal or self._projector.position.next_height < self._anchor.height:
            return f"the views of partition {self._name} are being built: {self.lag} blocks to go"
        return ""

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                if not self._is_checked:
                    await self._check()
                    self._is_checked = True
                if not self._is_begun:
                    await self._begin()
                await self._turn()
            except (ViewsUnavailable, LedgerUnavailable) as error:
                self._waits(str(error))
                await self._pause(RETRY_SECONDS)
            else:
                if self._outage:
                    _log.info("projection of partition %s goes on", self._name)
                self._outage = ""

    def _waits(self, outage: str) -> None:
        """Keeps the reason, and logs it if it is new or was logged a while ago."""
        now = asyncio.get_running_loop().time()
        if outage != self._outage or now - self._told >= REMIND_SECONDS:
            _log.warning("projection of partition %s waits: %s", self._name, outage)
            self._told = now
        self._outage = outage
        self._is_checked = False

    async def _begin(self) -> None:
        """Takes the partition over, with one claim however often the rest fails.

        Kafka is asked first: whoever has lost it may have lost the partition as well, and a claim would stop its
        rightful owner.
        """
        end = await self._ledger.end_offset(self._partition)
        if self._projector.is_claimed:
            await self._projector.take([])
        else:
            await self._projector.start()
        self._stand_before(end)
        self._is_begun = True
        self._started.set()

    def _stand_before(self, end: int) -> None:
        """Anchors the views where they stand now, to be brought up to an offset."""
        height = self._projector.position.next_height
        self._goal = self._end = end
        self._anchor = Anchor(min(self._ledger.offset_of(self._partition, height), end), height)

    async def _turn(self) -> None:
        """One batch, or a look after a while without any."""
        if not self._waiting:
            self._came.clear()
            await self._pause(LOOK_SECONDS, self._came)
        if self._closing.is_set():
            return
        if self._waiting:
            await self._project()
        else:
            await self._look()

    async def _project(self) -> None:
        """Projects what waits, up to the size of a batch, and then acknowledges it in order."""
        await self._keep_pace()
        batch, entries, size = [], 0, 0
        for handed in self._waiting:
            batch.append(handed)
            entries += handed.block.entries
            size += len(handed.block.data)
            if entries >= BATCH_ENTRIES_MAX or size >= BATCH_BYTES_MAX:
                break
        await self._projector.take([handed.block for handed in batch])
        for handed in batch:
            self._waiting.popleft()
            self._count(handed)
            handed.ack()
        self._bytes -= size
        self._room.set()
        self._looks = 0
        self._anchor = Anchor(batch[-1].offset + 1, self._projector.position.next_height)

    async def _keep_pace(self) -> None:
        """Waits until a while after the last batch was begun; who is alone after a pause is not held up."""
        loop = asyncio.get_running_loop()
        early = self._paced + PACE_SECONDS - loop.time()
        if early > 0 and not self._is_full():
            await self._pause(early)
        self._paced = loop.time()

    def _count(self, handed: Handed) -> None:
        """Counts a record whose height came before; one that is handed over again is none."""
        if handed.offset <= self._newest_offset:
            return
        self._newest_offset = handed.offset
        if handed.block.height <= self._newest_height:
            self._metrics.forks_skipped.labels(self._name).inc()
        self._newest_height = max(self._newest_height, handed.block.height)

    async def _look(self) -> None:
        """Brings the views up by itself where they stand elsewhere, or where nothing is handed over of what is there.

        The first is a server that was emptied or came back from an older copy, while nothing is written. They are
        brought up under the epoch of this lane: if another was claimed since, this lane is the one that has to end.
        """
        end = await self._ledger.end_offset(self._partition)
        before = self._projector.position
        is_elsewhere = await self._projector.look() != before
        if is_elsewhere:
            _log.warning("the views of partition %s are not where they were left: they are read again", self._name)
            await self._projector.take([])
            self._stand_before(end)
        self._looks = self._looks + 1 if end > self._anchor.offset else 0
        if is_elsewhere or self._looks >= HELP_LOOKS:
            await self._projector.catch_up()
            self._anchor = Anchor(end, self._projector.position.next_height)

    async def _oldest_recorded_at(self) -> int | None:
        """When the first block that the views lack was recorded; None if they lack none."""
        if not self.lag:
            return None
        height = self._projector.position.next_height
        for handed in self._waiting:
            if handed.block.height == height:
                return handed.block.recorded_at
        async for block in self._ledger.read(self._partition, height, height + 1):
            return block.recorded_at
        return None

    def _is_full(self) -> bool:
        return len(self._waiting) >= WAITING_BLOCKS_MAX or self._bytes >= BATCH_BYTES_MAX

    async def _pause(self, seconds: float, until: asyncio.Event | None = None) -> None:
        """Waits, but not past the closing."""
        try:
            await asyncio.wait_for((until or self._closing).wait(), seconds)
        except TimeoutError:
            return
