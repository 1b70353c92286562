"""uvicorn's HTTP protocol with the bounds that it lacks.

Without the bounds anyone who can connect, key or no key, could fill the memory with headers that never end, or keep a
request open for ever. One timer a connection does it, and only for what does not come all at once.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from services.http.problems import Problem

HEAD_BYTES_MAX = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request's head is what comes before its body, and what trails after it."""

    timeout_seconds = 30.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._awaited: str | None = "headers"
        self._went_on = False
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._awaited = None
        self._watch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._went_on = False
        super().data_received(data)
        # What brought neither a piece of body nor the end of anything went on with a head, and is kept until that ends.
        self._head_bytes = 0 if self._went_on else self._head_bytes + len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(Problem("head-too-large", f"a request's headers have more than {HEAD_BYTES_MAX} bytes"))
        elif self._awaited is not self._timer_for:
            self._watch()

    def on_message_begin(self) -> None:
        self._awaited, self._went_on = "headers", True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._awaited, self._went_on = "body", True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._went_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._awaited, self._went_on = None, True
        super().on_message_complete()

    def _watch(self) -> None:
        """One timer, for what is awaited now: another part of a request, another timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_for = self._awaited
        if self._awaited is not None:
            self._timer = self.loop.call_later(self.timeout_seconds, self._too_slow)

    def _too_slow(self) -> None:
        part = "request's headers" if self._awaited == "headers" else "body"
        self._refuse(Problem("timeout", f"the {part} did not arrive within {self.timeout_seconds:g} seconds"))

    def _refuse(self, problem: Problem) -> None:
        """Answer and hang up. Where an answer has begun, or went out before the request had come, only hang up."""
        if self.transport.is_closing():
            return
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is None or not cycle.response_started or (cycle.response_complete and self._awaited == "headers"):
            body = problem.body()
            lines = [f"HTTP/1.1 {problem.status} {problem.title}".encode()]
            headers = {**dict(problem.headers()), b"content-length": str(len(body)).encode(), b"connection": b"close"}
            lines += [name + b": " + value for name, value in headers.items()]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
        if cycle is not None and not cycle.response_complete:
            # Whoever is at work on the request learns that nobody waits for its answer any more.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
