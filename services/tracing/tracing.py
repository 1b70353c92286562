"""A node's traces: OpenTelemetry's SDK, set up for this process alone.

Its provider is never made the global one. A library that traces by itself would put whole addresses into its spans, and
the ids in them are people's.
"""

import asyncio
import threading
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from services.http.asgi import AsgiApp
from services.observability.repetition import limit_repetition
from services.tracing.ledger import TracedLedger
from services.tracing.requests import TracedApp
from services.tracing.switch import Exporter, TraceOptions
from services.version import VERSION

CLOSE_SECONDS: Final = 3.0
"""For the last spans. A collector that does not answer must not keep a node from ending."""

_REPETITIVE_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.sdk._shared_internal",
)
_EXPORTERS: Final[dict[Exporter, type[SpanExporter]]] = {"otlp": OTLPSpanExporter, "console": ConsoleSpanExporter}


class Tracing:
    """`NodeTraces` by the SDK. Spans wait in a bounded queue and are sent by a thread: what does not fit is dropped."""

    def __init__(self, options: TraceOptions) -> None:
        """Sampler, queue, endpoint, headers and the like the SDK reads from its own variables."""
        attributes = {SERVICE_VERSION: VERSION}
        if options.service_name is not None:
            attributes[SERVICE_NAME] = options.service_name
        limit_repetition(_REPETITIVE_LOGGERS)
        self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        for exporter in options.exporters:
            self._provider.add_span_processor(BatchSpanProcessor(_EXPORTERS[exporter]()))
        self._tracer = self._provider.get_tracer("prefledger", VERSION)

    def ledger(self, environment: str, system: str) -> TracedLedger:
        """See `NodeTraces.ledger`."""
        return TracedLedger(self._tracer, environment, system)

    def app(self, inner: AsgiApp) -> AsgiApp:
        """See `NodeTraces.app`."""
        return TracedApp(inner, self._tracer)

    async def close(self) -> None:
        """See `NodeTraces.close`."""
        # A thread that nothing waits for at the end of the process, however long the SDK retries.
        closing = threading.Thread(target=self._provider.shutdown, name="tracing-close", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_SECONDS)
