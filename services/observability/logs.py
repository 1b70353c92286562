"""The node's own log, on standard error: lines for people, or one JSON object a line. Neither names a person."""

import asyncio
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from services.observability.context import ENVIRONMENT, REQUEST_ID, TRACE
from services.observability.failures import failure, failure_text

LOG_FORMATS: Final = ("text", "json")

TELLTALE_LOGGERS: Final = ("aiokafka.conn",)
"""At `debug` these print what goes over the wire, which is what people said."""

log = logging.getLogger("prefledger")


class TextFormatter(logging.Formatter):
    """A line for people; what an exception looked like stands below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        line = self.formatMessage(record)
        error = _error_of(record)
        return line if error is None else f"{line}\n{failure_text(error)}"


class JsonFormatter(logging.Formatter):
    """One JSON object. Members without a value are left out."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = {
            "environment": getattr(record, "environment", None) or ENVIRONMENT.get(),
            "request_id": getattr(record, "request_id", None) or REQUEST_ID.get(),
        }
        line.update({name: value for name, value in context.items() if value is not None})
        trace = TRACE.get()
        if trace is not None:
            line["trace_id"], line["span_id"] = trace
        error = _error_of(record)
        if error is not None:
            line["exception"] = failure(error)
        return msgspec.json.encode(line).decode()


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def set_up_logs(log_format: str, level: str) -> None:
    """All loggers of the process write to standard error, in one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in TELLTALE_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level.upper()]))


def log_every_failure(loop: asyncio.AbstractEventLoop) -> None:
    """What Python would print by itself, with every detail, becomes a line of the log too: warnings, crashes, lost tasks."""
    logging.captureWarnings(True)
    sys.excepthook = lambda _, error, __: log.critical("the process ends on a failure", exc_info=error)
    threading.excepthook = lambda given: log.error("a thread ended on a failure", exc_info=given.exc_value)
    loop.set_exception_handler(
        lambda _, context: log.error("%s", context.get("message", "a task failed"), exc_info=context.get("exception"))
    )
