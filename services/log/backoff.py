"""Waiting times between attempts, growing up to a limit."""

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 2.0


class Backoff:
    """Doubles from 50 ms to 2 s; `reset` after a success."""

    def __init__(self) -> None:
        self._seconds = FIRST_SECONDS

    def next_seconds(self) -> float:
        seconds = self._seconds
        self._seconds = min(seconds * 2, LONGEST_SECONDS)
        return seconds

    def reset(self) -> None:
        self._seconds = FIRST_SECONDS
