"""Keeping a library's log lines without their repetition: one that lost its peer may write dozens a second."""

import logging
from collections.abc import Iterable
from typing import Final

SECONDS_BETWEEN_REPETITIONS: Final = 60.0


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


def limit_repetition(names: Iterable[str]) -> None:
    """Safe to call again: a logger gets one filter."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(one, RepetitionFilter) for one in logger.filters):
            logger.addFilter(RepetitionFilter())
