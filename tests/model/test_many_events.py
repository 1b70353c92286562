"""Many events with all that goes wrong among them, a node that is killed again and again, and a new release in the middle.

`--model-events 1000000` makes it a million, over a hundred thousand holders.
"""

import contextlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from projections.digest import views_digest
from projections.views_file import open_reader
from schemas.codec import MARKER
from schemas.record import NewRecord
from schemas.released import load
from services.log.sqlite_file import connect
from services.secrets import Secrets, embedded_secret
from tests.faults.nursery import Nursery
from tests.faults.whole_ledger import rebuilt_digest
from tests.model.comparing import text_of
from tests.model.ledger_file import ENVIRONMENT, log_file, write_timed, write_to_file
from tests.model.ledger_model import Record
from tests.model.nodes import HANG_SECONDS, PATIENCE, Node, position_of, published, read_on, try_to_publish
from tests.model.publishers import Publisher
from tests.model.tangle import Tangle
from tests.model.witness import Witness
from tests.server_process import ROOT, ServerProcess
from tests.unit.schemas.next_release import NAME, as_next_release_writes, write_code

SEED: Final = 20_260_303
EVENTS_A_HOLDER: Final = 10
LIVES: Final = 8
"""How often new records come in; each time the node is killed while it folds them, and while it takes others."""
REQUEST_EVENTS_MAX: Final = 200
SHARE_OF_REQUESTS: Final = 0.15
SHARE_OF_BAD_CLOCKS: Final = 0.1
WEEK_AND_MORE_MILLISECONDS: Final = 9 * 24 * 3600 * 1000
CATCH_UP_SECONDS_MAX: Final = 0.6
FLIGHT_SECONDS_MAX: Final = 0.1
READY_SECONDS_MAX: Final = 1_800.0
MOMENTS: Final = 90

Json = Any
Told = tuple[NewRecord, Record]


@dataclass
class Story:
    """One ledger's life: who writes, what is known of it, and the node that must not lose it."""

    node: Node
    chance: random.Random
    publisher: Publisher
    logged_at: int
    """The log's clock, in Unix milliseconds. It runs ahead of ours: what a node appends is never before the last record."""
    stack: contextlib.ExitStack
    witness: Witness = field(default_factory=Witness)
    schemas: Path | None = None
    """Those of the next release, once the node runs that."""
    kills: int = 0
    answered: dict[str, Json] = field(default_factory=dict)
    outcomes: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    tangle: Tangle | None = None

    def write_into_the_log(self, count: int) -> None:
        """Most by one clock, which wanders by an hour; some by one that goes back and leaps over a week."""
        if self.tangle is None:
            secrets = Secrets(embedded_secret(self.node.server.data), ENVIRONMENT)
            self.tangle = Tangle(self.chance, self.publisher, secrets)
        tangle = self.tangle
        told = [self._as_written(tangle.next()) for _ in range(count)]
        timed = int(count * SHARE_OF_BAD_CLOCKS)
        stored = write_to_file(self.node.server.data, [record for record, _ in told[timed:]], self._clock)
        for (_, meant), one in zip(told[timed:], stored, strict=True):
            self.witness.see(one.offset, replace(meant, logged_at=one.timestamp_milliseconds))
        stamped = [(record, self._bad_clock()) for record, _ in told[:timed]]
        first = write_timed(self.node.server.data, stamped)
        for at, (_, meant) in enumerate(told[:timed]):
            self.witness.see(first + at, replace(meant, logged_at=stamped[at][1]))

    def _as_written(self, told: Told) -> Told:
        """By whichever release: of two that publish, one is upgraded before the other."""
        record, meant = told
        if self.schemas is None or meant.said is None or self.chance.random() < 0.1:
            return told
        return replace(record, value=as_next_release_writes(record.value, self.schemas)), meant

    def _clock(self) -> int:
        return self.logged_at + self.chance.randint(-3_600_000, 3_600_000)

    def _bad_clock(self) -> int:
        self.logged_at += self.chance.choice([1_000, 0, -5_000])
        return self.logged_at

    def fold_and_be_killed(self) -> None:
        """The node is killed while it catches up, then left to do it."""
        self.node.nursery.server = self.node.server
        self.node.nursery.start(wait_ready=False)
        time.sleep(self.chance.uniform(0, CATCH_UP_SECONDS_MAX))
        self.node.nursery.kill()
        self.kills += 1
        self.start()

    def start(self) -> None:
        self.node.nursery.server = self.node.server
        self.node.nursery.start(wait_ready=False)
        self.node.nursery.wait_ready(READY_SECONDS_MAX)
        self.node.is_up = True

    def publish(self, count: int) -> None:
        """Requests, and in the middle of one a kill: it is sent again, whole."""
        sizes = [REQUEST_EVENTS_MAX] * (count // REQUEST_EVENTS_MAX) + [count % REQUEST_EVENTS_MAX or 1]
        fatal = self.chance.randrange(len(sizes))
        for at, size in enumerate(sizes):
            events = [self.publisher.event() for _ in range(size)]
            for event in events:
                self.witness.hear(event)
            if at == fatal:
                self._be_killed_during(events)
            for result in published(self.node.api, events):
                self.answered[position_of(result)] = result

    def _be_killed_during(self, events: list[Json]) -> None:
        flight = threading.Thread(target=try_to_publish, args=(self.node.api, events))
        flight.start()
        time.sleep(self.chance.uniform(0, FLIGHT_SECONDS_MAX))
        self.node.kill()
        self.kills += 1
        flight.join(HANG_SECONDS)
        assert not flight.is_alive(), "a publisher waits for ever for an answer"
        self.start()

    def look(self) -> None:
        """Read on in the feed; nothing that was acknowledged may be missing, or be something else."""
        lines = list(read_on(self.node.api, self.witness.positions[-1] if self.witness.positions else None))
        self.witness.take(lines)
        for line in lines:
            result = self.answered.pop(line["position"], None)
            assert result is None or result["event_id"] == line["event_id"]
            self.outcomes[line["outcome"], line.get("why")] += 1
        assert not self.answered, f"acknowledged events are gone: {[*self.answered][:3]}"

    def moment(self) -> tuple[str, int, bool]:
        """A holder, a record, and whether to ask by time."""
        holder = "environment" if self.chance.random() < 0.05 else self.publisher.holder()
        return holder, self.chance.randrange(len(self.witness.positions)), self.chance.random() < 0.3


@pytest.fixture
def story(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Story]:
    holders = int(request.config.getoption("--model-events")) // EVENTS_A_HOLDER
    chance = random.Random(SEED)
    kinds = ["user:u{}"] * 8 + ["object:a%3Ab:o{}", "tenant:t{}"]
    names = ["tenant:acme", *(kinds[number % 10].format(number) for number in range(1, holders))]
    publisher = Publisher(chance, names, environments_own=0.01)
    with contextlib.ExitStack() as stack:
        node = node_of(stack, ServerProcess(tmp_path / "data", environment=PATIENCE))
        yield Story(node, chance, publisher, time.time_ns() // 1_000_000, stack)


def node_of(stack: contextlib.ExitStack, server: ServerProcess) -> Node:
    node = Node(server, stack.enter_context(Nursery(server)))
    stack.callback(node.close)
    return node


def test_many_events_are_what_the_model_says(story: Story, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    events = int(request.config.getoption("--model-events"))
    story.start()
    for life in range(LIVES):
        story.node.kill()
        if life == LIVES // 2:
            upgrade(story, tmp_path)
        story.write_into_the_log(int(events / LIVES * (1 - SHARE_OF_REQUESTS)))
        story.fold_and_be_killed()
        story.publish(int(events / LIVES * SHARE_OF_REQUESTS))
        story.look()
        story.logged_at += WEEK_AND_MORE_MILLISECONDS
    told = {moment: told_of(story, moment) for moment in (story.moment() for _ in range(MOMENTS))}
    digest = rebuilt_digest(story.node.api, READY_SECONDS_MAX)
    check_again(story, told, "after a rebuild")
    story.witness.check_whole(read_on(story.node.api, None))
    make_views_anew(story)
    check_again(story, told, "from views that were made anew")
    assert digest_of_views(story) == digest, "views that were made anew are not those that lived through it all"
    check_what_was_written(story)


def told_of(story: Story, moment: tuple[str, int, bool]) -> Json:
    holder, offset, by_time = moment
    return story.witness.check_moment(story.node.api, holder, offset, by_time=by_time)


def check_again(story: Story, told: dict[tuple[str, int, bool], Json], when: str) -> None:
    for moment in [*told][: MOMENTS // 3]:
        assert text_of(told_of(story, moment)) == text_of(told[moment]), f"{moment} is told otherwise {when}"


def upgrade(story: Story, folder: Path) -> None:
    """From here on the node is of the next release: it writes another schema, and reads both."""
    code = write_code(folder / "next-release")
    story.schemas = code / "schemas" / "avsc"
    server = story.node.server
    variables = {**PATIENCE, "PYTHONPATH": f"{code}{os.pathsep}{ROOT}"}
    story.node = node_of(story.stack, ServerProcess(server.data, port=server.port, environment=variables))


def make_views_anew(story: Story) -> None:
    story.node.kill()
    for path in story.node.server.data.glob("*/views*"):
        path.unlink()
    story.start()


def digest_of_views(story: Story) -> str:
    story.node.kill()
    (path,) = (story.node.server.data / ENVIRONMENT).glob("views-*.sqlite")
    with closing(open_reader(path)) as connection:
        return views_digest(connection).digest


def check_what_was_written(story: Story) -> None:
    """A run that met no trouble has shown nothing."""
    assert story.kills == 2 * LIVES
    assert story.schemas is not None
    with closing(connect(log_file(story.node.server.data), read_only=True)) as connection:
        counted = dict(connection.execute("SELECT substr(value, 1, 10), count(*) FROM record GROUP BY 1"))
        back = "SELECT count(*) FROM record AS a JOIN record AS b ON b.offset = a.offset + 1 WHERE b.timestamp < a.timestamp"
        went_back = connection.execute(back).fetchone()[0]
    schemas = [counted[MARKER + load(story.schemas / name).fingerprint] for name in ("event-1.avsc", NAME)]
    assert min(schemas) > len(story.witness.positions) // 4, "both releases were to write their share"
    assert went_back > LIVES, "the log's clock was to go back"
    missing = WANTED - story.outcomes.keys()
    assert not missing, f"none of the records came to {missing}"


WANTED: Final = {
    ("applied", None), ("duplicate", None), ("rejected", "event-id-reused"), ("rejected", "version-mismatch"),
    ("parked", "undecodable"), ("parked", "invalid"), ("parked", "not-this-holders-to-say"),
}  # fmt: skip
