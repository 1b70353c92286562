"""Delivery schedules: the hours of the week in which a recipient lets messages in.

    {"enabled": true, "weekly": {"monday": {"enabled": true, "hours": [{"start": "09:00 AM", "end": "05:00 PM"}]}}}

Times are stored as sent, on the 12-hour or the 24-hour clock, and read when the schedule is asked. A range belongs to
the day under which it stands. One that ends before it starts goes on into the next morning, and only there.
"""

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.pointer import escape

WEEKDAYS: tuple[str, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""In the order of `datetime.weekday`."""

HOURS_A_DAY_MAX = 24
"""Ranges under one day."""

_TWELVE_HOUR = re.compile(r"(0?[1-9]|1[0-2]):([0-5][0-9])\s?(AM|PM)", re.IGNORECASE)
_TWENTY_FOUR_HOUR = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def check_schedule(value: JsonValue, pointer: str) -> JsonValue:
    """The schedule exactly as sent, if it is well formed. Raises Invalid.

    Enabled without `weekly` is allowed and restricts nothing; enabled with an empty `weekly` would silence every day
    without saying so, and is refused.
    """
    schedule = _check_object(value, pointer, "a schedule", ("enabled", "weekly"))
    enabled = _check_enabled(schedule, pointer)
    if "weekly" not in schedule:
        return value
    weekly = _check_object(schedule["weekly"], f"{pointer}/weekly", "the weekly schedule", WEEKDAYS)
    if enabled and not weekly:
        raise Invalid(
            f"{pointer}/weekly", "an enabled schedule names no day; give at least one, or leave the weekly schedule out"
        )
    for name, day in weekly.items():
        _check_day(day, f"{pointer}/weekly/{name}")
    return value


def inside_schedule(schedule: JsonValue, at: datetime, time_zone: str | None) -> bool:
    """Whether `at` (aware) lies inside the schedule, by the wall clock of an IANA time zone.

    No zone, or one that does not exist, is UTC. Seconds are dropped and both ends are inside: until 05:00 PM includes
    05:00:59 PM. A schedule that is absent, disabled or has no `weekly` restricts nothing; a day that is absent,
    disabled or without hours is outside, but for the morning after an overnight range. Never raises for stored data;
    raises ValueError if `at` is naive.
    """
    if at.utcoffset() is None:
        raise ValueError(f"the datetime {at.isoformat()} has no UTC offset; give an aware datetime")
    if not isinstance(schedule, dict) or schedule.get("enabled") is not True:
        return True
    weekly = schedule.get("weekly")
    if not isinstance(weekly, dict):
        return True
    local = _local(at, time_zone)
    minute, weekday = local.hour * 60 + local.minute, local.weekday()
    today = any(
        start <= minute <= end if start <= end else start <= minute for start, end in _ranges(weekly.get(WEEKDAYS[weekday]))
    )
    return today or any(minute <= end < start for start, end in _ranges(weekly.get(WEEKDAYS[weekday - 1])))


def _local(at: datetime, time_zone: str | None) -> datetime:
    try:
        return at.astimezone(_zone(time_zone))
    except OverflowError:
        # The first and the last day that Python's calendar has.
        return at


def _ranges(day: JsonValue) -> list[tuple[int, int]]:
    """The (start, end) minutes of an enabled day, both from midnight; what can't be read is left out."""
    if not isinstance(day, dict) or day.get("enabled") is not True:
        return []
    hours = day.get("hours")
    ranges = []
    for item in hours if isinstance(hours, list) else []:
        if isinstance(item, dict):
            start, end = _minute(item.get("start")), _minute(item.get("end"))
            if start is not None and end is not None:
                ranges.append((start, end))
    return ranges


def _minute(time: JsonValue) -> int | None:
    if not isinstance(time, str):
        return None
    if match := _TWENTY_FOUR_HOUR.fullmatch(time):
        return int(match[1]) * 60 + int(match[2])
    if match := _TWELVE_HOUR.fullmatch(time):
        # 12 AM is the hour 0, 12 PM the hour 12.
        return (int(match[1]) % 12 + (12 if match[3].upper() == "PM" else 0)) * 60 + int(match[2])
    return None


def _zone(name: str | None) -> tzinfo:
    return UTC if name is None or name not in _zone_names() else _load_zone(name)


# Reading files has a place in the pure domain here because they are part of the code: the tzdata package is a locked
# dependency, so that every node reads the same bytes, whatever its operating system has under /usr/share/zoneinfo.
# Each zone is read once, and only names from the package's own list are looked for, which bounds the cache.
@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset((resources.files("tzdata") / "zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1024)
def _load_zone(name: str) -> ZoneInfo:
    with (resources.files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _check_object(value: JsonValue, pointer: str, what: str, allowed: tuple[str, ...]) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise Invalid(pointer, f"{what} must be an object with {', '.join(allowed)}")
    for name in value:
        if name not in allowed:
            raise Invalid(f"{pointer}/{escape(name)}", f"{what} has no such member; it may have {', '.join(allowed)}")
    return value


def _check_enabled(value: dict[str, JsonValue], pointer: str) -> bool:
    enabled = value.get("enabled")
    if not isinstance(enabled, bool):
        raise Invalid(f"{pointer}/enabled", "enabled must be true or false")
    return enabled


def _check_day(value: JsonValue, pointer: str) -> None:
    day = _check_object(value, pointer, "a day", ("enabled", "hours"))
    _check_enabled(day, pointer)
    hours = day.get("hours", [])
    if not isinstance(hours, list):
        raise Invalid(f"{pointer}/hours", "the hours must be a list of {start, end}")
    if len(hours) > HOURS_A_DAY_MAX:
        raise Invalid(f"{pointer}/hours", f"there are {len(hours)} ranges on one day; at most {HOURS_A_DAY_MAX} are allowed")
    for index, item in enumerate(hours):
        _check_range(item, f"{pointer}/hours/{index}")


def _check_range(value: JsonValue, pointer: str) -> None:
    times = _check_object(value, pointer, "a range of hours", ("start", "end"))
    for name in ("start", "end"):
        if _minute(times.get(name)) is None:
            raise Invalid(f"{pointer}/{name}", f"the {name} must be a time such as 09:30 AM or 21:30")
