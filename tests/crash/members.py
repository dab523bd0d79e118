"""The services of the distributed form as processes: killed, paused, joined, and started again when they end."""

import asyncio
import re
import sys
from pathlib import Path
from random import Random
from typing import Final, Literal

from tests.crash.processes import ROOT
from tests.servers.processes import NotStarted, Server, free_port, is_open

Kind = Literal["writer", "projector"]

LOOK_SECONDS: Final = 0.05
TAKEN_OVER_SECONDS: Final = 90.0
_HELD: Final = re.compile(r"this (?:writer|projector) has partitions (?:\[([0-9, ]+)\]|none)")
_FENCED: Final = "Stop projecting the partition here."


class Member(Server):
    """One service; each of its lives listens on a port of its own, and a writer keeps its accounts between them."""

    def __init__(self, kind: Kind, directory: Path, environment: dict[str, str]) -> None:
        super().__init__(directory)
        self.kind: Final = kind
        self.is_harmed = False
        self.turn: Final = asyncio.Lock()
        self._environment = environment
        self._port = 0
        self._born = 0

    def command(self) -> list[str]:
        variables = [f"{name}={text}" for name, text in (self._environment | {"PYTHONPATH": str(ROOT)}).items()]
        options = ["--port", str(self._port), *(["--data", str(self.directory)] if self.kind == "writer" else [])]
        return ["/usr/bin/env", *variables, sys.executable, "-m", "services.cli.main", "run", self.kind, *options]

    def start(self) -> None:
        self.is_harmed = False
        self._port = free_port()
        self._born = self.log.stat().st_size if self.log.exists() else 0
        super().start()

    def kill(self) -> None:
        self.is_harmed = True
        super().kill()

    def answers(self) -> bool:
        """Whether it has its probes open; what it works on may still be away."""
        return is_open(self._port)

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def said(self) -> str:
        """What it printed in this life."""
        return self.log.read_bytes()[self._born :].decode(errors="replace")

    @property
    def held(self) -> frozenset[int]:
        """The partitions that its group last gave it in this life."""
        found = _HELD.findall(self.said)
        return frozenset(int(one) for one in found[-1].split(",") if one) if found else frozenset()

    @property
    def is_fenced(self) -> bool:
        """Whether it ended because another one had taken a partition over: the only error that is no defect."""
        return self.kind == "projector" and _FENCED in self.said

    def lose_accounts(self) -> None:
        """Deletes what a writer that does not run knew of the accounts."""
        for file in self.directory.glob("accounts-*"):
            file.unlink()


class Fleet:
    """Writers and projectors of one ledger, and a supervisor that starts again whoever ends."""

    def __init__(self, directory: Path, environment: dict[str, str], dice: Random) -> None:
        self._directory = directory
        self._environment = environment
        self._dice = dice
        self._made = 0
        self._task: asyncio.Task[None] | None = None
        self.members: list[Member] = []
        self.problems: list[str] = []
        self.restarts = 0
        self.fenced = 0

    async def start(self, writers: int, projectors: int) -> None:
        """Starts the services, and then watches over them."""
        joining = [self.join("writer") for _ in range(writers)] + [self.join("projector") for _ in range(projectors)]
        await asyncio.gather(*joining)
        self._task = asyncio.create_task(self._watch())

    async def join(self, kind: Kind) -> None:
        """One more."""
        self._made += 1
        member = Member(kind, self._directory / f"{kind}-{self._made}", self._environment)
        await asyncio.to_thread(member.start)
        self.members.append(member)

    async def leave(self, member: Member) -> None:
        """Ends one as an operator would."""
        self.members.remove(member)
        async with member.turn:
            ended_before = member.is_harmed or member.is_fenced
            await asyncio.to_thread(member.stop)
        if not ended_before and not member.is_fenced and member.status != 0:
            self._complain(member)

    async def end(self) -> None:
        """Ends all of them."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()
        try:
            await asyncio.gather(*(self.leave(member) for member in list(self.members)))
        finally:
            for member in self.members:
                member.kill()

    def of(self, kind: Kind) -> list[Member]:
        """Those of a kind."""
        return [member for member in self.members if member.kind == kind]

    async def one_at_work(self, kind: Kind) -> Member:
        """Any of a kind that has partitions, as soon as there is one."""
        async with asyncio.timeout(TAKEN_OVER_SECONDS):
            while True:
                found = [one for one in self.of(kind) if one.is_running and one.held]
                if found:
                    return self._dice.choice(found)
                await asyncio.sleep(LOOK_SECONDS)

    async def taken_over(self, paused: Member) -> None:
        """Waits until others have all that a paused one had."""
        held = paused.held
        async with asyncio.timeout(TAKEN_OVER_SECONDS):
            while True:
                others = [one for one in self.of(paused.kind) if one is not paused and one.is_running]
                if held <= frozenset(partition for one in others for partition in one.held):
                    return
                await asyncio.sleep(LOOK_SECONDS)

    async def _watch(self) -> None:
        while True:
            for member in list(self.members):
                async with member.turn:
                    if not member.is_running and member in self.members:
                        await self._start_again(member)
            await asyncio.sleep(LOOK_SECONDS)

    async def _start_again(self, member: Member) -> None:
        if member.is_fenced:
            self.fenced += 1
        elif not member.is_harmed:
            self._complain(member)
        if member.kind == "writer" and self._dice.random() < 0.3:
            member.lose_accounts()
        await asyncio.sleep(self._dice.choice((0, 0, 0.5, 2.0)))
        self.restarts += 1
        try:
            await asyncio.to_thread(member.start)
        except NotStarted as error:
            if not member.is_harmed:
                self.problems.append(str(error))

    def _complain(self, member: Member) -> None:
        self.problems.append(f"a {member.kind} ended with status {member.status}:\n{member.said[-3_000:]}")
