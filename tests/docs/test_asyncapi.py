"""docs/asyncapi.yaml says what the code does: topics, their settings, headers and schema; and it is a sound document."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.released import FOLDER, newest
from services.cloud_events import CONTENT_TYPE, headers_of
from services.intake.refusal import REASONS, REFUSAL_HEADERS, IntakeRecord, Refusal, headers_of_refusal
from services.intake.topics import IntakeTopics, intake_settings, refused_settings
from services.intake.validation import TAKEN
from services.log.kafka_topic import BATCH_BYTES_DEFAULT, REPLICAS_ADVISED, ledger_topic, settings_of_new_topic
from services.settings import Settings
from services.version import VERSION
from tests.golden.drafts import DRAFTS
from tests.server_process import ROOT

PAGE: Final = ROOT / "docs" / "asyncapi.yaml"
DOCUMENT: Final[Any] = yaml.safe_load(PAGE.read_text(encoding="utf-8"))
CHANNELS: Final = DOCUMENT["channels"]
MESSAGES: Final = DOCUMENT["components"]["messages"]
ENVIRONMENT: Final = "staging-2"
TOPICS: Final = IntakeTopics(ENVIRONMENT)
TRACE_HEADERS: Final = TraceContextTextMapPropagator().fields

MEMBERS: Final = {
    "root": {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"},
    "channel": {
        "address", "messages", "title", "summary", "description", "servers", "parameters", "tags", "externalDocs",
        "bindings",
    },
    "operation": {
        "action", "channel", "title", "summary", "description", "security", "tags", "externalDocs", "bindings", "traits",
        "messages", "reply",
    },
    "message": {
        "headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "tags",
        "externalDocs", "bindings", "examples", "traits", "deprecated",
    },
    "channel binding": {"topic", "partitions", "replicas", "topicConfiguration", "bindingVersion"},
    "operation binding": {"groupId", "clientId", "bindingVersion"},
    "message binding": {"key", "schemaIdLocation", "schemaIdPayloadEncoding", "schemaLookupStrategy", "bindingVersion"},
}  # fmt: skip
"""What AsyncAPI 3.1.0 and version 0.5.0 of its Kafka bindings have names for."""


def references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, member in node.items():
            if name == "$ref":
                yield member
            else:
                yield from references(member)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def resolved(reference: str) -> Any:
    """What a reference inside the document stands for. Raises KeyError."""
    node = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        node = node[name]
    return node


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_every_reference_leads_somewhere(reference: str) -> None:
    if reference.startswith("#/"):
        assert resolved(reference)
    else:
        assert (PAGE.parent / reference).resolve() == FOLDER / newest().name, "the payload is not what this release writes"


def test_every_member_is_one_that_the_specification_knows() -> None:
    operations = DOCUMENT["operations"].values()
    found = {
        "root": [DOCUMENT],
        "channel": CHANNELS.values(),
        "operation": operations,
        "message": MESSAGES.values(),
        "channel binding": [channel["bindings"]["kafka"] for channel in CHANNELS.values()],
        "operation binding": [one["bindings"]["kafka"] for one in operations if "bindings" in one],
        "message binding": [message["bindings"]["kafka"] for message in MESSAGES.values()],
    }
    for kind, nodes in found.items():
        for node in nodes:
            assert set(node) <= MEMBERS[kind], f"a {kind} has no {set(node) - MEMBERS[kind]}"
    assert (DOCUMENT["asyncapi"], DOCUMENT["info"]["version"]) == ("3.1.0", VERSION)


def test_every_operation_is_about_messages_of_its_channel() -> None:
    for name, operation in DOCUMENT["operations"].items():
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/"), name
    named = {one["channel"]["$ref"] for one in DOCUMENT["operations"].values()}
    assert named == {f"#/channels/{name}" for name in CHANNELS}


CREATED: Final = {
    "ledger": (ledger_topic(ENVIRONMENT), settings_of_new_topic(REPLICAS_ADVISED), 1),
    "intake": (TOPICS.intake, intake_settings(REPLICAS_ADVISED), Settings().intake_partitions),
    "refused": (
        TOPICS.refused,
        refused_settings(REPLICAS_ADVISED, intake_batch_bytes=BATCH_BYTES_DEFAULT),
        Settings().intake_partitions,
    ),
}
"""Each channel's topic as `prefledger init` makes it where there are brokers enough."""


def as_kafka_has_it(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_is_the_topic_that_init_makes(name: str) -> None:
    topic, settings, partitions = CREATED[name]
    channel = CHANNELS[name]
    assert channel["address"].format(environment=ENVIRONMENT) == topic
    binding = channel["bindings"]["kafka"]
    assert {key: as_kafka_has_it(value) for key, value in binding["topicConfiguration"].items()} == settings
    assert (binding["partitions"], binding["replicas"]) == (partitions, REPLICAS_ADVISED)
    assert re.fullmatch(DOCUMENT["operations"]["takeIn"]["bindings"]["kafka"]["groupId"]["pattern"], TOPICS.group)


def check_headers(message: str, headers: Mapping[str, bytes], optional: set[str]) -> None:
    """The headers that are sent are those that are described, and each is as described."""
    described = MESSAGES[message]["headers"]
    assert list(headers) == described["required"]
    assert set(described["properties"]) - set(headers) == optional
    for name, value in headers.items():
        schema = described["properties"][name]
        text = value.decode()
        assert text == schema.get("const", text), name
        assert re.search(schema.get("pattern", ""), text), f"{name} is {text!r}"
        assert text in schema.get("enum", [text])


def test_the_headers_of_the_ledger_are_those_that_are_sent() -> None:
    for draft in DRAFTS.values():
        check_headers(
            "ledgerEvent", dict(headers_of(draft, f"/ledger/{ENVIRONMENT}")), TraceContextTextMapPropagator().fields
        )


def test_the_headers_of_a_refusal_are_those_that_are_sent() -> None:
    for reason in REASONS:
        headers = headers_of_refusal(IntakeRecord(TOPICS.intake, 3, 17, None, None), Refusal(reason, "so"))
        check_headers("refusal", dict(headers), set())
    described = MESSAGES["refusal"]["headers"]["properties"]
    assert tuple(described) == REFUSAL_HEADERS
    assert described["__streams.errors.exception"]["enum"] == list(REASONS)


def test_the_payload_is_the_schema_that_this_release_writes() -> None:
    for name in ("ledgerEvent", "publishedEvent"):
        assert MESSAGES[name]["payload"] == {"$ref": "#/components/schemas/event"}
        assert MESSAGES[name]["contentType"] == CONTENT_TYPE.decode()
    assert newest().fingerprint.hex() in MESSAGES["ledgerEvent"]["description"]
    schema = DOCUMENT["components"]["schemas"]["event"]
    assert schema["schemaFormat"].startswith("application/vnd.apache.avro+json;")
    assert all(taken in MESSAGES["publishedEvent"]["description"] for taken in TAKEN)
