"""Apache Kafka's own server jars, fetched once by Maven into a cache folder that every run shares."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

JAVA_VERSION_MIN: Final = 17
FETCH_SECONDS_MAX: Final = 900
# Kafka logs through slf4j and brings no binding; without one a broker that does not start can't say why.
POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>prefledger.tests</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
COPY_GOAL: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class NoJarsError(Exception):
    """There is no Kafka to be had from Maven here; the text goes on after "there is"."""


def kafka_jars(version: str) -> Path:
    """The folder of jars that a broker of this version runs from. Raises NoJarsError."""
    _check_java()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prefledger"
    cache.mkdir(parents=True, exist_ok=True)
    jars = cache / f"kafka-{version}"
    with _locked(cache / f"kafka-{version}.lock"):
        if not jars.is_dir():
            _fetch(version, jars)
    return jars


def _check_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise NoJarsError("no `java` on the PATH")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version.group(1)) < JAVA_VERSION_MIN:
        raise NoJarsError(f"no Java {JAVA_VERSION_MIN} or newer on the PATH")


def _fetch(version: str, jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoJarsError("no `mvn` on the PATH")
    with tempfile.TemporaryDirectory(dir=jars.parent) as name:
        folder = Path(name)
        (folder / "pom.xml").write_text(POM.format(version=version))
        goal = [COPY_GOAL, "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'jars'}"]
        try:
            done = subprocess.run(
                [maven, "-q", "-B", "-Dstyle.color=never", "-f", str(folder / "pom.xml"), *goal],
                capture_output=True,
                text=True,
                timeout=FETCH_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NoJarsError(f"a Maven that took longer than {FETCH_SECONDS_MAX} s") from error
        if done.returncode != 0:
            raise NoJarsError(f"a Maven that failed: {done.stdout.strip()[:300]}")
        # The rename makes a half filled folder impossible.
        (folder / "jars").rename(jars)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
