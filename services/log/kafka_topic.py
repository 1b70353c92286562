# mypy: allow-untyped-calls
"""The topic that can be a ledger: how it is made, and how one that can't is refused with the way to mend it.

What to decide is pure; asking the cluster is at the end. Settings: kafka.apache.org/documentation/#topicconfigs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from services.log.kafka_cluster import wait_for_controller
from services.log.kafka_discard import discard_admin
from services.log.kafka_outcome import unreachable
from services.log.port import LogUnavailable, LogUnfit

TOPIC_PREFIX: Final = "preferences."
REQUIRED_SETTINGS: Final = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",
}
REPLICAS_ADVISED: Final = 3
IN_SYNC_REPLICAS_ADVISED: Final = 2
BATCH_BYTES_DEFAULT: Final = 1_048_588
_UNKNOWN_TOPIC: Final = 3
_TOPIC_EXISTS: Final = 36
_POLL_SECONDS: Final = 0.1


def ledger_topic(environment: str) -> str:
    """The topic that is an environment's ledger."""
    return TOPIC_PREFIX + environment


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What the cluster says about one topic."""

    partitions: int
    replicas: int
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def batch_bytes_max(self) -> int:
        """The largest batch of records that the brokers take, in bytes."""
        return int(self.settings.get("max.message.bytes", BATCH_BYTES_DEFAULT))

    def wrong(self, required: Mapping[str, str]) -> dict[str, str]:
        """The settings that are not as required, as they are."""
        found = {name: self.settings.get(name, "unknown") for name in required}
        return {name: value for name, value in found.items() if value != required[name]}


def reason_unfit(bootstrap_servers: str, topic: str, facts: TopicFacts) -> str:
    """Why the topic must not be a ledger, with the command that mends it. Empty when it may."""
    if facts.partitions != 1:
        return (
            f"The topic {topic} has {facts.partitions} partitions, and a ledger has exactly 1, which can't be changed "
            "afterwards. Name another topic, and run `prefledger init`."
        )
    wrong = facts.wrong(REQUIRED_SETTINGS)
    if not wrong:
        return ""
    return f"The topic {topic} would lose or misdate history: it has {pairs_of(wrong)}. Mend it with: " + alter_command(
        bootstrap_servers, topic, {name: REQUIRED_SETTINGS[name] for name in wrong}
    )


def reason_cut(topic: str, earliest: int) -> str:
    """Why a topic that no longer begins at 0 must not be a ledger. Empty when it begins there."""
    if earliest == 0:
        return ""
    return (
        f"The first {earliest} records of the topic {topic} are gone, and the ledger can't be told without them. "
        "Restore the topic from a backup, or begin a new one with `prefledger init`."
    )


def reasons_to_warn(bootstrap_servers: str, topic: str, facts: TopicFacts) -> list[str]:
    """What works, but may lose acknowledged records when a broker is lost."""
    reasons = []
    if facts.replicas < REPLICAS_ADVISED:
        reasons.append(
            f"The topic {topic} has {facts.replicas} replica(s): losing brokers can lose the ledger. Use at least "
            f"{REPLICAS_ADVISED} (kafka-reassign-partitions.sh adds some)."
        )
    in_sync = facts.settings.get("min.insync.replicas", "1")
    if int(in_sync) < IN_SYNC_REPLICAS_ADVISED:
        command = alter_command(bootstrap_servers, topic, {"min.insync.replicas": str(IN_SYNC_REPLICAS_ADVISED)})
        reasons.append(
            f"The topic {topic} has min.insync.replicas={in_sync}: a write can be acknowledged by a single broker. "
            f"With 3 replicas, run: {command}"
        )
    if facts.settings.get("unclean.leader.election.enable", "false") == "true":
        command = alter_command(bootstrap_servers, topic, {"unclean.leader.election.enable": "false"})
        reasons.append(f"The topic {topic} allows unclean leader election, which drops acknowledged records. Run: {command}")
    return reasons


def alter_command(bootstrap_servers: str, topic: str, settings: Mapping[str, str]) -> str:
    """The command that gives a topic these settings."""
    return (
        f"kafka-configs.sh --bootstrap-server {bootstrap_servers} --alter --entity-type topics "
        f"--entity-name {topic} --add-config {','.join(f'{name}={value}' for name, value in settings.items())}"
    )


def pairs_of(settings: Mapping[str, str]) -> str:
    """Settings as a sentence names them."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def settings_of_new_topic(replicas: int) -> dict[str, str]:
    """The settings of a new ledger topic."""
    return REQUIRED_SETTINGS | safe_settings(replicas)


def safe_settings(replicas: int) -> dict[str, str]:
    """What keeps acknowledged records: a write needs two replicas as soon as losing one leaves two."""
    in_sync = IN_SYNC_REPLICAS_ADVISED if replicas >= REPLICAS_ADVISED else 1
    return {"min.insync.replicas": str(in_sync), "unclean.leader.election.enable": "false"}


async def fetch_topic(settings: dict[str, Any], topic: str) -> TopicFacts:
    """Ask the cluster about the topic. Raises LogUnavailable, or LogUnfit when it is missing or hidden from us."""
    async with _admin_client(settings) as admin:
        # Its settings come first: unlike a question for its partitions, that never makes a broker create the topic.
        answers: Any = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        code, message, _, _, entries = answers[0].resources[0]
        if code == _UNKNOWN_TOPIC:
            raise LogUnfit(f"Kafka at {settings['bootstrap_servers']} has no topic {topic}: run `prefledger init`.")
        if code:
            raise LogUnfit(
                f"Kafka does not show the settings of the topic {topic} ({for_code(code).__name__}: {message}). "
                "Grant DESCRIBE_CONFIGS and DESCRIBE on it."
            )
        partitions = (await admin.describe_topics([topic]))[0]["partitions"]
    return TopicFacts(
        partitions=len(partitions),
        replicas=min((len(partition["replicas"]) for partition in partitions), default=0),
        settings={entry[0]: entry[1] for entry in entries},
    )


async def create_topic(
    settings: dict[str, Any],
    topic: str,
    replicas: int | None = None,
    *,
    partitions: int = 1,
    topic_settings: Callable[[int], dict[str, str]] = settings_of_new_topic,
) -> bool:
    """Make a topic that is fit to be a ledger; False when there is one of that name already, which is left as it is.

    `replicas` is the replication factor: 3, or the number of brokers if there are fewer. `topic_settings` makes another
    topic's settings of that factor. Raises LogUnavailable, or LogUnfit when Kafka refuses.
    """
    async with _admin_client(settings) as admin:
        await wait_for_controller(admin)
        if replicas is None:
            replicas = min(REPLICAS_ADVISED, len((await admin.describe_cluster())["brokers"]))
        new = NewTopic(topic, partitions, replicas, topic_configs=topic_settings(replicas))
        answer: Any = await admin.create_topics([new])
        _, code, message = answer.topic_errors[0]
        if code == _TOPIC_EXISTS:
            return False
        if code:
            raise LogUnfit(f"Kafka does not make the topic {topic} ({for_code(code).__name__}: {message}).")
        # Brokers learn of it one after the other.
        while not await _has_leaders(admin, topic, partitions):  # noqa: ASYNC110 - Kafka has no event for it
            await asyncio.sleep(_POLL_SECONDS)
    return True


async def _has_leaders(admin: AIOKafkaAdminClient, topic: str, count: int) -> bool:
    partitions = (await admin.describe_topics([topic]))[0]["partitions"]
    return len(partitions) == count and all(partition["leader"] >= 0 for partition in partitions)


@asynccontextmanager
async def _admin_client(settings: dict[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    """The caller sets the deadline; a cluster that can't be reached is LogUnavailable."""
    admin = AIOKafkaAdminClient(**settings)
    try:
        await admin.start()
        yield admin
    except (KafkaError, TimeoutError) as error:
        raise LogUnavailable(unreachable(settings["bootstrap_servers"], error)) from error
    finally:
        await discard_admin(admin)
