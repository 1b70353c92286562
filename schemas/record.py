"""What one record of the log is made of, whichever log keeps it."""

from dataclasses import dataclass

import msgspec

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record on its way into a log. `key` is the stream's pseudonym, never a person's id."""

    key: bytes
    value: bytes
    headers: Headers = ()


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as the log gives it back. `timestamp_milliseconds` is the log's own clock (Unix time).

    A struct, not a dataclass: a replay makes one for each record, at an eighth of the time.
    """

    offset: int
    timestamp_milliseconds: int
    key: bytes
    value: bytes
    headers: Headers = ()
