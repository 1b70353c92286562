"""The composition root: the only place that knows which parts a node is made of."""

import asyncio
import fcntl
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from services.intake.intake import Intake
from services.intake.session import IntakeCluster
from services.ledger import Ledger
from services.log.kafka_log import KafkaEventLog
from services.log.kafka_settings import KafkaOptions
from services.log.kafka_topic import ledger_topic
from services.log.port import EventLog
from services.log.sqlite_log import SqliteEventLog
from services.observability.traces import NodeTraces
from services.secrets import Secrets, embedded_secret
from services.settings import Settings

log = logging.getLogger(__name__)


class DataInUse(Exception):
    """Another process has the data folder."""


class Node:
    """A node's ledgers, what it takes in for them, and the lock on its data folder."""

    def __init__(self, ledgers: Mapping[str, Ledger], lock: IO[str], intakes: Sequence[Intake] = ()) -> None:
        self.ledgers = ledgers
        self._intakes = intakes
        self._lock = lock

    def start(self) -> None:
        """Begin to follow the logs."""
        for ledger in self.ledgers.values():
            ledger.start()
        for intake in self._intakes:
            intake.start()

    def begin_to_stop(self) -> None:
        """Tell whatever would go on for ever that it must end. Safe to call from a signal handler."""
        for ledger in self.ledgers.values():
            ledger.is_ending = True

    async def stop(self) -> None:
        """Stop every intake, then every ledger, in bounded time, and let go of the folder.

        Raises ExceptionGroup of what went wrong.
        """
        try:
            ended: list[object] = [
                *await asyncio.gather(*(intake.stop() for intake in self._intakes), return_exceptions=True)
            ]
            ended += await asyncio.gather(*(ledger.stop() for ledger in self.ledgers.values()), return_exceptions=True)
        finally:
            self._lock.close()
        failed = [error for error in ended if isinstance(error, Exception)]
        for error in failed:
            log.error("a ledger or its intake did not stop cleanly", exc_info=error)
        if failed:
            raise ExceptionGroup("ledgers that did not stop cleanly", failed)


def build_node(settings: Settings, traces: NodeTraces | None = None) -> Node:
    """A node as the settings want it, not started. Raises DataInUse, SecretLost."""
    system = "kafka" if settings.kafka is not None else "sqlite"
    lock = lock_data(settings.data)
    secret = settings.secret or embedded_secret(settings.data)
    ledgers: dict[str, Ledger] = {}
    for environment in settings.environments:
        folder = settings.data / environment
        folder.mkdir(parents=True, exist_ok=True)
        event_log = build_log(settings, environment)
        traced = traces.ledger(environment, system) if traces is not None else None
        ledgers[environment] = Ledger(environment, event_log, Secrets(secret, environment), folder, settings, traced)
    return Node(ledgers, lock, build_intakes(settings, ledgers))


def build_intakes(settings: Settings, ledgers: Mapping[str, Ledger]) -> list[Intake]:
    """An intake for each ledger, if the settings want any."""
    if not settings.intake:
        return []
    cluster = IntakeCluster(settings.kafka or "", kafka_options(settings), settings.intake_session_seconds)
    return [Intake(ledger, cluster) for ledger in ledgers.values()]


def build_log(settings: Settings, environment: str) -> EventLog:
    """The environment's event log: Kafka where it is configured, else a file."""
    return build_embedded_log(settings, environment) if settings.kafka is None else build_kafka_log(settings, environment)


def build_embedded_log(settings: Settings, environment: str) -> SqliteEventLog:
    """The environment's log file. Whoever opens it holds the lock on the data folder."""
    return SqliteEventLog(log_path(settings, environment))


def build_kafka_log(settings: Settings, environment: str) -> KafkaEventLog:
    """The environment's Kafka topic."""
    return KafkaEventLog(settings.kafka or "", ledger_topic(environment), options=kafka_options(settings))


def kafka_options(settings: Settings) -> KafkaOptions:
    """How the settings say that the cluster is to be reached."""
    return KafkaOptions(
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_username,
        sasl_password=settings.kafka_password,
        ssl_cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file is not None else None,
    )


def log_path(settings: Settings, environment: str) -> Path:
    """Where the embedded log of an environment lies."""
    return settings.data / environment / "log.sqlite"


def lock_data(data: Path) -> IO[str]:
    """Take the data folder for this process alone; it is let go with the file. Raises DataInUse."""
    data.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    file = os.fdopen(descriptor, "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise DataInUse(
            f"another process uses the data folder {data}: stop it, or give this one a folder of its own with --data"
        ) from None
    return file
