import logging

import pytest

from services.log.kafka_logging import limit_aiokafka_logging
from services.observability.repetition import RepetitionFilter


def line(created: float, message: str = "Unable connect to %s", name: str = "aiokafka.client") -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, ("node 1",), None)
    record.created = created
    return record


def test_a_message_is_repeated_once_a_minute_and_others_are_not_held_back() -> None:
    passes = RepetitionFilter().filter
    assert passes(line(1_000))
    assert not passes(line(1_000.1))
    assert not passes(line(1_059.9))
    assert passes(line(1_000.1, message="Failed fetch messages from %s"))
    assert passes(line(1_000.1, name="aiokafka.conn"))
    assert passes(line(1_060))


def test_limiting_twice_adds_one_filter(caplog: pytest.LogCaptureFixture) -> None:
    limit_aiokafka_logging()
    limit_aiokafka_logging()
    logger = logging.getLogger("aiokafka.client")
    assert sum(isinstance(one, RepetitionFilter) for one in logger.filters) == 1
