"""A release from the future: it adds to the schema what may be added, and reads every record of today's."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import codec, released
from schemas.compatibility import check_released
from tests.golden.records import golden_records, plain
from tests.unit.schemas.next_release import NAME, as_next_release_writes, write_schemas

CACHES = (released.released, released.newest, codec._members)


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The schemas folder of a release that writes `event-2.avsc` and has kept the others."""
    write_schemas(tmp_path)
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    monkeypatch.setattr(released, "NEWEST", NAME)
    for cache in CACHES:
        cache.cache_clear()
    yield tmp_path
    for cache in CACHES:
        cache.cache_clear()


def test_the_release_may_be_made(next_release: Path) -> None:
    assert check_released(next_release, next_release / "lock.json", NAME) == []


def test_it_reads_what_was_written_before_it_as_it_was_meant(next_release: Path) -> None:
    assert released.newest().name == NAME
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


def test_what_it_adds_changes_nothing_of_what_a_record_says(tmp_path: Path, next_release: Path) -> None:
    """Records of both releases stand in one log: the same event is told the same, whichever wrote it."""
    for golden in golden_records():
        later = as_next_release_writes(golden.record, next_release)
        assert later != golden.record
        event = plain(codec.decode(later))
        assert json.dumps(event, sort_keys=True) == json.dumps(golden.event, sort_keys=True), golden.name
