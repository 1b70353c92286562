"""Log lines: what they tell, and that no failure's message takes a person into them."""

import json
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from services.observability.context import REQUEST_ID, TRACE, about, asked_by
from services.observability.failures import FRAMES_MAX, failure
from services.observability.logs import JsonFormatter, TextFormatter, set_up_logs

TELLTALE = "user:telltale-jhammond"


def fail(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """The error as it is when it was raised."""
    try:
        raise error from cause
    except BaseException as raised:
        return raised


def record_of(message: str, *arguments: object, error: BaseException | None = None, **extra: str) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("services.x", logging.WARNING, "x.py", 1, message, arguments, exc_info)
    record.__dict__.update(extra)
    return record


def line(message: str = "m", *arguments: object, **given: Any) -> dict[str, Any]:
    text = JsonFormatter().format(record_of(message, *arguments, **given))
    assert "\n" not in text, "one object a line"
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_is_one_object_whatever_it_says() -> None:
    told = line('%s "quoted"\nsecond line \u2028 %d', "\N{BULLET}", 5)
    assert (told["level"], told["logger"]) == ("warning", "services.x")
    assert told["message"] == '\N{BULLET} "quoted"\nsecond line \u2028 5'
    assert told["time"].endswith("Z")
    assert set(told) == {"time", "level", "logger", "message"}, "what is not known is left out"


def test_a_line_tells_its_environment_and_request() -> None:
    with about("staging"):
        assert line()["environment"] == "staging"
        asked_by("production", "r-1")
        told = line()
        assert (told["environment"], told["request_id"]) == ("production", "r-1")
        assert line(request_id="r-2")["request_id"] == "r-2", "a line that names its request itself knows better"
        REQUEST_ID.set(None)
    assert "environment" not in line()
    token = TRACE.set(("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"))
    told = line()
    TRACE.reset(token)
    assert (told["trace_id"], told["span_id"]) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.mark.parametrize(
    "error",
    [
        KeyError(TELLTALE),
        ValueError(f"{TELLTALE} is not a number"),
        fail(RuntimeError("clean"), KeyError(TELLTALE)),
        fail(sqlite3.OperationalError("disk I/O error"), ValueError(TELLTALE)),
        ExceptionGroup("several", [KeyError(TELLTALE)]),
        ExceptionGroup(TELLTALE, [OSError("x")]),
        UnicodeEncodeError("utf-8", TELLTALE, 0, 1, TELLTALE),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_a_failure_takes_nobody_into_the_log(formatter: Callable[[], logging.Formatter], error: BaseException) -> None:
    record = record_of("request %s failed", "r-1", error=fail(error, error.__cause__))
    text = formatter().format(record)
    assert "telltale" not in text
    assert type(error).__name__ in text, "what kind of failure it was must be told"
    assert "test_logs.py" in text, "and where"


def test_what_can_be_told_of_a_failure_is_told() -> None:
    told = failure(fail(OSError(28, "No space left on device"), sqlite3.OperationalError("database or disk is full")))
    assert [(one["type"], one["message"]) for one in told] == [
        ("OSError", "[Errno 28] No space left on device"),
        ("sqlite3.OperationalError", "database or disk is full"),
    ]
    text = TextFormatter().format(record_of("m", error=fail(TypeError("f() takes 1 argument"))))
    assert "TypeError: f() takes 1 argument\n    at " in text


def test_a_deep_failure_is_a_line_of_bounded_length() -> None:
    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError("deep")
        dig(depth - 1)

    with pytest.raises(ValueError, match="deep") as raised:
        dig(200)
    (told,) = failure(raised.value)
    assert len(told["frames"]) == FRAMES_MAX
    assert told["frames"][-1].endswith("dig"), "the innermost frames are those that count"
    chained: BaseException = ValueError("0")
    for number in range(20):
        chained = fail(ValueError(str(number)), chained)
    assert len(failure(chained)) == 5


@pytest.mark.parametrize(("level", "expected"), [("debug", logging.INFO), ("error", logging.ERROR)])
def test_what_goes_over_the_wire_is_not_printed_even_at_debug(
    monkeypatch: pytest.MonkeyPatch, level: str, expected: int
) -> None:
    """Kafka's client prints its requests whole: the events in them, and the names in those."""
    wire = logging.getLogger("aiokafka.conn")
    monkeypatch.setattr(wire, "level", wire.level)
    set_up_logs("json", level)
    assert wire.getEffectiveLevel() == expected
