"""A real Kafka broker for the tests: a given one, one in Docker, or Apache Kafka itself from its jars."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from tests.kafka_jars import NoJarsError, kafka_jars

KAFKA_VERSION: Final = os.environ.get("KAFKA_TEST_VERSION", "4.3.1")
START_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 20.0
DOCKER_ANSWER_SECONDS_MAX: Final = 5
JVM_OPTIONS: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
PROPERTIES: Final = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
broker.heartbeat.interval.ms=100
broker.session.timeout.ms=1000
controller.quorum.election.timeout.ms=100
controller.quorum.election.backoff.max.ms=100
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=100
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
num.network.threads=1
num.io.threads=2
"""


class NoBrokerError(Exception):
    """There is no broker to be had; the text says why."""


class Broker(Protocol):
    """A broker that tests may stop, kill and freeze; it comes back with the same address and the same data."""

    bootstrap_servers: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def close(self) -> None: ...


def find_servers() -> str | None:
    """The address of a cluster that is given, and that the tests therefore leave as it is."""
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS")


def find_broker() -> Broker:
    """A started broker of the tests' own. Raises NoBrokerError."""
    broker: Broker
    if _docker_answers():
        broker = DockerBroker()
    else:
        try:
            broker = JarBroker(kafka_jars(KAFKA_VERSION))
        except NoJarsError as error:
            raise NoBrokerError(
                f"KAFKA_BOOTSTRAP_SERVERS is not set, no Docker engine answers, and there is {error}"
            ) from error
    try:
        broker.start()
    except BaseException:
        broker.close()
        raise
    return broker


@contextmanager
def some_servers() -> Iterator[str]:
    """The address of a cluster to make topics in: the one that is given, or a broker of our own. Raises NoBrokerError."""
    servers = find_servers()
    if servers is not None:
        yield servers
        return
    broker = find_broker()
    try:
        yield broker.bootstrap_servers
    finally:
        broker.close()


class JarBroker:
    """One KRaft node in a folder of its own, run straight from Kafka's jars. It does not outlive this process."""

    def __init__(self, jars: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="prefledger-kafka-"))
        self._classpath = f"{jars}/*"
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._port, controller_port = _free_port(), _free_port()
        self.bootstrap_servers = f"127.0.0.1:{self._port}"
        self._properties = self._folder / "server.properties"
        self._properties.write_text(
            PROPERTIES.format(port=self._port, controller_port=controller_port, data=self._folder / "data")
        )

    def start(self) -> None:
        with (self._folder / "broker.log").open("ab") as output:
            if not (self._folder / "data" / "meta.properties").exists():
                self._format(output)
            self._process = subprocess.Popen(
                ["java", *JVM_OPTIONS, "-Xms128m", "-Xmx384m", "-cp", self._classpath, "kafka.Kafka", self._properties],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        # When this process dies, however it dies, the pipe closes, and the shell kills the broker.
        self._watcher = subprocess.Popen(
            ["sh", "-c", f"cat > /dev/null; kill -9 {self._process.pid}"], stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            wait_for_broker("127.0.0.1", self._port, is_alive=self._is_alive)
        except NoBrokerError as error:
            tail = (self._folder / "broker.log").read_text(errors="replace")[-2_000:]
            raise NoBrokerError(f"{error}. Its last words: {tail}") from error

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _format(self, output: IO[bytes]) -> None:
        # The tool would take an id that begins with a hyphen for an option: one in 64 does, if nothing is done about it.
        cluster_id = urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties)]
        subprocess.run(
            ["java", *JVM_OPTIONS, "-Xmx128m", "-cp", self._classpath, *tool],
            stdout=output,
            stderr=output,
            timeout=START_SECONDS_MAX,
            check=True,
        )

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        # The watcher goes first: after the broker's end its process id may be another's.
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.kill()
            watcher.communicate()
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS_MAX)


class DockerBroker:
    """The official image. Its data are in the container, so they outlive a stop of the broker."""

    def __init__(self) -> None:
        from testcontainers.core.container import DockerContainer

        self._port = _free_port()
        self.bootstrap_servers = f"127.0.0.1:{self._port}"
        self._started = False
        self._container = (
            DockerContainer(f"apache/kafka:{KAFKA_VERSION}")
            .with_bind_ports(9092, self._port)
            .with_envs(
                KAFKA_NODE_ID="1",
                KAFKA_PROCESS_ROLES="broker,controller",
                KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
                KAFKA_LISTENERS="PLAINTEXT://:9092,CONTROLLER://:9093",
                KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{self.bootstrap_servers}",
                KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
                KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
                KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
                KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS="100",
                KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
                KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
                KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            )
        )

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        wait_for_broker("127.0.0.1", self._port, is_alive=lambda: True)

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=int(STOP_SECONDS_MAX))

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()

    def thaw(self) -> None:
        self._container.get_wrapped_container().unpause()

    def close(self) -> None:
        if self._started:
            self._container.stop()


class Liveness(Protocol):
    def __call__(self) -> bool: ...


def wait_for_broker(host: str, port: int, *, is_alive: Liveness) -> None:
    """Wait until the broker answers an ApiVersions request. Raises NoBrokerError after START_SECONDS_MAX."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if not is_alive():
            raise NoBrokerError("The Kafka broker ended while it was starting")
        if _answers(host, port):
            return
        time.sleep(0.05)
    raise NoBrokerError(f"The Kafka broker did not answer on port {port} within {START_SECONDS_MAX:g} s")


def _answers(host: str, port: int) -> bool:
    # Size, API key 18 (ApiVersions), version 0, correlation id, null client id: kafka.apache.org/protocol.
    request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(request)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        asked = subprocess.run([docker, "version"], capture_output=True, timeout=DOCKER_ANSWER_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
