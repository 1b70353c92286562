"""Traces of a real node at a real collector: a caller's trace goes on through the log, and names nobody on its way."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from services.log.sqlite_file import connect, read_records
from tests.integration.command_line import run
from tests.integration.http.api import Api
from tests.otlp_collector import Collector, attributes_of
from tests.server_process import ROOT, STOP_SECONDS_MAX, ServerProcess, command_environment, free_port

TELLTALE: Final = "telltale-jhammond"
TRACE_ID: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID: Final = "b7ad6b7169203331"
TRACEPARENT: Final = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}


def is_of(span: Span, name: str) -> bool:
    return span.name == name and span.trace_id.hex() == TRACE_ID


def test_a_trace_of_a_write_from_its_caller_into_the_log_and_out_of_it(tmp_path: Path) -> None:
    with Collector() as collector:
        variables = {**collector.variables, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
        with ServerProcess(tmp_path / "data", environment=variables) as server, closing(Api(server)) as api:
            route = "/ledger/v1/holders/{holder}/preferences/{set_name}"
            path = f"/holders/user:{TELLTALE}/preferences/default"
            body = {"channel_types": {"email": False}, "kept": {"x": TELLTALE}}
            assert api.request("PUT", path, json=body, headers=TRACEPARENT).status_code == 200
            asked = {"recipient": f"user:{TELLTALE}", "workflow": TELLTALE}
            for _ in range(3):
                assert api.request("POST", "/evaluate", json=asked, headers=TRACEPARENT).status_code == 200
            api.request("GET", f"/holders/{TELLTALE}", headers=TRACEPARENT)
            users = f"{server.url}/v1/users/{TELLTALE}/preferences?{TELLTALE}=1"
            api.client.get(users, headers=TRACEPARENT)
            api.client.get(f"{server.url}/readyz")
            check_write(collector, route)
            check_questions(collector)
        assert collector.paths == {"/v1/traces"}
        resource = collector.resource()
        assert (resource["service.name"], resource["deployment.environment.name"]) == ("prefledger", "test")
        assert TELLTALE not in collector.text(), "a trace tells whose preferences were asked for"
        assert not [span.name for span in collector.spans if "readyz" in span.name], "probes are no work"
    carried = [headers["traceparent"] for headers in headers_in_log(tmp_path) if "traceparent" in headers]
    assert any(TRACE_ID.encode() in value for value in carried), "the record does not carry its trace on"


def check_write(collector: Collector, route: str) -> None:
    """The server's span goes on the caller's trace, the producer's is below it, the consumer's links to the producer's."""
    request = collector.wait_for(lambda span: is_of(span, f"PUT {route}"), "the request")
    assert (request.parent_span_id.hex(), request.kind) == (PARENT_ID, Span.SPAN_KIND_SERVER)
    told = attributes_of(request)
    assert (told["http.request.method"], told["http.route"], told["http.response.status_code"]) == ("PUT", route, "200")
    send = collector.wait_for(lambda span: is_of(span, "send preferences.development"), "the append")
    assert (send.parent_span_id, send.kind) == (request.span_id, Span.SPAN_KIND_PRODUCER)
    told = attributes_of(send)
    assert told.items() >= {
        ("messaging.system", "sqlite"), ("messaging.operation.name", "send"), ("messaging.operation.type", "send"),
        ("messaging.destination.name", "preferences.development"), ("messaging.destination.partition.id", "0"),
        ("messaging.batch.message_count", "1"),
    }  # fmt: skip
    process = collector.wait_for(
        lambda span: [link.span_id for link in span.links] == [send.span_id], "the batch that the record came in"
    )
    assert (process.name, process.kind) == ("process preferences.development", Span.SPAN_KIND_CONSUMER)
    assert (process.links[0].trace_id.hex(), process.parent_span_id) == (TRACE_ID, b"")
    assert attributes_of(process)["messaging.kafka.offset"] == told["messaging.kafka.offset"]
    assert not any("key" in name for name in attributes_of(process) | told), "a key is a person's pseudonym"


def check_questions(collector: Collector) -> None:
    """Evaluations too, though the node answers most of them before the application; refusals; a dialect's routes."""
    evaluate = "POST /ledger/v1/evaluate"
    collector.wait_for(lambda span: is_of(span, evaluate), "an evaluation")
    known = collector.wait_for(lambda span: is_of(span, "GET /v1/users/{user_id}/preferences"), "a dialect's request")
    assert attributes_of(known)["http.response.status_code"] == "200"
    refused = collector.wait_for(lambda span: is_of(span, "GET /ledger/v1/holders/{holder}"), "a refused request")
    assert refused.status.code == Status.STATUS_CODE_UNSET, "a caller's fault is no error of the server's"
    assert len([span for span in collector.spans if span.name == evaluate]) == 3


def headers_in_log(folder: Path) -> list[dict[str, bytes]]:
    """The headers of every record."""
    with closing(connect(folder / "data" / "development" / "log.sqlite", read_only=True)) as connection:
        return [dict(record.headers) for record in read_records(connection, 0, 1_000, 1_000_000)]


def test_a_node_without_its_collector_serves_and_ends_as_ever(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": nobody, "OTEL_BSP_SCHEDULE_DELAY": "50", "PREFLEDGER_LOG_FORMAT": "json"}
    with ServerProcess(tmp_path / "data", environment=variables) as server, closing(Api(server)) as api:
        for number in range(5):
            api.put_set(f"user:{TELLTALE}-{number}", {"channel_types": {"email": False}})
        assert server.stop(STOP_SECONDS_MAX) == 0
        assert TELLTALE not in server.output()


def test_nothing_of_the_sdk_is_loaded_for_those_who_do_not_trace() -> None:
    """It would cost every start and every node's memory."""
    program = "import sys, services.cli.serve, services.metrics; print([n for n in sys.modules if 'opentelemetry.sdk' in n])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=command_environment(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "this node has otlp, console and none"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "speaks http/protobuf"),
    ],
)
def test_a_node_that_can_not_trace_as_asked_says_so(tmp_path: Path, variables: dict[str, str], sentence: str) -> None:
    done = run("serve", "--data", str(tmp_path / "data"), settings=variables)
    assert (done.status, sentence in done.sentence) == (1, True), done.err
    assert not (tmp_path / "data").exists()
