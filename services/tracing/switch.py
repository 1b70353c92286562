"""Whether this process is to be traced: OpenTelemetry's own variables say so, as they do for any other service.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and .../protocol/exporter/. Reads
variables and nothing else: the SDK is imported only where they want it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from services.settings import SettingsInvalid

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL: Final = "http/protobuf"
SERVICE_NAME: Final = "prefledger"

Exporter = Literal["otlp", "console"]
EXPORTERS: Final[tuple[Exporter, ...]] = ("otlp", "console")


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """What the SDK does not read from the variables by itself. `service_name` is None where they give one."""

    exporters: tuple[Exporter, ...]
    service_name: str | None


def trace_options(environ: Mapping[str, str]) -> TraceOptions | None:
    """How to trace; None where nothing is to be traced. Raises SettingsInvalid for what this node can't do.

    Without OTEL_TRACES_EXPORTER it is an endpoint that switches tracing on: the specification's default, to send to a
    collector on this machine, would make every node without one complain.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    named = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if not named and not any(environ.get(name) for name in ENDPOINTS):
        return None
    exporters = _exporters(named or "otlp")
    if "otlp" in exporters:
        _check_protocol(environ)
    return TraceOptions(exporters, _service_name(environ)) if exporters else None


def _exporters(named: str) -> tuple[Exporter, ...]:
    names = {name.strip() for name in named.split(",")}
    if not names <= {*EXPORTERS, "none"}:
        raise SettingsInvalid(f"OTEL_TRACES_EXPORTER is {named!r}: this node has {', '.join(EXPORTERS)} and none")
    return tuple(name for name in EXPORTERS if name in names)


def _check_protocol(environ: Mapping[str, str]) -> None:
    for name in PROTOCOLS:
        protocol = environ.get(name, "").strip()
        if protocol and protocol != PROTOCOL:
            raise SettingsInvalid(f"{name} is {protocol!r}: this node speaks {PROTOCOL}, which collectors take on port 4318")


def _service_name(environ: Mapping[str, str]) -> str | None:
    attributes = environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    is_given = any(attribute.partition("=")[0].strip() == "service.name" for attribute in attributes)
    return None if is_given or environ.get("OTEL_SERVICE_NAME") else SERVICE_NAME
