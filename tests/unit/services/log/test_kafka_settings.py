import pytest

from services.log.kafka_settings import KafkaOptions, connection_settings, consumer_settings, producer_settings


def test_an_acknowledged_record_is_replicated_once_and_in_order() -> None:
    settings = producer_settings("kafka:9092", KafkaOptions(), batch_bytes_max=1_000)
    assert settings["acks"] == "all"
    assert settings["enable_idempotence"] is True
    assert settings["transactional_id"] is None, "transactions leave holes in the offsets"
    assert settings["max_batch_size"] == settings["max_request_size"] == 1_000


def test_a_reader_keeps_its_own_position_and_decodes_for_itself() -> None:
    settings = consumer_settings("kafka:9092", KafkaOptions())
    assert settings["group_id"] is None
    assert settings["enable_auto_commit"] is False
    assert settings["auto_offset_reset"] == "none", "a lost offset must never be skipped over"
    assert settings["isolation_level"] == "read_committed"
    assert settings["key_deserializer"] is settings["value_deserializer"] is None
    assert settings["fetch_max_wait_ms"] < settings["request_timeout_ms"]


def test_the_ways_to_log_in_are_passed_through() -> None:
    options = KafkaOptions("SASL_SSL", "SCRAM-SHA-512", "ledger", "secret")
    settings = connection_settings("kafka:9092", options)
    assert settings["security_protocol"] == "SASL_SSL"
    assert settings["sasl_mechanism"] == "SCRAM-SHA-512"
    assert settings["sasl_plain_username"] == "ledger"
    assert settings["sasl_plain_password"] == "secret"
    assert settings["ssl_context"].check_hostname is True
    assert "secret" not in repr(options)


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_without_tls_there_is_no_context(protocol: str) -> None:
    assert connection_settings("kafka:9092", KafkaOptions(protocol))["ssl_context"] is None
