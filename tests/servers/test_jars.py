"""The jars come once, whoever asks, and what cannot be fetched is said."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers import jars
from tests.servers.jars import java, kafka_jars
from tests.servers.needs import Unavailable, needing

FAKE_MAVEN = "#!/bin/sh\nmkdir jars && touch jars/kafka.jar && echo once >> {log}\nsleep 0.2\n"


def maven(directory: Path, script: str) -> None:
    directory.mkdir()
    (directory / "mvn").write_text(script)
    (directory / "mvn").chmod(0o755)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH on which a program `mvn` of the test's own comes first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path / "cache" / "revledger"


def test_the_jars_hold_a_broker() -> None:
    with needing("kafka"):
        names = {path.name for path in kafka_jars().iterdir()}
    assert {f"kafka_2.13-{jars.KAFKA_VERSION}.jar", "slf4j-simple-1.7.36.jar", "slf4j-api-1.7.36.jar"} <= names


def test_what_is_in_the_cache_is_not_fetched_again(cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    maven(tmp_path / "bin", FAKE_MAVEN.format(log=log))
    assert kafka_jars() == kafka_jars()
    assert log.read_text() == "once\n"


def test_many_at_once_get_the_same_whole_jars(cache: Path, tmp_path: Path) -> None:
    maven(tmp_path / "bin", FAKE_MAVEN.format(log=tmp_path / "log"))
    with ThreadPoolExecutor(4) as together:
        places = {call.result() for call in [together.submit(kafka_jars) for _ in range(4)]}
    assert [path.name for path in places.pop().iterdir()] == ["kafka.jar"]
    assert places == set()
    assert len(list(cache.iterdir())) == 1, "nothing half made is left beside the jars"


def test_a_failed_fetch_says_what_maven_said_and_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    maven(tmp_path / "bin", "#!/bin/sh\nmkdir jars\necho 'no route to the repository'\nexit 1\n")
    with pytest.raises(Unavailable, match="no route to the repository"):
        kafka_jars()
    assert list(cache.iterdir()) == []


def test_without_maven_or_java_it_says_what_to_install(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Unavailable, match="Debian: maven"):
        kafka_jars()
    with pytest.raises(Unavailable, match="Debian: default-jre-headless"):
        java()
