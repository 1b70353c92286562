"""Spans of a ledger's log: what an append is told to be when it fails, and which links a batch gets."""

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from projections.observer import FoldedBatch
from schemas.record import LogRecord, NewRecord
from services.log.port import Refused
from services.log.sqlite_log import SqliteEventLog
from services.tracing.ledger import LINKS_MAX, TracedLedger, links_of


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(spans: InMemorySpanExporter) -> TracedLedger:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return TracedLedger(provider.get_tracer("tests"), "production", "sqlite")


def record(offset: int, *headers: tuple[str, bytes]) -> LogRecord:
    return LogRecord(offset, 0, b"pseudonym of a person", b"", headers)


def traceparent(number: int) -> tuple[str, bytes]:
    return "traceparent", f"00-{number:032x}-{number:016x}-01".encode()


async def test_a_refused_append_is_an_error_in_a_word(
    tmp_path: Path, traced: TracedLedger, spans: InMemorySpanExporter
) -> None:
    log = traced.around(SqliteEventLog(tmp_path / "log.sqlite"))
    outcomes = await log.append([NewRecord(b"k", b"v")], timeout_seconds=1)
    assert [type(outcome) for outcome in outcomes] == [Refused]
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "refused"
    assert str(tmp_path) not in span.to_json()


async def test_records_take_their_trace_along_and_keep_their_own_headers(
    tmp_path: Path, traced: TracedLedger, spans: InMemorySpanExporter
) -> None:
    log = traced.around(SqliteEventLog(tmp_path / "log.sqlite"))
    await log.start()
    await log.append([NewRecord(b"k", b"v", (("ce_id", b"1"),)), NewRecord(b"k", b"w")], timeout_seconds=5)
    first, second = await log.read(0, limit=2, wait_seconds=0)
    assert first.headers[0] == ("ce_id", b"1")
    await log.stop()
    (span,) = spans.get_finished_spans()
    (link,) = links_of([first, second])
    assert (link.context.trace_id, link.context.span_id) == (span.context.trace_id, span.context.span_id)
    assert "messaging.kafka.offset" not in (span.attributes or {}), "several records have no one offset"


def test_links_are_bounded_and_only_of_what_is_a_trace() -> None:
    assert links_of([record(0), record(1, ("traceparent", b"nonsense \xff")), record(2, traceparent(0))]) == []
    many = [record(number, traceparent(number)) for number in range(1, 3 * LINKS_MAX)]
    assert len(links_of([*many, *many])) == LINKS_MAX
    (link,) = links_of([record(0, traceparent(7), ("tracestate", b"vendor=1"))])
    assert link.context.trace_state["vendor"] == "1"


@pytest.mark.parametrize("is_answering", [True, False])
def test_what_is_caught_up_with_is_told_without_links(
    traced: TracedLedger, spans: InMemorySpanExporter, is_answering: bool
) -> None:
    batch = FoldedBatch([record(5, traceparent(7))], notes_opt_outs=False, is_answering=is_answering)
    batch.fates["PreferenceSetMerged", "applied", None] = 1
    traced.folded(batch)
    (span,) = spans.get_finished_spans()
    assert span.name == "process preferences.production"
    assert len(span.links) == is_answering
    assert span.attributes is not None
    assert span.attributes["messaging.kafka.offset"] == 5
    assert span.start_time == batch.started_at_nanoseconds
    assert "pseudonym" not in span.to_json()
