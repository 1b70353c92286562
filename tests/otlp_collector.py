"""A collector for OpenTelemetry's traces, as small as can be: it keeps what it is sent."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

HANG_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02


class Collector:
    """Listens on a port of 127.0.0.1 while it is open."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.paths.add(self.path)
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def variables(self) -> dict[str, str]:
        """What makes a process send its traces here, soon."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50", "NO_PROXY": "127.0.0.1"}

    @property
    def spans(self) -> list[Span]:
        """Every span so far."""
        return [
            span
            for request in self.requests
            for of in request.resource_spans
            for one in of.scope_spans
            for span in one.spans
        ]

    def resource(self) -> dict[str, str]:
        """What sends."""
        return attributes_of(self.requests[0].resource_spans[0].resource)

    def text(self) -> str:
        """Everything that was sent, to look for what must not be there."""
        return "\n".join(map(str, self.requests))

    def wait_for(self, wanted: Callable[[Span], bool], what: str) -> Span:
        """The first span that is wanted."""
        deadline = time.monotonic() + HANG_SECONDS
        while time.monotonic() < deadline:
            for span in self.spans:
                if wanted(span):
                    return span
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"no span of {what} came; there are {sorted({span.name for span in self.spans})}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def attributes_of(described: Any) -> dict[str, str]:
    """The attributes of a span or a resource, each as text."""
    shown = {}
    for attribute in described.attributes:
        kind = attribute.value.WhichOneof("value")
        shown[attribute.key] = str(getattr(attribute.value, kind))
    return shown
