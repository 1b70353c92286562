"""Keeping aiokafka's own log lines, without their repetition: a lost broker makes it write dozens a second."""

import logging
from typing import Final

SECONDS_BETWEEN_REPETITIONS: Final = 60.0
_REPETITIVE_LOGGERS: Final = (
    "aiokafka",
    "aiokafka.client",
    "aiokafka.conn",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.consumer",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.consumer.subscription_state",
    "aiokafka.producer.sender",
)


class RepetitionFilter(logging.Filter):
    """Lets each message of a logger through once a minute, whatever its arguments are."""

    def __init__(self) -> None:
        super().__init__()
        self._last_seconds: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, str(record.msg))
        if record.created - self._last_seconds.get(key, -SECONDS_BETWEEN_REPETITIONS) < SECONDS_BETWEEN_REPETITIONS:
            return False
        self._last_seconds[key] = record.created
        return True


def limit_aiokafka_logging() -> None:
    """Safe to call again: a logger gets one filter."""
    for name in _REPETITIVE_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, RepetitionFilter) for one in logger.filters):
            logger.addFilter(RepetitionFilter())
