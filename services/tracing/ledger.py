"""Spans of one ledger's log, after OpenTelemetry's conventions for messaging (in development), embedded or on Kafka.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ and .../kafka/. The message's key is left out: it is
a person's pseudonym. A record takes its trace along in headers (W3C Trace Context), as CloudEvents have it.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from projections.observer import FoldedBatch
from schemas.record import Headers, LogRecord, NewRecord
from services.log.kafka_topic import ledger_topic
from services.log.port import AppendOutcome, EventLog, LogBounds, Stored
from services.observability.counts import OUTCOMES

OFFSET: Final = "messaging.kafka.offset"
"""Of an embedded log too: the same place in the same kind of log."""

LINKS_MAX: Final = 128
"""What the SDK keeps of a span's links, if nobody says otherwise."""

_propagator = TraceContextTextMapPropagator()
_NOWHERE: Final = context.Context()


class TracedLedger:
    """`LedgerTraces` by the SDK."""

    def __init__(self, tracer: Tracer, environment: str, system: str) -> None:
        self._tracer = tracer
        self._destination = ledger_topic(environment)
        self._common: dict[str, AttributeValue] = {
            "messaging.system": system,
            "messaging.destination.name": self._destination,
            "messaging.destination.partition.id": "0",
            "prefledger.environment": environment,
        }

    def around(self, log: EventLog) -> EventLog:
        """See `LedgerTraces.around`."""
        return _TracedLog(log, self._tracer, self._destination, self._common)

    def folded(self, batch: FoldedBatch) -> None:
        """See `LedgerTraces.folded`. Of what is folded while the node catches up, nobody waits for the links."""
        count = sum(batch.fates.values())
        links = links_of(batch.records) if batch.is_answering else []
        attributes = {**self._common, **_operation("process", count)}
        if count == 1:
            attributes[OFFSET] = batch.records[0].offset
        span = self._tracer.start_span(
            f"process {self._destination}",
            _NOWHERE,
            SpanKind.CONSUMER,
            attributes,
            links,
            start_time=batch.started_at_nanoseconds,
        )
        span.end(time.time_ns())


def _operation(name: str, count: int) -> dict[str, AttributeValue]:
    return {
        "messaging.operation.name": name,
        "messaging.operation.type": name,
        "messaging.batch.message_count": count,
    }


def links_of(records: Iterable[LogRecord]) -> list[Link]:
    """The spans that these records were appended in, each once."""
    found: dict[tuple[int, int], trace.SpanContext] = {}
    for record in records:
        identity = _identity_of(record.headers)
        if identity is not None and identity.is_valid:
            found.setdefault((identity.trace_id, identity.span_id), identity)
            if len(found) == LINKS_MAX:
                break
    return [Link(identity) for identity in found.values()]


def _identity_of(headers: Headers) -> trace.SpanContext | None:
    carrier = {name: value.decode("latin-1") for name, value in headers if name in ("traceparent", "tracestate")}
    if not carrier:
        return None
    return trace.get_current_span(_propagator.extract(carrier, _NOWHERE)).get_span_context()


class _TracedLog:
    """`EventLog` around another one."""

    def __init__(self, log: EventLog, tracer: Tracer, destination: str, common: dict[str, AttributeValue]) -> None:
        self._log = log
        self._tracer = tracer
        self._name = f"send {destination}"
        self._common = common

    async def start(self) -> None:
        """See `EventLog.start`."""
        await self._log.start()

    async def stop(self) -> None:
        """See `EventLog.stop`."""
        await self._log.stop()

    async def append(self, records: Sequence[NewRecord], *, timeout_seconds: float) -> list[AppendOutcome]:
        """See `EventLog.append`."""
        attributes = {**self._common, **_operation("send", len(records))}
        span = self._tracer.start_span(self._name, kind=SpanKind.PRODUCER, attributes=attributes)
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, trace.set_span_in_context(span))
        lines = tuple((name, value.encode()) for name, value in carrier.items())
        taken_along = [NewRecord(record.key, record.value, (*record.headers, *lines)) for record in records]
        outcomes: list[AppendOutcome] = []
        try:
            outcomes = await self._log.append(taken_along, timeout_seconds=timeout_seconds)
        finally:
            _tell(span, outcomes)
            span.end()
        return outcomes

    async def read(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """See `EventLog.read`."""
        return await self._log.read(offset, limit=limit, wait_seconds=wait_seconds)

    async def follow(self, offset: int, *, limit: int, wait_seconds: float) -> list[LogRecord]:
        """See `EventLog.follow`."""
        return await self._log.follow(offset, limit=limit, wait_seconds=wait_seconds)

    async def bounds(self, *, timeout_seconds: float) -> LogBounds:
        """See `EventLog.bounds`."""
        return await self._log.bounds(timeout_seconds=timeout_seconds)


def _tell(span: trace.Span, outcomes: Sequence[AppendOutcome]) -> None:
    failed = next((outcome for outcome in outcomes if not isinstance(outcome, Stored)), None)
    if failed is not None or not outcomes:
        # In a word: why, in a sentence, may name hosts.
        span.set_attribute("error.type", OUTCOMES[type(failed)] if failed is not None else "cancelled")
        span.set_status(Status(StatusCode.ERROR))
    elif len(outcomes) == 1 and isinstance(outcomes[0], Stored):
        span.set_attribute(OFFSET, outcomes[0].offset)
