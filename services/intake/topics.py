"""The two topics of an environment's intake: their names, what they must be, and how they are made.

What to decide is pure; asking the cluster is at the end. Settings: kafka.apache.org/documentation/#topicconfigs.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from services.log.kafka_topic import (
    BATCH_BYTES_DEFAULT,
    TopicFacts,
    alter_command,
    create_topic,
    fetch_topic,
    ledger_topic,
    pairs_of,
    safe_settings,
)
from services.log.port import LogUnfit
from services.settings import INTAKE_PARTITIONS_MAX

INTAKE_REQUIRED: Final = {"cleanup.policy": "delete", "compression.type": "uncompressed"}
"""Uncompressed: the brokers unpack what publishers send, so every codec can be read here, and none can hide a flood."""
REFUSED_REQUIRED: Final = {"cleanup.policy": "delete"}

DAY_MILLISECONDS: Final = 24 * 3600 * 1000
INTAKE_RETENTION_MILLISECONDS: Final = 7 * DAY_MILLISECONDS
REFUSED_RETENTION_MILLISECONDS: Final = 30 * DAY_MILLISECONDS
REFUSAL_OVERHEAD_BYTES: Final = 16 * 1024
"""What a refusal may be larger than the record that it refuses: its headers, and a batch of its own around it."""


@dataclass(frozen=True, slots=True)
class IntakeTopics:
    """One environment's names on the cluster. All begin alike, so that one prefixed ACL is enough."""

    environment: str

    @property
    def intake(self) -> str:
        """Where services publish events."""
        return f"{ledger_topic(self.environment)}.intake"

    @property
    def refused(self) -> str:
        """Where the ledger answers what it refused."""
        return f"{self.intake}.refused"

    @property
    def group(self) -> str:
        """The consumer group of the ledger's nodes, which also keeps how far they have come."""
        return self.intake

    def transactional_id(self, partition: int) -> str:
        """Whose transactions move a partition's progress: the same on every node, so that a new owner fences the last."""
        return f"{self.intake}.{partition}"


@dataclass(frozen=True, slots=True)
class IntakeFacts:
    """What the cluster says about both topics."""

    intake: TopicFacts
    refused: TopicFacts


def intake_settings(replicas: int) -> dict[str, str]:
    """The settings of a new intake topic."""
    return {
        **INTAKE_REQUIRED,
        **safe_settings(replicas),
        "retention.ms": str(INTAKE_RETENTION_MILLISECONDS),
        "max.message.bytes": str(BATCH_BYTES_DEFAULT),
        "message.timestamp.type": "LogAppendTime",
    }


def refused_settings(replicas: int, *, intake_batch_bytes: int) -> dict[str, str]:
    """The settings of a new topic of refusals: whatever the intake takes, a refusal of it fits."""
    return {
        **REFUSED_REQUIRED,
        **safe_settings(replicas),
        "retention.ms": str(REFUSED_RETENTION_MILLISECONDS),
        "max.message.bytes": str(intake_batch_bytes + REFUSAL_OVERHEAD_BYTES),
        "message.timestamp.type": "LogAppendTime",
    }


def reason_intake_unfit(bootstrap_servers: str, topics: IntakeTopics, facts: IntakeFacts) -> str:
    """Why the topics must not be used as they are, with the command that mends it. Empty when they may."""
    for topic, found, required in (
        (topics.intake, facts.intake, INTAKE_REQUIRED),
        (topics.refused, facts.refused, REFUSED_REQUIRED),
    ):
        wrong = found.wrong(required)
        if wrong:
            return f"The topic {topic} could lose events or hide them: it has {pairs_of(wrong)}. Mend it with: " + (
                alter_command(bootstrap_servers, topic, {name: required[name] for name in wrong})
            )
    if facts.intake.partitions > INTAKE_PARTITIONS_MAX:
        return (
            f"The topic {topics.intake} has {facts.intake.partitions} partitions, and an intake has "
            f"{INTAKE_PARTITIONS_MAX} at most. Make it anew with fewer."
        )
    needed = facts.intake.batch_bytes_max + REFUSAL_OVERHEAD_BYTES
    if facts.refused.batch_bytes_max >= needed:
        return ""
    return (
        f"The topic {topics.refused} takes {facts.refused.batch_bytes_max} bytes at once, which is too few to hand back "
        f"what {topics.intake} takes. Mend it with: "
    ) + alter_command(bootstrap_servers, topics.refused, {"max.message.bytes": str(needed)})


def reasons_to_warn_of_intake(bootstrap_servers: str, topics: IntakeTopics, facts: IntakeFacts) -> list[str]:
    """What works, but may lose events that no node has taken yet."""
    retention = int(facts.intake.settings.get("retention.ms", "-1"))
    if not 0 <= retention < DAY_MILLISECONDS:
        return []
    command = alter_command(bootstrap_servers, topics.intake, {"retention.ms": str(INTAKE_RETENTION_MILLISECONDS)})
    return [
        f"The topic {topics.intake} keeps events for {retention // 60_000} minutes only: those that no node has taken by "
        f"then are lost. Run: {command}"
    ]


async def fetch_intake(connection: dict[str, Any], topics: IntakeTopics) -> IntakeFacts:
    """Ask the cluster about both topics. The caller sets the deadline. Raises LogUnavailable, LogUnfit."""
    facts = IntakeFacts(await fetch_topic(connection, topics.intake), await fetch_topic(connection, topics.refused))
    reason = reason_intake_unfit(connection["bootstrap_servers"], topics, facts)
    if reason:
        raise LogUnfit(reason)
    return facts


async def create_intake(
    connection: dict[str, Any], topics: IntakeTopics, *, partitions: int, replicas: int | None
) -> list[str]:
    """Make the topics that are not there; which those were. The caller sets the deadline.

    The topic of refusals gets as many partitions as the intake has: a refusal keeps its record's. Raises
    LogUnavailable, LogUnfit.
    """
    made = []
    if await create_topic(connection, topics.intake, replicas, partitions=partitions, topic_settings=intake_settings):
        made.append(topics.intake)
    intake = await fetch_topic(connection, topics.intake)
    settings = partial(refused_settings, intake_batch_bytes=intake.batch_bytes_max)
    if await create_topic(connection, topics.refused, replicas, partitions=intake.partitions, topic_settings=settings):
        made.append(topics.refused)
    return made
