import pytest

from services.log.kafka_log import BATCH_OVERHEAD_BYTES, limits_of
from services.log.kafka_topic import TopicFacts, reason_cut, reason_unfit, reasons_to_warn, settings_of_new_topic

SERVERS = "kafka:9092"
SAFE = settings_of_new_topic(3)


def test_what_we_make_we_also_take_without_a_warning() -> None:
    facts = TopicFacts(partitions=1, replicas=3, settings=SAFE)
    assert reason_unfit(SERVERS, "t", facts) == ""
    assert reasons_to_warn(SERVERS, "t", facts) == []


def test_a_single_broker_can_still_acknowledge() -> None:
    assert settings_of_new_topic(1)["min.insync.replicas"] == "1"
    assert settings_of_new_topic(2)["min.insync.replicas"] == "1"
    assert settings_of_new_topic(3)["min.insync.replicas"] == "2"


@pytest.mark.parametrize("partitions", [0, 2, 12])
def test_other_than_one_partition_has_no_total_order(partitions: int) -> None:
    reason = reason_unfit(SERVERS, "t", TopicFacts(partitions, 3, SAFE))
    assert f"has {partitions} partitions" in reason
    assert "prefledger init" in reason


def test_everything_wrong_is_mended_by_one_command() -> None:
    settings = SAFE | {"cleanup.policy": "compact", "retention.ms": "604800000"}
    assert reason_unfit(SERVERS, "t", TopicFacts(1, 3, settings)) == (
        "The topic t would lose or misdate history: it has cleanup.policy=compact, retention.ms=604800000. "
        "Mend it with: kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name t "
        "--add-config cleanup.policy=delete,retention.ms=-1"
    )


def test_a_setting_that_is_not_told_counts_as_wrong() -> None:
    assert "retention.bytes=unknown" in reason_unfit(SERVERS, "t", TopicFacts(1, 3, SAFE | {"retention.bytes": "unknown"}))
    without = {name: value for name, value in SAFE.items() if name != "retention.bytes"}
    assert "retention.bytes=unknown" in reason_unfit(SERVERS, "t", TopicFacts(1, 3, without))


def test_a_topic_must_still_have_its_first_record() -> None:
    assert reason_cut("t", 0) == ""
    assert "first 3 records" in reason_cut("t", 3)


@pytest.mark.parametrize(
    ("replicas", "settings", "word"),
    [
        (2, {}, "2 replica(s)"),
        (3, {"min.insync.replicas": "1"}, "min.insync.replicas=2"),
        (3, {"unclean.leader.election.enable": "true"}, "unclean.leader.election.enable=false"),
    ],
)
def test_each_risk_is_warned_of_with_its_remedy(replicas: int, settings: dict[str, str], word: str) -> None:
    (reason,) = reasons_to_warn(SERVERS, "t", TopicFacts(1, replicas, SAFE | settings))
    assert word in reason


@pytest.mark.parametrize("largest", [50_000, 1_048_588, 500_000_000])
def test_a_batch_always_fits_what_the_topic_takes(largest: int) -> None:
    limits = limits_of(TopicFacts(1, 1, {"max.message.bytes": str(largest)}))
    assert limits.batch_bytes_max == limits.record_bytes_max == largest - BATCH_OVERHEAD_BYTES
