"""A span for each request, after OpenTelemetry's conventions for HTTP servers.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span. Of the address only the route is told: the
path and the query hold people's ids, the client's address and its software are nobody's business either.
"""

from collections.abc import Iterable
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.http.asgi import AsgiApp, AsgiScope, Message, Receive, Send
from services.http.route_names import route_name
from services.observability.context import TRACE

UNTRACED: Final = frozenset({b"/livez", b"/readyz", b"/metrics"})
"""What probes ask every few seconds."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "_OTHER"

_TRACE_HEADERS: Final = (b"traceparent", b"tracestate")
_propagator = TraceContextTextMapPropagator()


def carrier_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The trace context (W3C Trace Context) among a request's headers."""
    return {name.decode(): value.decode("latin-1") for name, value in headers if name in _TRACE_HEADERS}


class TracedApp:
    """An ASGI application around another one."""

    def __init__(self, inner: AsgiApp, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """One request of the server. What it does in this task belongs to its span."""
        if scope["type"] != "http" or scope["raw_path"] in UNTRACED or scope["raw_path"].startswith(b"/readyz/"):
            await self._inner(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parent = _propagator.extract(carrier_of(scope["headers"]))
        span = self._begin(scope, parent)
        identity = span.get_span_context()
        token = context.attach(trace.set_span_in_context(span, parent))
        TRACE.set((trace.format_trace_id(identity.trace_id), trace.format_span_id(identity.span_id)))
        try:
            await self._inner(scope, receive, watched)
        finally:
            context.detach(token)
            TRACE.set(None)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_attribute("error.type", str(status))
                span.set_status(Status(StatusCode.ERROR))
            span.end()

    def _begin(self, scope: AsgiScope, parent: context.Context) -> trace.Span:
        method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
        route = route_name(scope["method"], scope["raw_path"], scope["headers"])
        shown = "HTTP" if method == OTHER_METHOD else method
        attributes = {
            "http.request.method": method,
            "url.scheme": scope["scheme"],
            "network.protocol.version": scope["http_version"],
        }
        if route is not None:
            attributes["http.route"] = route
        name = shown if route is None else f"{shown} {route}"
        return self._tracer.start_span(name, parent, SpanKind.SERVER, attributes)
