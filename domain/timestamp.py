"""Timestamps written as text, as instants: whole microseconds since 1970-01-01T00:00Z.

Python's own `fromisoformat` accepts more with each version, and an old decision must replay the same on a newer one:
so the accepted forms are spelled out here. An integer has no first or last day to overflow at.
"""

import re
from datetime import UTC, datetime, timedelta

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS_PER_MINUTE = 60_000_000
MICROSECONDS_PER_DAY = 86_400_000_000

# ISO 8601 extended calendar form, as RFC 3339 profiles it, plus what people leave out: seconds, the offset, the time.
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_RELATIVE = re.compile(r"([0-9]{1,6}) (minute|hour|day|week)s? (ago|from now)", re.ASCII | re.IGNORECASE)
_MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60, "week": 7 * 24 * 60}


def instant_of(at: datetime) -> int:
    """The instant of an aware datetime. Raises ValueError for a naive one: its instant depends on the machine."""
    if at.utcoffset() is None:
        raise ValueError(f"the datetime {at.isoformat()} has no UTC offset; give an aware datetime")
    return (at - _EPOCH) // _MICROSECOND


def parse_timestamp(text: str) -> int | None:
    """The instant that an ISO 8601 text names; None if it is not a timestamp.

    A date is its midnight; without an offset, UTC is meant. Digits finer than a microsecond are cut off. Leap seconds,
    hour 24, week dates, ordinal dates and the basic format are not timestamps.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    try:
        # The offset is subtracted below, as a number: no date near year 1 or 9999 can overflow.
        local = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), microsecond, UTC
        )
    except ValueError:
        return None
    offset_minutes = _offset_minutes(offset)
    if offset_minutes is None:
        return None
    return (local - _EPOCH) // _MICROSECOND - offset_minutes * MICROSECONDS_PER_MINUTE


def parse_relative(text: str, now: int) -> int | None:
    """The instant of `10 minutes ago` or `2 days from now`, counted exactly from `now`; None if the text is neither.

    The units are minute, hour, day (24 hours) and week, with or without an s, in any case.
    """
    match = _RELATIVE.fullmatch(text)
    if match is None:
        return None
    distance = int(match[1]) * _MINUTES[match[2].lower()] * MICROSECONDS_PER_MINUTE
    return now - distance if match[3].lower() == "ago" else now + distance


def _offset_minutes(offset: str | None) -> int | None:
    if offset is None or offset in "Zz":
        return 0
    hours, minutes = int(offset[1:3]), int(offset[-2:]) if len(offset) > 3 else 0
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if offset[0] == "-" else 1)
