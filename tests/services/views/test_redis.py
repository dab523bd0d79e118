"""What the views add on a server: keys that fit a cluster, one clear error for failures, and recovery."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.views.port import Gap, Position, Views, ViewsUnavailable
from services.views.redis import check_eviction, redis_views
from services.views.valkey import embedded_valkey
from tests.servers.certificates import made_certificates
from tests.servers.fixtures import StartRedis
from tests.servers.redis import Options
from tests.servers.tls import tls_front
from tests.services.running import asynchronous
from tests.services.views.test_port import at, fill


@asynccontextmanager
async def connected(server: Path) -> AsyncIterator[tuple[Views, Redis]]:
    """The views on a server of the test's own, and a plain client to look behind them."""
    views, plain = redis_views(server), Redis(unix_socket_path=str(server))
    try:
        yield views, plain
    finally:
        await views.close()
        await plain.aclose()


@asynchronous
async def test_all_keys_of_a_partition_share_a_hash_tag(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server, connected(server) as (views, plain):
        await fill(views, {"cells": {"x": 1}, "odd {9}": {"x": 1}}, partition=3)
        keys = sorted(await plain.keys("*"))
        assert keys == [
            b"revledger:{3}",
            b"revledger:{3}#keys",
            b"revledger:{3}:cells",
            b"revledger:{3}:odd {9}",
        ]
        await views.clear(3)
        assert await plain.keys("*") == [b"revledger:{3}"]
        assert await plain.hgetall("revledger:{3}") == {b"epoch": b"1"}


@asynchronous
async def test_a_server_that_forgot_the_scripts_is_told_again(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server, connected(server) as (views, plain):
        epoch = await fill(views, {"a": {"x": 1}})
        await plain.script_flush()
        await views.commit(0, epoch, 1, at(2), {"a": {"x": 2}})
        await plain.script_flush()
        await views.clear(0)
        assert await views.position(0) is None


@asynchronous
async def test_what_is_lost_is_lost_with_its_position(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server, connected(server) as (views, plain):
        epoch = await fill(views, {"a": {"x": 1}})
        await plain.flushall()
        with pytest.raises(Gap):
            await views.commit(0, epoch, 1, at(2), {"a": {"x": 2}})
        assert await views.position(0) is None
        await views.commit(0, epoch, 0, at(2), {"a": {"x": 2}})


@asynchronous
async def test_full_memory_stores_nothing(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server, connected(server) as (views, plain):
        epoch = await fill(views, {"a": {"x": 1, "y": 1}})
        await plain.config_set("maxmemory", "1mb")
        with pytest.raises(ViewsUnavailable, match="maxmemory"):
            await views.commit(0, epoch, 1, at(2), {"a": {"x": None, "y": 2}, "b": {"z": 3}})
        assert await views.snapshot(0, ["a", "b"]) == (at(1), [{b"x": b"1", b"y": b"1"}, {}])
        await views.clear(0)
        assert await views.position(0) is None
        await plain.config_set("maxmemory", "0")
        await views.commit(0, epoch, 0, at(1), {"a": {"x": 2}})


@asynchronous
async def test_a_server_that_would_evict_is_refused(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server, connected(server) as (views, plain):
        for limit, policy in [("0", "allkeys-lru"), ("100mb", "noeviction"), ("100mb", "volatile-ttl")]:
            await plain.config_set("maxmemory", limit)
            await plain.config_set("maxmemory-policy", policy)
            await check_eviction(views)
        for policy in ("allkeys-lru", "allkeys-lfu", "allkeys-random"):
            await plain.config_set("maxmemory-policy", policy)
            with pytest.raises(ViewsUnavailable, match=f"{policy}.*CONFIG SET maxmemory-policy noeviction"):
                await check_eviction(views)


@asynchronous
async def test_a_user_without_info_is_warned_once(start_redis: StartRedis, caplog: pytest.LogCaptureFixture) -> None:
    server = start_redis(Options(users=("default off", f"ann on >s3cret {LEAST} -info")))
    views = redis_views(server.url, namespace="books", user="ann", password="s3cret")
    await check_eviction(views)
    await check_eviction(views)
    await views.close()
    assert [one.levelname for one in caplog.records] == ["WARNING"]
    assert "+info" in caplog.text


@asynchronous
async def test_nobody_listening_is_said_clearly(tmp_path: Path) -> None:
    for server in (tmp_path / "none.sock", "redis://127.0.0.1:1/0"):
        views = redis_views(server)
        for call in (
            views.claim(0),
            views.position(0),
            views.commit(0, 1, 0, at(1), {}),
            views.read(0, "a"),
            views.read_fields(0, "a", ["x"]),
            views.snapshot(0, ["a"]),
            views.clear(0),
        ):
            with pytest.raises(ViewsUnavailable, match="Check that the server runs"):
                await call
        await views.close()


@asynchronous
async def test_the_next_call_after_a_restart_works(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as server:
        views = redis_views(server)
        epoch = await fill(views, {"a": {"x": 1}})
    with pytest.raises(ViewsUnavailable):
        await views.position(0)
    async with embedded_valkey(tmp_path):
        assert await views.snapshot(0, ["a"]) == (at(1), [{b"x": b"1"}])
    async with embedded_valkey(tmp_path):  # restarted between two calls: no error at all
        await views.commit(0, epoch, 1, at(2), {"a": {"x": 2}})
        assert await views.position(0) == at(2)
    await views.close()


@asynchronous
async def test_a_server_lost_in_the_middle_stores_all_or_nothing(tmp_path: Path) -> None:
    height = 1

    async def commit_until_lost(views: Views, epoch: int) -> None:
        nonlocal height
        while True:
            fields = dict.fromkeys(map(str, range(2_000)), height + 1)
            await views.commit(0, epoch, height, at(height + 1), {"a": fields, "b": fields})
            height += 1

    async with embedded_valkey(tmp_path) as server:
        views = redis_views(server)
        committing = asyncio.create_task(commit_until_lost(views, await fill(views, {})))
        await asyncio.sleep(0.1)
    with pytest.raises(ViewsUnavailable):
        await committing
    async with embedded_valkey(tmp_path):
        position, (first, second) = await views.snapshot(0, ["a", "b"])
    await views.close()
    assert isinstance(position, Position)
    assert position.next_height in {height, height + 1}
    assert first == second
    assert set(first.values()) == {str(position.next_height).encode()}


LEAST = "~books:* &* +@read +@write +@scripting +@transaction +@connection +info"
"""What a user of Redis must be allowed for the views under the namespace `books`."""


async def refused(views: Views) -> str:
    """What is said instead of an answer."""
    with pytest.raises(ViewsUnavailable) as caught:
        await views.position(0)
    await views.close()
    assert "s3cret" not in str(caught.value)
    return str(caught.value)


@asynchronous
async def test_a_user_with_the_least_rights_can_do_all(
    start_redis: StartRedis, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_redis(Options(users=("default off", f"ann on >s3cret {LEAST}")))
    views = redis_views(server.url, namespace="books", user="ann", password="s3cret")
    epoch = await fill(views, {"a": {"x": 1, "y": 2}})
    await views.commit(0, epoch, 1, at(2), {"a": {"x": 3, "y": None}})
    assert await views.snapshot(0, ["a"]) == (at(2), [{b"x": b"3"}])
    await views.clear(0)
    await check_eviction(views)
    assert not caplog.records
    await views.close()
    elsewhere = redis_views(server.url, namespace="other", user="ann", password="s3cret")
    assert "Give this user the commands and keys" in await refused(elsewhere)


@asynchronous
async def test_a_wrong_or_missing_password_is_told(start_redis: StartRedis) -> None:
    url = start_redis(Options(password="s3cret", users=(f"ann on >s3cret-of-ann {LEAST}",))).url
    for user, password in [("", ""), ("", "wrong"), ("ann", "s3cret"), ("nobody", "s3cret")]:
        said = await refused(redis_views(url, namespace="books", user=user, password=password))
        assert "Check REVLEDGER_REDIS_USER and REVLEDGER_REDIS_PASSWORD." in said, user
    views = redis_views(url, namespace="books", password="s3cret")
    assert await views.position(0) is None
    await views.close()


@asynchronous
async def test_tls_checks_the_server(start_redis: StartRedis, tmp_path: Path) -> None:
    own, strangers = made_certificates(tmp_path / "own"), made_certificates(tmp_path / "strangers")
    server = start_redis(Options(password="s3cret"))
    with tls_front(server.port, own) as tls:
        url = server.front(tls)
        views = redis_views(url, password="s3cret", ca=own.authority)
        await fill(views, {"a": {"x": 1}})
        assert await views.read(0, "a") == {b"x": b"1"}
        await views.close()
        for ca in (None, strangers.authority, own.key):
            assert "REVLEDGER_REDIS_CA" in await refused(redis_views(url, password="s3cret", ca=ca))
        assert "check" in (await refused(redis_views(url.replace("rediss", "redis"), password="s3cret"))).lower()
        wrong = redis_views(url, password="wrong", ca=own.authority)
        assert "REVLEDGER_REDIS_PASSWORD" in await refused(wrong)


@asynchronous
async def test_a_certificate_of_another_name_is_not_enough(start_redis: StartRedis, tmp_path: Path) -> None:
    certificates = made_certificates(tmp_path)
    with tls_front(start_redis().port, certificates) as tls:
        views = redis_views(f"rediss://127.1:{tls.port}/0", ca=certificates.authority)
        said = await refused(views)
    assert "mismatch" in said
    assert "REVLEDGER_REDIS names the server as its certificate does" in said
