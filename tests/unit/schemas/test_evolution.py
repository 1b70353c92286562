"""A release from the future: it adds to the schema what may be added, and reads every record of today's."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from schemas import codec, released
from schemas.compatibility import Schema, check_released
from schemas.released import FOLDER, lock_of
from tests.golden.records import golden_records, plain
from tests.unit.schemas.test_compatibility import EVENT_1, NEW_BODY, add, body, field, named

RECORDS = [name.rpartition(".")[2] for name, type_ in Schema.parse("", EVENT_1).types.items() if type_["type"] == "record"]
CACHES = (released.released, released.newest, codec._members)


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The schemas folder of a release that writes `event-2.avsc` and has kept the others."""
    for path in FOLDER.glob("*.avsc"):
        copyfile(path, tmp_path / path.name)
    schema: Any = json.loads((FOLDER / released.NEWEST).read_text())
    body(schema).append(NEW_BODY)
    for record in RECORDS:
        add(record, name="since_2", type=["null", "string"], default=None)(schema)
    add("PreferenceSet", name="added", type={"type": "map", "values": "Rule"}, default={})(schema)
    for enum in ("HolderKind", "Strategy", "Suppress"):
        named(schema, enum)["symbols"].append("NOVEL")
    field(schema, "Event", "type")["doc"] = "The same in other words."
    (tmp_path / "event-2.avsc").write_text(json.dumps(schema))
    (tmp_path / "lock.json").write_text(json.dumps(lock_of(sorted(tmp_path.glob("*.avsc")))))
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    monkeypatch.setattr(released, "NEWEST", "event-2.avsc")
    for cache in CACHES:
        cache.cache_clear()
    yield tmp_path
    for cache in CACHES:
        cache.cache_clear()


def test_the_release_may_be_made(next_release: Path) -> None:
    assert check_released(next_release, next_release / "lock.json", "event-2.avsc") == []


def test_it_reads_what_was_written_before_it_as_it_was_meant(next_release: Path) -> None:
    assert released.newest().name == "event-2.avsc"
    assert len(released.released()) == 2
    for golden in golden_records():
        event = codec.decode(golden.record)
        assert json.dumps(plain(event), sort_keys=True) == json.dumps(golden.event, sort_keys=True), golden.name


def test_it_still_tells_broken_records_of_old_from_good_ones(next_release: Path) -> None:
    for golden in golden_records():
        for length in range(10, len(golden.record), max(1, len(golden.record) // 20)):
            with pytest.raises(codec.Undecodable):
                codec.decode(golden.record[:length])


def test_events_that_use_nothing_new_are_told_apart_as_before(next_release: Path) -> None:
    """A write that is repeated after an upgrade is a duplicate, not another event with the same id."""
    from tests.golden.drafts import DRAFTS

    by_name = {golden.name: golden for golden in golden_records()}
    for name, draft in DRAFTS.items():
        encoded = codec.encode(draft)
        assert encoded.value[2:10] == released.newest().fingerprint
        assert encoded.fingerprint.hex() == by_name[name].event["Event"]["fingerprint"]["hex"], name
