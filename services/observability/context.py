"""What a log line is about, beside what it says: the environment, and the request that it comes of."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ENVIRONMENT: ContextVar[str | None] = ContextVar("environment", default=None)
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
TRACE: ContextVar[tuple[str, str] | None] = ContextVar("trace", default=None)
"""The ids of the trace and of the span, in hexadecimal, where there is one."""


@contextmanager
def about(environment: str) -> Iterator[None]:
    """Lines from inside, and from tasks that are begun inside, are about this environment."""
    token = ENVIRONMENT.set(environment)
    try:
        yield
    finally:
        ENVIRONMENT.reset(token)


def asked_by(environment: str, request_id: str | None) -> None:
    """From here on, what this task does is done for a request. The end of the task is the end of it."""
    ENVIRONMENT.set(environment)
    REQUEST_ID.set(request_id)
