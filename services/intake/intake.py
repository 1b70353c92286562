"""The intake of one environment: events from a Kafka topic into the ledger, for as long as the node runs.

There is one way back from every trouble: leave the group, and begin again at what was committed. So what happens after
a crash happens every time. While this node can't append it is no member, and another one takes its share.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    KafkaError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from services.errors import NotReady, ServiceError
from services.intake.acceptance import Acceptance
from services.intake.counts import IntakeCounts
from services.intake.session import IntakeCluster, IntakeSession
from services.intake.topics import IntakeTopics
from services.ledger import Ledger
from services.log.backoff import Backoff
from services.log.port import LogUnavailable, LogUnfit
from services.observability.context import about

READY_POLL_SECONDS: Final = 0.2
STOP_SECONDS_MAX: Final = 5.0

_NOT_ALLOWED: Final = (GroupAuthorizationFailedError, TopicAuthorizationFailedError, TransactionalIdAuthorizationFailed)

log = logging.getLogger(__name__)


class Intake:
    """Takes in one environment's events."""

    def __init__(self, ledger: Ledger, cluster: IntakeCluster) -> None:
        self._ledger = ledger
        self._cluster = cluster
        self._counts = ledger.counts.intake = IntakeCounts()
        self._topics = IntakeTopics(ledger.environment)
        self._acceptance = Acceptance(ledger)
        self._working = asyncio.Lock()
        self._backoff = Backoff()
        self._trouble: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, as soon as the ledger can append."""
        with about(self._ledger.environment):
            self._task = asyncio.create_task(self._run(), name=f"intake {self._ledger.environment}")

    async def stop(self) -> None:
        """Let the batch under way end, for STOP_SECONDS_MAX at most, and leave the group. Safe to call twice."""
        task, self._task = self._task, None
        if task is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await self._working.acquire()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        while True:
            await self._until_ready()
            session = IntakeSession(
                self._topics, self._cluster, self._acceptance, self._counts, self._working, self._on_progress
            )
            try:
                await session.run()
            except (KafkaError, LogUnavailable, LogUnfit, ServiceError, TimeoutError) as error:
                self._tell(self._sentence_of(error))
            except Exception:
                log.exception("environment %s: the intake failed, and is begun again", self._ledger.environment)
            await asyncio.sleep(self._backoff.next_seconds())

    async def _until_ready(self) -> None:
        while True:
            try:
                self._ledger.readiness.check_append()
                return
            except NotReady:
                await asyncio.sleep(READY_POLL_SECONDS)

    def _on_progress(self) -> None:
        self._backoff.reset()
        self._trouble = None

    def _tell(self, sentence: str) -> None:
        if sentence != self._trouble:
            log.warning("environment %s: the intake waits: %s", self._ledger.environment, sentence)
        self._trouble = sentence

    def _sentence_of(self, error: Exception) -> str:
        match error:
            case ProducerFenced():
                return "another node has taken over; this one joins again"
            case InvalidSessionTimeoutError():
                return (
                    f"Kafka takes no session of {self._cluster.session_seconds:g} s: PREFLEDGER_INTAKE_SESSION_SECONDS lies "
                    "between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms"
                )
            case _ if isinstance(error, _NOT_ALLOWED):
                return (
                    f"Kafka does not let this node take part ({type(error).__name__}): grant READ on the topic and the "
                    f"group {self._topics.intake}, WRITE on the topic {self._topics.refused}, and WRITE and DESCRIBE on "
                    f"the transactional ids that begin with {self._topics.intake}"
                )
            case TimeoutError():
                return "Kafka or the ledger did not answer in time; this node joins again"
            case KafkaError():
                return f"Kafka failed: {type(error).__name__}: {error}"
            case _:
                return str(error)
