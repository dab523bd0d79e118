"""Apache Kafka as a folder of jars: fetched once by Maven, from coordinates, and kept between runs."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.servers.needs import Unavailable

KAFKA_VERSION: Final = "4.3.1"
FETCH_SECONDS: Final = 600.0

# slf4j-simple is of the version of slf4j-api that Kafka brings: another one would not be found by it.
_POM: Final = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>revledger</groupId>
  <artifactId>test-kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
_FETCH: Final = ("-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars")


def java() -> str:
    """The path of a Java; Kafka 4 needs 17 or newer.

    Raises:
        Unavailable: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise Unavailable("there is no Java; install one of version 17 or newer (Debian: default-jre-headless)")
    return found


def kafka_jars() -> Path:
    """The folder of jars, fetched if it is not in the cache; any number of processes may ask at once.

    Raises:
        Unavailable: Maven is missing or cannot fetch them.
    """
    place = _cache() / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(_POM.encode()).hexdigest()[:12]}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix="fetching-") as beside:
            fetched = _fetched(Path(beside))
            try:
                fetched.rename(place)
            except OSError:  # another process was first; its jars are the same
                if not place.is_dir():
                    raise
    return place


def _cache() -> Path:
    """By the rule of the desktop: the variable counts only if it holds an absolute path."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "revledger"


def _fetched(beside: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("there is no Maven to fetch Apache Kafka with; install it (Debian: maven)")
    (beside / "pom.xml").write_text(_POM, "utf-8")
    try:
        fetching = subprocess.run(
            [maven, *_FETCH],
            cwd=beside,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=FETCH_SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"Maven has not fetched Apache Kafka in {FETCH_SECONDS:g} s") from late
    if fetching.returncode:
        raise Unavailable(f"Maven cannot fetch Apache Kafka {KAFKA_VERSION}:\n{fetching.stdout[-1_000:]}")
    return beside / "jars"
