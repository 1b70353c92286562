"""One stay in the group of an intake: from joining it to the first trouble, after which everything is begun anew."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from aiokafka.errors import IllegalStateError, KafkaError

from services.intake.acceptance import Acceptance
from services.intake.committer import PartitionCommitter
from services.intake.counts import IntakeCounts
from services.intake.member import GroupMember
from services.intake.refusal import IntakeRecord
from services.intake.topics import IntakeFacts, IntakeTopics, fetch_intake
from services.log.kafka_outcome import unreachable
from services.log.kafka_settings import KafkaOptions, connection_settings, group_settings, transaction_settings
from services.log.port import LogUnavailable

TOPICS_SECONDS_MAX: Final = 15.0
BATCH_SECONDS_MAX: Final = 60.0
"""An append, the wait for its fold, and the search for those whose outcome is unknown, several times over."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IntakeCluster:
    """How to reach the cluster, and how long it takes a silent member for gone. `servers` is HOST:PORT,..."""

    servers: str
    options: KafkaOptions
    session_seconds: float

    def connection(self) -> dict[str, Any]:
        """For an admin client."""
        return connection_settings(self.servers, self.options)

    def group(self, group_id: str) -> dict[str, Any]:
        """For a member of the group."""
        return group_settings(self.servers, self.options, group_id=group_id, session_seconds=self.session_seconds)

    def transactions(self, transactional_id: str, batch_bytes_max: int) -> dict[str, Any]:
        """For a producer of refusals."""
        return transaction_settings(
            self.servers, self.options, transactional_id=transactional_id, batch_bytes_max=batch_bytes_max
        )


class IntakeSession:
    """Takes in the partitions that the group gives to this node. `working` is held while a batch is worked on."""

    def __init__(
        self,
        topics: IntakeTopics,
        cluster: IntakeCluster,
        acceptance: Acceptance,
        counts: IntakeCounts,
        working: asyncio.Lock,
        on_progress: Callable[[], None],
    ) -> None:
        self._topics = topics
        self._cluster = cluster
        self._acceptance = acceptance
        self._counts = counts
        self._working = working
        self._on_progress = on_progress
        self._member = GroupMember(topics.intake, cluster.group(topics.group), working)
        self._committers: dict[int, PartitionCommitter] = {}
        self._generation = -1
        """Of the partitions whose committers are open."""

    async def run(self) -> NoReturn:
        """Raises KafkaError, LogUnavailable, LogUnfit, ServiceError, TimeoutError: whatever ends the stay."""
        try:
            facts = await self._facts()
            await self._member.join()
            while True:
                await self._settle(facts)
                for partition, records in (await self._fetched()).items():
                    async with self._working:
                        if self._generation == self._member.generation:
                            await self._work_on(partition, records)
                await self._look_back()
        finally:
            self._counts.is_taking = False
            # Both, though one of them fails.
            await asyncio.gather(self._give_back(), self._member.leave())

    async def _fetched(self) -> dict[int, list[IntakeRecord]]:
        try:
            return await self._member.fetch()
        except KafkaError:
            if self._generation == self._member.generation:
                raise
            # A partition that was given out a moment ago has no place to read from yet: that is for the next round.
            return {}

    async def _facts(self) -> IntakeFacts:
        """Raises LogUnavailable, LogUnfit."""
        try:
            async with asyncio.timeout(TOPICS_SECONDS_MAX):
                facts = await fetch_intake(self._cluster.connection(), self._topics)
        except TimeoutError as error:
            raise LogUnavailable(unreachable(self._cluster.servers, error)) from error
        return facts

    async def _settle(self, facts: IntakeFacts) -> None:
        """After a rebalance, begin the partitions of this node where the group has come to."""
        if self._generation == self._member.generation:
            return
        generation, partitions = self._member.generation, self._member.owned
        await self._give_back()
        for partition in sorted(partitions):
            committer = PartitionCommitter(
                self._topics,
                partition,
                self._cluster.transactions(self._topics.transactional_id(partition), facts.refused.batch_bytes_max),
                refused_partitions=facts.refused.partitions,
            )
            self._committers[partition] = committer
            await committer.open()
            # Only now: before it, the last owner's progress might still have been on its way.
            await self._begin(partition, generation)
        await self._acceptance.catch_up()
        self._generation = generation
        self._counts.is_taking = True
        if partitions:
            log.info("takes in %s, partitions %s", self._topics.intake, sorted(partitions))

    async def _begin(self, partition: int, generation: int) -> None:
        committed, earliest, end = await self._member.start_of(partition)
        if committed is None:
            start = earliest
        elif committed < earliest:
            self._counts.lost += earliest - committed
            log.error(
                "%s partition %d: %d records were deleted before any node had taken them; give the topic a longer "
                "retention, and have their publishers send them again",
                self._topics.intake,
                partition,
                earliest - committed,
            )
            start = earliest
        elif committed > end:
            log.error("%s partition %d was made anew; it is taken in from its beginning", self._topics.intake, partition)
            start = earliest
        else:
            start = committed
        try:
            self._member.seek(partition, start)
        except IllegalStateError:
            if generation == self._member.generation:
                raise  # Else it was taken away meanwhile, and the next round begins anew.

    async def _work_on(self, partition: int, records: Sequence[IntakeRecord]) -> None:
        async with asyncio.timeout(BATCH_SECONDS_MAX):
            refusals = await self._acceptance.accept(records)
            await self._committers[partition].commit(records[-1].offset + 1, refusals)
        self._counts.accepted += len(records) - len(refusals)
        self._counts.refused.update(refusal.reason for _, refusal in refusals)
        if refusals:
            refused, of = len(refusals), len(records)
            log.info("%s partition %d: refused %d of %d records", self._topics.intake, partition, refused, of)

    async def _look_back(self) -> None:
        """After a round in which nothing went wrong."""
        if self._generation != self._member.generation:
            return
        lags = {partition: await self._member.lag(partition) for partition in self._committers}
        self._counts.lag_records = {partition: lag for partition, lag in lags.items() if lag is not None}
        self._on_progress()

    async def _give_back(self) -> None:
        committers, self._committers = self._committers, {}
        self._counts.lag_records = {}
        await asyncio.gather(*(committer.close() for committer in committers.values()))
