"""What one record of the log is made of, whichever log keeps it."""

from dataclasses import dataclass

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record on its way into a log. `key` is the stream's pseudonym, never a person's id."""

    key: bytes
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record as the log gives it back. `timestamp_milliseconds` is the log's own clock (Unix time)."""

    offset: int
    timestamp_milliseconds: int
    key: bytes
    value: bytes
    headers: Headers = ()
