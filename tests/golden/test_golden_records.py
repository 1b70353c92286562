"""Bytes that a release wrote mean the same in every later one, for decades."""

import json
from typing import Any

import pytest

from domain.event import Event, type_of
from schemas.codec import MARKER, Draft, decode, encode
from schemas.released import NEWEST, released
from tests.golden.drafts import DRAFTS
from tests.golden.records import Golden, golden_records, plain

GOLDEN = golden_records()
NEWEST_NAME = NEWEST.removesuffix(".avsc")


def name_of(golden: Golden) -> str:
    return f"{golden.schema}-{golden.name}"


def draft_of(event: Event, content_key: bytes) -> Draft:
    """The draft that this event was written from."""
    return Draft(
        event.event_id,
        event.stream,
        content_key,
        event.holder,
        event.body,
        event.occurred_at_milliseconds,
        event.provenance,
        event.expected_version,
        event.correlation_id,
        event.causation_id,
    )


@pytest.mark.parametrize("golden", GOLDEN, ids=name_of)
def test_a_released_record_still_means_what_it_meant(golden: Golden) -> None:
    event = decode(golden.record)
    assert json.dumps(plain(event), sort_keys=True) == json.dumps(golden.event, sort_keys=True)


@pytest.mark.parametrize("golden", [one for one in GOLDEN if one.schema == NEWEST_NAME], ids=name_of)
def test_todays_code_writes_the_same_bytes(golden: Golden) -> None:
    """Both from what the record says, and from the event that it was first made from."""
    draft = DRAFTS[golden.name]
    assert encode(draft).value == golden.record
    assert encode(draft_of(decode(golden.record), draft.content_key)).value == golden.record


def test_every_body_of_every_released_schema_has_a_golden_record() -> None:
    """A body without one could change its meaning unnoticed: run `python -m tests.golden.records`, and commit the file."""
    missing = {
        (schema.name.removesuffix(".avsc"), branch["name"])
        for schema in released().values()
        for branch in body_of(schema.source)
    } - {(golden.schema, golden.type) for golden in GOLDEN}
    assert not missing, f"there is no golden record of {sorted(missing)}"


def test_every_golden_record_was_written_with_the_schema_that_it_is_filed_under() -> None:
    names = {fingerprint: schema.name.removesuffix(".avsc") for fingerprint, schema in released().items()}
    for golden in GOLDEN:
        assert golden.record[:2] == MARKER
        assert names[golden.record[2:10]] == golden.schema, golden.name
        assert golden.type == type_of(decode(golden.record).body)


def test_every_draft_has_its_golden_record() -> None:
    assert set(DRAFTS) == {golden.name for golden in GOLDEN if golden.schema == NEWEST_NAME}


def body_of(source: Any) -> list[Any]:
    (body,) = (field["type"] for field in source["fields"] if field["name"] == "body")
    assert isinstance(body, list)
    return body
