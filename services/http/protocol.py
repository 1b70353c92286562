"""uvicorn's HTTP protocol with the bounds that it lacks: on how large a request's head may be, and how long it may take.

Without them anyone who can connect, key or no key, could fill the memory with headers that never end.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from services.http.problems import Problem

HEAD_BYTES_MAX = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Its head is what comes before the body, and what trails after it."""

    head_timeout_seconds = 30.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._went_on = False
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_head = False
        self._watch_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._went_on = False
        super().data_received(data)
        # What brought neither a piece of body nor the end of anything went on with a head, and is kept until that ends.
        self._head_bytes = 0 if self._went_on else self._head_bytes + len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(Problem("head-too-large", f"a request's headers have more than {HEAD_BYTES_MAX} bytes"))
        else:
            self._watch_head()

    def on_message_begin(self) -> None:
        self._in_head = self._went_on = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._went_on = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._went_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._went_on = True
        super().on_message_complete()

    def _watch_head(self) -> None:
        if self._in_head and self._timer is None:
            self._timer = self.loop.call_later(self.head_timeout_seconds, self._too_slow)
        elif not self._in_head and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        seconds = self.head_timeout_seconds
        self._refuse(Problem("timeout", f"the request's headers did not arrive within {seconds:g} seconds"))

    def _refuse(self, problem: Problem) -> None:
        """Answer and hang up. Amid a request that is being answered, only hang up."""
        if self.transport.is_closing():
            return
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is None or cycle.response_complete:
            body = problem.body()
            lines = [f"HTTP/1.1 {problem.status} {problem.title}".encode()]
            headers = {**dict(problem.headers()), b"content-length": str(len(body)).encode(), b"connection": b"close"}
            lines += [name + b": " + value for name, value in headers.items()]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()


def protocol_with(head_timeout_seconds: float) -> type[BoundedProtocol]:
    """The protocol, with this long for a head to arrive."""

    class Protocol(BoundedProtocol):
        pass

    Protocol.head_timeout_seconds = head_timeout_seconds
    return Protocol
