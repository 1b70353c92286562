"""The shortest way of an evaluation: answered while its bytes are read, before a task and an ASGI scope are made for it.

Those cost more than the evaluation itself. Whatever is not plain (a question in several packets, a refusal, a client
that hangs up...) goes the usual way, through ASGI, where every answer can be given; this one only gives the usual one.
"""

from collections.abc import Callable, Mapping
from typing import cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from services.http.protocol import BoundedProtocol
from services.http.request_ids import REQUEST_ID_HEADER, request_id_of

Headers = Mapping[bytes, bytes]
"""By lower-case name. Of a repeated one the last counts."""

AnswerAtOnce = Callable[[Headers, bytes], bytes | None]
"""From a request's headers and body to its answer's JSON; None where it must go the usual way. Never raises."""


class QuickProtocol(BoundedProtocol):
    """One connection, on which a `POST` to one address is answered at once if it can be."""

    quick_address = b""
    answer_at_once: AnswerAtOnce

    _is_held = False
    """Whether the request at hand is held back from ASGI until it has come. Never beyond the packet it began in."""

    _was_quick = False
    """Whether one was answered in this packet: one alone, so that a pipeline of many lets others have their turn."""

    _received = b""

    def data_received(self, data: bytes) -> None:
        self._was_quick = False
        super().data_received(data)
        if self._is_held:
            self._go_the_usual_way()

    def on_headers_complete(self) -> None:
        if self.url == self.quick_address and self._may_be_quick():
            self._is_held, self._received = True, b""
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_held:
            super().on_body(body)
        elif self._received:
            self._go_the_usual_way()
            super().on_body(body)
        else:
            self._received = body

    def on_message_complete(self) -> None:
        if self._is_held and not self._answered():
            self._go_the_usual_way()
        if self._is_held:
            self._is_held, self._was_quick = False, True
            self._awaited, self._went_on = None, True
            self.on_response_complete()
        else:
            super().on_message_complete()

    def _may_be_quick(self) -> bool:
        parser, earlier = self.parser, cast(RequestResponseCycle | None, self.cycle)
        return (
            parser.get_method() == b"POST"
            and not self._was_quick
            and (earlier is None or earlier.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
        )

    def _answered(self) -> bool:
        headers = dict(self.headers)
        body = self.answer_at_once(headers, self._received)
        if body is None:
            return False
        defaults = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        self.transport.write(
            b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n%b: %b\r\n\r\n%b"
            % (defaults, len(body), REQUEST_ID_HEADER, request_id_of(headers), body)
        )
        return True

    def _go_the_usual_way(self) -> None:
        self._is_held = False
        super().on_headers_complete()
        if self._received:
            super().on_body(self._received)


def protocol_with(
    timeout_seconds: float, quick_address: bytes = b"", answer_at_once: AnswerAtOnce | None = None
) -> type[BoundedProtocol]:
    """The protocol, with this long for a head to arrive, and again for a body; quick where it is told how."""
    if answer_at_once is None:
        return type("Protocol", (BoundedProtocol,), {"timeout_seconds": timeout_seconds})
    members = {
        "timeout_seconds": timeout_seconds,
        "quick_address": quick_address,
        "answer_at_once": staticmethod(answer_at_once),
    }
    return type("Protocol", (QuickProtocol,), members)
