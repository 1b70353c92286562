"""`prefledger publish`: files of events into a real node, once, whole, and with a line number for what is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.cli.ndjson import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, open_events
from tests.integration.command_line import answer, ask, refused
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("publish") / "data") as started:
        yield started


@pytest.fixture
def somebody() -> str:
    """A user that no other test writes."""
    return f"user:{uuid4().hex}"


def merged(holder: str, channel_type: str = "sms", choice: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "type": "PreferenceSetMerged",
        "holder": holder,
        "preferences": {"channel_types": {channel_type: choice}},
        **more,
    }


def written(folder: Path, *events: dict[str, Any] | str, name: str = "events.ndjson") -> str:
    path = folder / name
    path.write_text("".join(f"{event if isinstance(event, str) else json.dumps(event)}\n" for event in events))
    return str(path)


def history(server: ServerProcess, holder: str) -> list[Any]:
    return ask(server, "history", holder, "--all", "--json").lines


def test_a_file_is_published_in_its_order(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    file = written(tmp_path, merged(somebody, "sms"), "", merged(somebody, "push"), "   ", merged(somebody, "sms", True))
    done = answer(server, "publish", file)
    assert (done["lines"], done["outcomes"]) == (3, {"applied": 3})
    stored = answer(server, "get", somebody, "--min-position", done["position"])
    assert stored["preferences"] == {"channel_types": {"push": False, "sms": True}}
    assert [entry["version"] for entry in history(server, somebody)] == [3, 2, 1]


def test_publishing_the_same_file_again_changes_nothing(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    file = written(tmp_path, merged(somebody), merged(somebody))
    first = answer(server, "publish", file)
    answer(server, "set", somebody, '{"channel_types": {"sms": true}}')
    assert answer(server, "publish", file) == first
    assert answer(server, "publish", "-", given=Path(file).read_bytes()) == first, "a file and its content differ"
    assert len(history(server, somebody)) == 3, "a line was applied twice"
    assert answer(server, "get", somebody)["preferences"] == {"channel_types": {"sms": True}}, "a later choice was undone"


def test_the_same_opt_out_in_another_file_counts_again(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    def of_day(number: int) -> str:
        described = {"type": "HolderDescribed", "holder": somebody, "properties": {"day": number}}
        return written(tmp_path, merged(somebody), described)

    answer(server, "publish", of_day(1))
    answer(server, "set", somebody, '{"channel_types": {"sms": true}}')
    answer(server, "publish", of_day(2))
    assert answer(server, "get", somebody)["preferences"] == {"channel_types": {"sms": False}}, "an opt-out is lost"


def test_ids_in_the_file_are_kept(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    event_id = str(uuid4())
    answer(server, "publish", written(tmp_path, merged(somebody, event_id=event_id)))
    assert [entry["event_id"] for entry in history(server, somebody)] == [event_id]


def test_numbers_and_text_reach_the_log_as_they_were(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    properties = '{"big": 9007199254740993, "real": 0.1, "text": "ж\\u2028\\"", "none": [null]}'
    event = f'{{"type": "HolderDescribed", "holder": "{somebody}", "replaces": true, "properties": {properties}}}'
    answer(server, "publish", written(tmp_path, event))
    (entry,) = history(server, somebody)
    after = {change["path"]: change["after"] for change in entry["changes"]}
    assert after == {"/big": 9007199254740993, "/real": 0.1, "/text": 'ж\u2028"', "/none": [None]}


def test_the_bad_line_is_named_and_its_batch_is_not_published(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    good = [merged(somebody, "push")] * BATCH_EVENTS_MAX
    file = written(tmp_path, "", *good, merged(somebody, "sms"), merged(somebody, "fax"), merged(somebody, "sms"))
    done = ask(server, "publish", file)
    assert done.status == 1
    line = BATCH_EVENTS_MAX + 3
    assert done.sentence.startswith(f"{file}, line {line}: /preferences/channel_types/fax: 'fax' is not a channel type")
    assert f"Nothing of lines {line - 1} to {line + 1} was published" in done.sentence
    assert f"Published before: {BATCH_EVENTS_MAX} lines." in done.err
    assert answer(server, "get", somebody)["preferences"] == {"channel_types": {"push": False}}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 2: the line is not JSON"),
        ("[]", "line 2: an event must be a JSON object"),
        ('{"type": "Gossip"}', "line 2: /type: an event's type is one of"),
        ('{"type": "PreferenceSetDeleted", "type": "x"}', "line 2: the key 'type' stands twice"),
        ('{"type": "PreferenceSetDeleted", "holder": "nobody"}', "line 2: /holder: 'nobody' names no holder"),
        ("\\xff", "line 2: the line is not JSON"),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_its_number(
    server: ServerProcess, somebody: str, tmp_path: Path, line: str, sentence: str
) -> None:
    assert sentence in refused(server, "publish", written(tmp_path, merged(somebody), line))
    assert history(server, somebody) == [], "the good line beside it was published although its batch was refused"


def test_lines_that_do_not_count_are_told_and_the_rest_is_published(
    server: ServerProcess, somebody: str, tmp_path: Path
) -> None:
    events = [merged(somebody), merged(somebody, expected_version=7), merged(somebody, "push", expected_version=1)]
    done = ask(server, "publish", written(tmp_path, *events))
    assert done.status == 1
    assert done.value["outcomes"] == {"applied": 2, "version-mismatch": 1}
    assert "line 2: the set has another version now" in done.err
    assert done.sentence.startswith("1 lines did not count")
    assert answer(server, "get", somebody)["version"] == 2


def test_a_flood_of_lines_that_do_not_count_is_told_in_few_words(
    server: ServerProcess, somebody: str, tmp_path: Path
) -> None:
    done = ask(server, "publish", written(tmp_path, *[merged(somebody, expected_version=7)] * 100))
    assert done.value["outcomes"] == {"version-mismatch": 100}
    assert len(done.err.splitlines()) < 30
    assert "not shown" in done.err


def test_without_the_right_to_publish_nothing_is(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    key = answer(server, "keys", "issue", "reader", "--scope", "read")["key"]
    done = ask(server, "publish", written(tmp_path, merged(somebody)), settings={"PREFLEDGER_KEY": key})
    assert "lines 1 to 1 were not published: this key lacks the scope 'publish'" in done.sentence


def test_a_file_that_cannot_be_read_is_named(server: ServerProcess, tmp_path: Path) -> None:
    assert "nothing.ndjson can't be read: No such file" in refused(server, "publish", str(tmp_path / "nothing.ndjson"))
    assert "can't be read: Is a directory" in refused(server, "publish", str(tmp_path))


def test_an_empty_file_publishes_nothing(server: ServerProcess, tmp_path: Path) -> None:
    assert answer(server, "publish", written(tmp_path)) == {"lines": 0, "outcomes": {}, "position": None}


def test_batches_fit_what_a_node_takes(tmp_path: Path) -> None:
    long = merged("user:x", reason="r" * (BATCH_BYTES_MAX // 3))
    with open_events(written(tmp_path, *[long] * 4, *[merged("user:x")] * (BATCH_EVENTS_MAX + 1))) as events:
        batches = list(events.batches())
    assert [line.number for batch in batches for line in batch] == [*range(1, BATCH_EVENTS_MAX + 6)]
    assert all(sum(len(line.event) for line in batch) <= BATCH_BYTES_MAX for batch in batches)
    assert max(len(batch) for batch in batches) <= BATCH_EVENTS_MAX
    assert len(batches) < 6, "batches are smaller than they need be"


def test_lines_added_while_a_file_is_published_wait_for_the_next_time(tmp_path: Path) -> None:
    path = written(tmp_path, merged("user:x"))
    with open_events(path) as events:
        with Path(path).open("a") as file:
            file.write(json.dumps(merged("user:y")) + "\n")
        assert [len(batch) for batch in events.batches()] == [1]


def test_a_line_goes_by_the_whole_files_content(tmp_path: Path) -> None:
    def ids(*events: dict[str, Any]) -> list[str]:
        with open_events(written(tmp_path, *events)) as opened:
            return [json.loads(line.event)["event_id"] for batch in opened.batches() for line in batch]

    event, other = merged("user:x"), merged("user:y")
    assert ids(event, event) == ids(event, event)
    assert len({*ids(event, event), *ids(event, other), *ids(event)}) == 5
