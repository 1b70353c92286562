"""Keeping aiokafka's own log lines, without their repetition: a lost broker makes it write dozens a second."""

from typing import Final

from services.observability.repetition import limit_repetition

_REPETITIVE_LOGGERS: Final = (
    "aiokafka",
    "aiokafka.client",
    "aiokafka.conn",
    "aiokafka.consumer.consumer",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.consumer.subscription_state",
    "aiokafka.producer.sender",
)


def limit_aiokafka_logging() -> None:
    """Safe to call again: a logger gets one filter."""
    limit_repetition(_REPETITIVE_LOGGERS)
