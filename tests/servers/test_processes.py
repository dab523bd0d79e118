"""A server process: what holds for each of them, shown on a small one."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.processes import STARTS, NotStarted, Server, free_port, is_open, started

ROOT = Path(__file__).parents[2]
WEB = "import http.server, sys; http.server.test(port=int(sys.argv[1]), bind='127.0.0.1')"


class Web(Server):
    def __init__(self, directory: Path, program: str = WEB) -> None:
        super().__init__(directory)
        self.port = free_port()
        self.program = program

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.program, str(self.port)]

    def answers(self) -> bool:
        return is_open(self.port)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    server = started(Web, tmp_path)
    yield server
    server.kill()


def state(pid: int) -> str:
    """The letter of Linux for what a process does; Z and X are dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def reached(pid: int, states: str) -> bool:
    deadline = time.monotonic() + 20.0
    while state(pid) not in states:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_it_is_killed_and_comes_back_on_the_same_port(web: Web) -> None:
    first = web.pid
    web.kill()
    assert not web.is_running
    assert not is_open(web.port)
    web.start()
    assert web.pid != first
    assert is_open(web.port)


def test_a_paused_one_is_there_and_goes_on(web: Web) -> None:
    web.pause()
    assert reached(web.pid, "T")
    assert web.is_running
    web.resume()
    assert reached(web.pid, "SR")


def test_a_paused_one_can_be_stopped_and_killed(web: Web) -> None:
    web.pause()
    web.stop()
    assert not web.is_running
    web.start()
    web.pause()
    web.kill()
    assert not web.is_running


def test_what_has_ended_cannot_be_paused(web: Web) -> None:
    web.kill()
    web.kill()  # once more does no harm
    with pytest.raises(AssertionError, match="has ended"):
        web.pause()


def test_one_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r"status 1\.(?s:.*)the disk is made of cheese"):
        Web(tmp_path, "raise SystemExit('the disk is made of cheese')").start()


def test_a_new_one_is_tried_again_on_other_ports(tmp_path: Path) -> None:
    ports: list[int] = []

    def made(directory: Path) -> Web:
        server = Web(directory, WEB if len(ports) == STARTS - 1 else "raise SystemExit('taken')")
        ports.append(server.port)
        return server

    server = started(made, tmp_path)
    server.kill()
    assert len(set(ports)) == STARTS


def test_it_outlives_the_thread_that_started_it(web: Web) -> None:
    web.kill()
    thread = threading.Thread(target=web.start)
    thread.start()
    thread.join()
    time.sleep(0.2)  # more than the kernel would need
    assert web.is_running


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: only its kernel tells a child of this death")
@pytest.mark.parametrize("paused", [False, True])
def test_it_ends_with_the_process_that_started_it(tmp_path: Path, paused: bool) -> None:
    program = f"""
        import sys, time
        from pathlib import Path
        from tests.servers.test_processes import Web
        server = Web(Path(sys.argv[1]))
        server.start()
        {"server.pause()" if paused else ""}
        print(server.pid, flush=True)
        time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    owner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    assert reached(pid, "ZX")
