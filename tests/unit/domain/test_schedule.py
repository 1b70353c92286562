"""Schedules: ends, nights, time zones, clock changes, and what may be stored."""

import copy
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.schedule import HOURS_A_DAY_MAX, WEEKDAYS, check_schedule, inside_schedule
from tests.unit.domain.conditions import JSON


def day(*ranges: tuple[str, str], enabled: bool = True) -> JsonValue:
    return {"enabled": enabled, "hours": [{"start": start, "end": end} for start, end in ranges]}


def schedule(**days: JsonValue) -> JsonValue:
    return {"enabled": True, "weekly": days}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# 2026-03-02 is a Monday.
OFFICE = schedule(monday=day(("09:00 AM", "12:00 PM"), ("01:00 PM", "05:00 PM")))
NIGHT = schedule(monday=day(("10:00 PM", "06:00 AM")))


@pytest.mark.parametrize(
    ("time", "inside"),
    [
        ("2026-03-02T08:59:59Z", False),
        ("2026-03-02T09:00:00Z", True),
        ("2026-03-02T12:00:59Z", True),
        ("2026-03-02T12:01:00Z", False),
        ("2026-03-02T13:00:00Z", True),
        ("2026-03-02T17:00:59.999999Z", True),
        ("2026-03-02T17:01:00Z", False),
        ("2026-03-03T10:00:00Z", False),
        ("2026-03-01T10:00:00Z", False),
    ],
)
def test_both_ends_are_inside_to_the_minute(time: str, inside: bool) -> None:
    assert inside_schedule(OFFICE, at(time), None) is inside


@pytest.mark.parametrize(
    ("time", "inside"),
    [
        ("2026-03-02T21:59:59Z", False),
        ("2026-03-02T22:00:00Z", True),
        ("2026-03-02T23:59:59Z", True),
        ("2026-03-03T00:00:00Z", True),
        ("2026-03-03T06:00:59Z", True),
        ("2026-03-03T06:01:00Z", False),
        # The morning before Monday's night, and the evening after it, are not Monday's night.
        ("2026-03-02T00:00:00Z", False),
        ("2026-03-02T05:00:00Z", False),
        ("2026-03-03T22:30:00Z", False),
        ("2026-03-04T05:00:00Z", False),
    ],
)
def test_a_night_belongs_to_the_day_it_starts_on_and_reaches_the_next_morning_only(time: str, inside: bool) -> None:
    assert inside_schedule(NIGHT, at(time), None) is inside


def test_sunday_night_reaches_monday_morning() -> None:
    nights = schedule(sunday=day(("22:00", "06:00")))

    assert inside_schedule(nights, at("2026-03-02T05:00:00Z"), None)
    assert not inside_schedule(nights, at("2026-03-01T05:00:00Z"), None)


def test_a_night_reaches_into_a_morning_whose_own_day_is_silent() -> None:
    nights = schedule(monday=day(("22:00", "06:00")), tuesday=day(("09:00", "17:00"), enabled=False))

    assert inside_schedule(nights, at("2026-03-03T05:00:00Z"), None)
    assert not inside_schedule(nights, at("2026-03-03T10:00:00Z"), None)


def test_a_disabled_day_has_no_night() -> None:
    nights = schedule(monday=day(("22:00", "06:00"), enabled=False))

    assert not inside_schedule(nights, at("2026-03-02T23:00:00Z"), None)
    assert not inside_schedule(nights, at("2026-03-03T05:00:00Z"), None)


def test_a_range_that_ends_where_it_starts_is_one_minute() -> None:
    minute = schedule(monday=day(("09:00", "09:00")))

    assert [inside_schedule(minute, at(f"2026-03-02T{time}Z"), None) for time in ("08:59", "09:00", "09:01")] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("stored", "inside"),
    [
        (None, True),
        ({"enabled": False, "weekly": {}}, True),
        ({"enabled": False, "weekly": {"monday": day(("09:00", "09:30"))}}, True),
        ({"enabled": True}, True),
        ({"enabled": True, "weekly": None}, True),
        ({"enabled": True, "weekly": {}}, False),
        (schedule(tuesday=day(("00:00", "23:59"))), False),
        (schedule(monday=day(("00:00", "23:59"), enabled=False)), False),
        (schedule(monday=day()), False),
        (schedule(monday={"enabled": True}), False),
        (schedule(monday=day(("00:00", "23:59"))), True),
    ],
)
def test_what_does_not_restrict_lets_through_and_a_day_without_hours_does_not(stored: JsonValue, inside: bool) -> None:
    assert inside_schedule(stored, at("2026-03-02T10:00:00Z"), "UTC") is inside


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("09:00 AM", "05:00 PM"),
        ("9:00 AM", "5:00 PM"),
        ("9:00AM", "5:00PM"),
        ("09:00 am", "05:00 pm"),
        ("9:00\u202fAM", "5:00\u202fPM"),
        ("09:00", "17:00"),
        ("09:00 AM", "17:00"),
    ],
)
def test_every_spelling_that_can_be_stored_means_its_time(start: str, end: str) -> None:
    stored = check_schedule(schedule(monday=day((start, end))), "")
    asked = ["04:59", "08:59", "09:00", "10:00", "12:00", "17:00", "17:01", "23:00"]

    inside = [time for time in asked if inside_schedule(stored, at(f"2026-03-02T{time}:00Z"), None)]

    assert inside == ["09:00", "10:00", "12:00", "17:00"]


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [("12:00 AM", "12:59 AM", "00:00", "00:59"), ("12:00 PM", "12:59 PM", "12:00", "12:59")],
)
def test_twelve_is_the_first_hour_of_each_half_day(start: str, end: str, first: str, last: str) -> None:
    stored = schedule(monday=day((start, end)))
    minutes = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(1440)]

    inside = [time for time in minutes if inside_schedule(stored, at(f"2026-03-02T{time}Z"), None)]

    assert (inside[0], inside[-1], len(inside)) == (first, last, 60)


@pytest.mark.parametrize(
    ("zone", "time", "inside"),
    [
        # Monday 09:00 in each place, and the minute before.
        ("America/New_York", "2026-03-02T14:00:00Z", True),
        ("America/New_York", "2026-03-02T13:59:59Z", False),
        ("Asia/Kathmandu", "2026-03-02T03:15:00Z", True),
        ("Asia/Kathmandu", "2026-03-02T03:14:59Z", False),
        # Still Sunday in UTC, already Monday there; and the other way round.
        ("Pacific/Kiritimati", "2026-03-01T19:00:00Z", True),
        ("Pacific/Kiritimati", "2026-03-02T19:00:00Z", False),
        ("Pacific/Pago_Pago", "2026-03-02T20:00:00Z", True),
        ("Pacific/Pago_Pago", "2026-03-03T03:00:00Z", True),
        # The instant counts, not the zone it is written in.
        ("America/New_York", "2026-03-02T23:00:00+09:00", True),
        ("UTC", "2026-03-02T10:00:00+09:00", False),
    ],
)
def test_the_day_and_the_hour_are_those_of_the_recipient(zone: str, time: str, inside: bool) -> None:
    assert inside_schedule(OFFICE, at(time), zone) is inside


@pytest.mark.parametrize(
    "zone",
    [None, "", "Nowhere/Land", "europe/berlin", "../../etc/passwd", "/etc/localtime", "Europe", "zone.tab", "UTC\0"],
)
def test_a_zone_that_does_not_exist_is_utc(zone: str | None) -> None:
    assert inside_schedule(OFFICE, at("2026-03-02T09:00:00Z"), zone)
    assert not inside_schedule(OFFICE, at("2026-03-02T08:59:59Z"), zone)


def test_every_node_reads_the_locked_zones_and_not_those_of_its_operating_system(tmp_path: Path) -> None:
    tokyo = (resources.files("tzdata") / "zoneinfo" / "Asia" / "Tokyo").read_bytes()
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Malta").write_bytes(tokyo)
    zoneinfo.reset_tzpath([tmp_path])
    try:
        assert zoneinfo.ZoneInfo.no_cache("Europe/Malta").utcoffset(at("2026-03-02T08:00:00")) == timedelta(hours=9)
        assert inside_schedule(OFFICE, at("2026-03-02T08:00:00Z"), "Europe/Malta")
    finally:
        zoneinfo.reset_tzpath()


# Berlin: on Sunday 2026-03-29 the clock goes from 02:00 to 03:00 (01:00Z), on 2026-10-25 from 03:00 to 02:00 (01:00Z).
@pytest.mark.parametrize(
    ("start", "end", "time", "inside"),
    [
        ("01:30", "03:30", "2026-03-29T00:29:59Z", False),
        ("01:30", "03:30", "2026-03-29T00:30:00Z", True),
        ("01:30", "03:30", "2026-03-29T01:00:00Z", True),
        ("01:30", "03:30", "2026-03-29T01:30:59Z", True),
        ("01:30", "03:30", "2026-03-29T01:31:00Z", False),
        ("02:15", "02:45", "2026-03-29T00:59:59Z", False),
        ("02:15", "02:45", "2026-03-29T01:00:00Z", False),
        ("02:15", "02:45", "2026-10-25T00:30:00Z", True),
        ("02:15", "02:45", "2026-10-25T01:00:00Z", False),
        ("02:15", "02:45", "2026-10-25T01:30:00Z", True),
        ("09:00", "17:00", "2026-03-29T07:00:00Z", True),
        ("09:00", "17:00", "2026-10-25T07:00:00Z", False),
        ("09:00", "17:00", "2026-10-25T08:00:00Z", True),
    ],
)
def test_when_the_clocks_change_the_wall_clock_counts(start: str, end: str, time: str, inside: bool) -> None:
    assert inside_schedule(schedule(sunday=day((start, end))), at(time), "Europe/Berlin") is inside


def test_the_edge_of_the_calendar_is_answered() -> None:
    always = schedule(**{name: day(("00:00", "23:59")) for name in WEEKDAYS})

    assert inside_schedule(always, datetime.min.replace(tzinfo=UTC), "America/New_York")
    assert inside_schedule(always, datetime.max.replace(tzinfo=UTC), "Asia/Tokyo")
    assert inside_schedule(always, datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), None)


def test_an_instant_without_an_offset_is_refused_because_it_depends_on_the_machine() -> None:
    with pytest.raises(ValueError, match="no UTC offset"):
        inside_schedule(None, datetime(2026, 3, 2), None)


MINUTE = st.integers(0, 1439)
RANGES = st.dictionaries(st.sampled_from(WEEKDAYS), st.lists(st.tuples(MINUTE, MINUTE), max_size=3))


def clock(minute: int, twelve_hour: bool) -> str:
    hour, rest = divmod(minute, 60)
    if not twelve_hour:
        return f"{hour:02}:{rest:02}"
    return f"{(hour + 11) % 12 + 1}:{rest:02} {'AM' if hour < 12 else 'PM'}"


def open_minutes(ranges: dict[str, list[tuple[int, int]]]) -> set[int]:
    """The minutes of a week that these ranges cover, walked through one by one."""
    minutes = set()
    for name, hours in ranges.items():
        for start, end in hours:
            length = (end - start) % 1440
            first = WEEKDAYS.index(name) * 1440 + start
            minutes |= {minute % (7 * 1440) for minute in range(first, first + length + 1)}
    return minutes


@given(RANGES, st.integers(0, 7 * 1440 - 1), st.booleans())
def test_a_minute_is_inside_exactly_when_a_range_of_its_week_covers_it(
    ranges: dict[str, list[tuple[int, int]]], minute: int, twelve_hour: bool
) -> None:
    days = {
        name: day(*((clock(start, twelve_hour), clock(end, twelve_hour)) for start, end in hours))
        for name, hours in ranges.items()
    }

    inside = inside_schedule(schedule(**days), at("2026-03-02T00:00:00Z") + timedelta(minutes=minute), None)

    assert inside is (minute in open_minutes(ranges))


STORED = st.fixed_dictionaries(
    {"enabled": st.just(True) | JSON},
    optional={
        "weekly": JSON
        | st.dictionaries(
            st.sampled_from(WEEKDAYS),
            JSON
            | st.fixed_dictionaries(
                {"enabled": st.just(True) | JSON},
                optional={"hours": JSON | st.lists(JSON | st.fixed_dictionaries({"start": JSON, "end": JSON}), max_size=2)},
            ),
        )
    },
)


@given(STORED | JSON, st.none() | st.text(max_size=12))
def test_no_stored_schedule_can_stop_a_question(stored: JsonValue, zone: str | None) -> None:
    assert inside_schedule(stored, at("2026-03-02T10:00:00Z"), zone) in (True, False)


@pytest.mark.parametrize(
    "sent",
    [
        {"enabled": True},
        {"enabled": False},
        {"enabled": False, "weekly": {}},
        {"enabled": True, "weekly": {"friday": {"enabled": False}}},
        {"enabled": True, "weekly": {"friday": {"hours": [], "enabled": True}}},
        schedule(monday=day(("9:00am", "08:00 PM")), sunday=day(("22:00", "06:00"))),
        schedule(monday=day(*[("09:00", "10:00")] * HOURS_A_DAY_MAX)),
    ],
)
def test_a_well_formed_schedule_is_kept_exactly_as_sent(sent: JsonValue) -> None:
    before = copy.deepcopy(sent)

    assert check_schedule(sent, "/schedule") == before


def one_range(value: JsonValue) -> JsonValue:
    return schedule(monday={"enabled": True, "hours": [value]})


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        (None, "/s", "must be an object"),
        (True, "/s", "must be an object"),
        ({}, "/s/enabled", "true or false"),
        ({"enabled": "true"}, "/s/enabled", "true or false"),
        ({"enabled": True, "isEnabled": True}, "/s/isEnabled", "no such member"),
        ({"enabled": True, "weekly": None}, "/s/weekly", "must be an object"),
        ({"enabled": True, "weekly": {}}, "/s/weekly", "names no day"),
        ({"enabled": False, "weekly": {"mon/day": {"enabled": True}}}, "/s/weekly/mon~1day", "no such member"),
        (schedule(Monday=day()), "/s/weekly/Monday", "no such member"),
        (schedule(monday=None), "/s/weekly/monday", "must be an object"),
        (schedule(monday={"hours": []}), "/s/weekly/monday/enabled", "true or false"),
        (schedule(monday={"enabled": True, "hours": {}}), "/s/weekly/monday/hours", "must be a list"),
        (schedule(monday={"enabled": True, "from": "9"}), "/s/weekly/monday/from", "no such member"),
        (
            schedule(monday=day(*[("09:00", "10:00")] * 25)),
            "/s/weekly/monday/hours",
            "25 ranges on one day; at most 24",
        ),
        (one_range("09:00"), "/s/weekly/monday/hours/0", "must be an object"),
        (one_range({"start": "09:00"}), "/s/weekly/monday/hours/0/end", "must be a time"),
        (
            one_range({"start": "09:00", "end": "10:00", "zone": "UTC"}),
            "/s/weekly/monday/hours/0/zone",
            "no such member",
        ),
        (one_range({"start": 9, "end": "10:00"}), "/s/weekly/monday/hours/0/start", "must be a time"),
    ],
)
def test_what_can_not_be_a_schedule_is_refused_by_place(value: JsonValue, pointer: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_schedule(value, "/s")

    assert caught.value.pointer == pointer
    assert message in caught.value.message


@pytest.mark.parametrize(
    "time",
    [
        "",
        "9",
        "9:00",
        "24:00",
        "23:60",
        "00:00 AM",
        "13:00 PM",
        "09:60 AM",
        "09:00  AM",
        "09:00 AM\n",
        "09:00:00",
        "٠٩:00",
    ],
)
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(Invalid, match="must be a time such as"):
        check_schedule(schedule(monday=day((time, "10:00"))), "")
