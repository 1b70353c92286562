import pytest

from services.intake.topics import (
    INTAKE_REQUIRED,
    REFUSAL_OVERHEAD_BYTES,
    IntakeFacts,
    IntakeTopics,
    intake_settings,
    reason_intake_unfit,
    reasons_to_warn_of_intake,
    refused_settings,
)
from services.log.kafka_topic import BATCH_BYTES_DEFAULT, TopicFacts, ledger_topic

SERVERS = "kafka:9092"
TOPICS = IntakeTopics("test")
INTAKE = intake_settings(3)
REFUSED = refused_settings(3, intake_batch_bytes=BATCH_BYTES_DEFAULT)


def facts(
    *, intake: dict[str, str] | None = None, refused: dict[str, str] | None = None, partitions: int = 2
) -> IntakeFacts:
    return IntakeFacts(
        TopicFacts(partitions, 3, INTAKE | (intake or {})), TopicFacts(partitions, 3, REFUSED | (refused or {}))
    )


def test_what_we_make_we_also_take_without_a_warning() -> None:
    assert reason_intake_unfit(SERVERS, TOPICS, facts()) == ""
    assert reasons_to_warn_of_intake(SERVERS, TOPICS, facts()) == []
    assert (INTAKE["min.insync.replicas"], REFUSED["min.insync.replicas"]) == ("2", "2")


def test_no_environment_has_the_topics_of_another() -> None:
    # An environment's name has no dot in it, so a suffix of ours can't be a part of one.
    assert TOPICS.intake == "preferences.test.intake"
    assert TOPICS.refused == "preferences.test.intake.refused"
    names = {TOPICS.intake, TOPICS.refused, ledger_topic("test"), IntakeTopics("test-intake").intake}
    assert len(names) == 4
    assert TOPICS.transactional_id(1) != TOPICS.transactional_id(2)


@pytest.mark.parametrize(
    ("intake", "refused", "told", "mended"),
    [
        ({"cleanup.policy": "compact"}, {}, "preferences.test.intake could lose events", "cleanup.policy=delete"),
        ({"compression.type": "producer"}, {}, "it has compression.type=producer", "compression.type=uncompressed"),
        ({}, {"cleanup.policy": "compact,delete"}, "preferences.test.intake.refused could", "cleanup.policy=delete"),
        (
            {"max.message.bytes": "2000000"},
            {"max.message.bytes": "2000000"},
            "takes 2000000 bytes at once, which is too few",
            f"max.message.bytes={2_000_000 + REFUSAL_OVERHEAD_BYTES}",
        ),
    ],
)
def test_settings_that_lose_events_are_refused_with_the_command_that_mends_them(
    intake: dict[str, str], refused: dict[str, str], told: str, mended: str
) -> None:
    reason = reason_intake_unfit(SERVERS, TOPICS, facts(intake=intake, refused=refused))
    assert told in reason
    assert "kafka-configs.sh --bootstrap-server kafka:9092" in reason
    assert reason.endswith(f"--add-config {mended}")


def test_too_many_partitions_are_refused() -> None:
    assert "101 partitions" in reason_intake_unfit(SERVERS, TOPICS, facts(partitions=101))
    assert reason_intake_unfit(SERVERS, TOPICS, facts(partitions=100)) == ""


@pytest.mark.parametrize(("retention", "warned"), [("-1", False), ("86400000", False), ("86399999", True), ("0", True)])
def test_a_short_retention_is_warned_of(retention: str, warned: bool) -> None:
    reasons = reasons_to_warn_of_intake(SERVERS, TOPICS, facts(intake={"retention.ms": retention}))
    assert bool(reasons) == warned
    assert all("--add-config retention.ms=604800000" in reason for reason in reasons)


def test_every_codec_can_be_read() -> None:
    assert INTAKE_REQUIRED["compression.type"] == "uncompressed"
