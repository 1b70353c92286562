"""When a node traces, by OpenTelemetry's variables: never by surprise, and never silently not."""

import pytest

from services.settings import SettingsInvalid
from services.tracing.switch import trace_options

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "ledger"},
        {"OTEL_TRACES_EXPORTER": "none", **ENDPOINT},
        {"OTEL_SDK_DISABLED": "TRUE", **ENDPOINT},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318"},
    ],
)
def test_nothing_is_traced(environ: dict[str, str]) -> None:
    assert trace_options(environ) is None


@pytest.mark.parametrize(
    ("environ", "exporters"),
    [
        (ENDPOINT, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector/v1/traces"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": " console , otlp,otlp"}, ("otlp", "console")),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ("console",)),
        ({"OTEL_SDK_DISABLED": "false", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", **ENDPOINT}, ("otlp",)),
    ],
)
def test_what_is_traced_goes_where_it_is_wanted(environ: dict[str, str], exporters: tuple[str, ...]) -> None:
    options = trace_options(environ)
    assert options is not None
    assert options.exporters == exporters


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "prefledger"),
        ({"OTEL_SERVICE_NAME": "ledger"}, None),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name=ledger"}, None),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.namespace=x"}, "prefledger"),
    ],
)
def test_the_service_has_a_name_unless_the_variables_give_one(more: dict[str, str], name: str | None) -> None:
    options = trace_options({**ENDPOINT, **more})
    assert options is not None
    assert options.service_name == name


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "jaeger"},
        {"OTEL_TRACES_EXPORTER": "otlp,zipkin"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", **ENDPOINT},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", **ENDPOINT},
    ],
)
def test_what_this_node_can_not_do_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match=r"OTEL_\w+ is '"):
        trace_options(environ)
