"""Redis servers: what each keeps over a kill, who may come in, and TLS before them."""

from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from tests.servers.certificates import made_certificates
from tests.servers.fixtures import StartRedis
from tests.servers.needs import needing
from tests.servers.processes import NotStarted, free_port
from tests.servers.redis import REDIS, Keeping, Options, SharedRedis, shared_redis
from tests.servers.tls import tls_front


def test_the_shared_server_never_evicts(redis_server: SharedRedis, prefix: str) -> None:
    with Redis.from_url(redis_server.url) as client:
        assert client.set(prefix, "1")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_redis_named_in_the_environment_is_used(redis_server: SharedRedis) -> None:
    with shared_redis({REDIS: redis_server.url}) as named:
        assert named == redis_server


def test_a_redis_named_in_the_environment_must_answer() -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    with pytest.raises(NotStarted, match=f"{nobody}.*unset {REDIS}"), shared_redis({REDIS: nobody}):
        pass


@pytest.mark.parametrize(("keeping", "left"), [("nothing", None), ("dump", b"1"), ("log", b"2")])
def test_a_kill_leaves_what_the_server_keeps(start_redis: StartRedis, keeping: Keeping, left: bytes | None) -> None:
    server = start_redis(Options(keeping=keeping))
    with Redis.from_url(server.url) as client:
        client.set("x", "1")
        client.save()
        client.set("x", "2")
    server.kill()
    server.start()
    with Redis.from_url(server.url) as client:
        assert client.get("x") == left


def test_an_old_dump_is_put_back(start_redis: StartRedis, tmp_path: Path) -> None:
    server = start_redis(Options(keeping="dump"))
    with Redis.from_url(server.url) as client:
        client.set("x", "old")
        client.save()
        old = server.dump.read_bytes()
        client.set("x", "new")
        client.save()
    server.kill()
    server.dump.write_bytes(old)
    server.start()
    with Redis.from_url(server.url) as client:
        assert client.get("x") == b"old"


def test_only_known_users_come_in(start_redis: StartRedis) -> None:
    server = start_redis(Options(password="open", users=("ann on >secret ~* &* +@all",)))
    with pytest.raises(AuthenticationError), Redis.from_url(server.url) as stranger:
        stranger.ping()
    for user, password in (("default", "open"), ("ann", "secret")):
        with Redis.from_url(server.url, username=user, password=password) as known:
            assert known.ping()


def test_tls_before_a_server(start_redis: StartRedis, tmp_path: Path) -> None:
    server = start_redis()
    with needing("redis"):
        certificates = made_certificates(tmp_path / "certificates")
    with tls_front(server.port, certificates) as front:
        with Redis.from_url(server.front(front), ssl_ca_certs=str(certificates.authority)) as client:
            assert client.set("x", "1")
            server.restart()
        with pytest.raises(RedisError, match="certificate"), Redis.from_url(server.front(front)) as distrustful:
            distrustful.ping()
