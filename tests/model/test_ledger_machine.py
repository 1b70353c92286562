"""Publishers, nodes, crashes and replays at random, against the model: real nodes, killed with -9, on both logs."""

import contextlib
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from services.log.port import Stored
from services.secrets import Secrets, embedded_secret
from tests.faults.nursery import Nursery
from tests.faults.whole_ledger import feed_of, rebuilt_digest
from tests.integration.command_line import run
from tests.integration.http.api import refused
from tests.model.ledger_file import ENVIRONMENT, write_to_file, write_to_topic
from tests.model.ledger_model import content_of
from tests.model.nodes import HANG_SECONDS, PATIENCE, Node, position_of, publish, published, read_on, try_to_publish, verify
from tests.model.publishers import Publisher
from tests.model.tangle import Tangle
from tests.model.witness import Witness
from tests.server_process import SECRET, ServerProcess

HOLDERS: Final = ["user:a", "user:b", "user:c", "tenant:acme", "object:a%3Ab:x", "environment"]
BATCH_MAX: Final = 6
FLIGHT_SECONDS_MAX: Final = 0.012
HOUR_MILLISECONDS: Final = 3600 * 1000
OUTCOMES: Final = "applied,duplicate,rejected,parked"
SEEDS: Final = st.integers(0, 2**32)

Json = Any


def settings_of(examples: int, steps: int) -> settings:
    """The same sequences in every run. What a kill cuts off is up to the machine, so nothing can be made smaller."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )


class LedgerMachine(RuleBasedStateMachine):
    """One ledger. What its publishers said and were answered is known; after each step the feed must say the same."""

    def __init__(self, nodes: list[Node]) -> None:
        super().__init__()
        self.nodes = nodes
        self.witness = Witness()
        self.answered: list[tuple[list[Json], list[Json]]] = []
        """Requests with what each event of them came to."""
        for node in nodes:
            node.start()

    def node(self, seed: int) -> Node:
        """One of those that run."""
        return random.Random(seed).choice([node for node in self.nodes if node.is_up])

    def events(self, seed: int) -> list[Json]:
        chance = random.Random(seed)
        publisher = Publisher(chance, HOLDERS)
        events = [publisher.event() for _ in range(chance.randint(1, BATCH_MAX))]
        for event in events:
            self.witness.hear(event)
        return events

    @rule(seed=SEEDS)
    def publish(self, seed: int) -> None:
        events = self.events(seed)
        self.answered.append((events, published(self.node(seed).api, events)))

    @precondition(lambda self: self.answered)
    @rule(seed=SEEDS)
    def publish_again(self, seed: int) -> None:
        """A publisher that did not hear its answer sends the same again, to any node."""
        events, results = random.Random(seed).choice(self.answered)
        node = self.node(seed)
        self.catch_up(node)
        assert published(node.api, events) == results, "the same request sent again was answered otherwise"

    @precondition(lambda self: self.answered)
    @rule(seed=SEEDS)
    def publish_under_a_used_id(self, seed: int) -> None:
        """On a node that has not folded the first, the fold decides; either way the first one stands."""
        chance = random.Random(seed)
        earlier = chance.choice(chance.choice(self.answered)[0])
        publisher = Publisher(chance, [earlier.get("holder", "environment")], environments_own=0)
        event = {**publisher.event(), "event_id": earlier["event_id"]}
        if content_of(event) == content_of(earlier):
            return
        (result,) = publish(self.node(seed).api, [event])
        assert "event-id-reused" in result.get("problem", {}).get("type", ""), f"an id has two meanings now: {result}"
        if "position" in result["problem"]:
            self.witness.hear_at(result["problem"]["position"], event)

    @rule(seed=SEEDS)
    def publish_what_is_wrong(self, seed: int) -> None:
        """One bad event, and none of the request is appended: what nobody said in the feed would fail the next look."""
        publisher = Publisher(random.Random(seed), HOLDERS)
        bad = {"type": "PreferenceSetMerged", "holder": "user:a", "preferences": {"channel_types": {"fax": False}}}
        events = [publisher.event(), bad, publisher.event()]
        refused(self.node(seed).api.request("POST", "/events", json={"events": events}), "invalid")

    @rule(seed=SEEDS, holder=st.sampled_from(HOLDERS[:-1]), suppress=st.sampled_from(["none", "commercial", "all"]))
    def forget(self, seed: int, holder: str, suppress: str) -> None:
        told = self.node(seed).api.ok("DELETE", f"/holders/{holder}", params={"suppress": suppress})
        self.witness.hear_at(told["position"], {"type": "HolderForgotten", "holder": holder, "suppress": suppress})

    @rule(seed=SEEDS, insists=st.booleans())
    def crash_while_publishing(self, seed: int, insists: bool) -> None:
        """The publisher hears nothing, and sends the same again or not; whatever came into the log counts once."""
        events, node = self.events(seed), self.node(seed)
        flight = threading.Thread(target=try_to_publish, args=(node.api, events))
        flight.start()
        time.sleep(random.Random(seed).uniform(0, FLIGHT_SECONDS_MAX))
        node.kill()
        flight.join(HANG_SECONDS)
        assert not flight.is_alive(), "a publisher waits for ever for an answer"
        node.start()
        if insists:
            self.answered.append((events, published(node.api, events)))

    @rule(seed=SEEDS, count=st.integers(1, 30))
    def write_into_the_log(self, seed: int, count: int) -> None:
        """Poison, duplicates, conflicts and what no node would write, by a clock that goes back and leaps."""
        chance = random.Random(seed)
        tangle = Tangle(chance, Publisher(chance, HOLDERS), self.secrets())
        told = [tangle.next() for _ in range(count)]
        stored = self.write([record for record, _ in told], chance)
        for (_, meant), one in zip(told, stored, strict=True):
            self.witness.see(one.offset, replace(meant, logged_at=one.timestamp_milliseconds))

    @rule(seed=SEEDS)
    def lose_the_views(self, seed: int) -> None:
        node = self.node(seed)
        node.kill()
        for path in node.server.data.glob("*/views*"):
            path.unlink()
        node.start()

    @rule(seed=SEEDS)
    def rebuild(self, seed: int) -> None:
        rebuilt_digest(self.node(seed).api)

    @rule(seed=SEEDS)
    def verify(self, seed: int) -> None:
        verify(self.node(seed).api)

    @rule(seed=SEEDS, holder=st.sampled_from(HOLDERS), by_time=st.booleans())
    def ask_about_the_past(self, seed: int, holder: str, by_time: bool) -> None:
        self.look()
        offset, told = random.Random(seed).randrange(len(self.witness.positions)), []
        for node in self.nodes:
            if node.is_up:
                self.catch_up(node)
                told.append(self.witness.check_moment(node.api, holder, offset, by_time=by_time))
        assert told[0] == told[-1], "two nodes decide the same question about the same moment differently"

    @invariant()
    def look(self) -> None:
        """Read on in the feed, on every node."""
        last = self.witness.positions[-1] if self.witness.positions else None
        first, *others = [node for node in self.nodes if node.is_up]
        for events, results in self.answered[-1:]:
            assert len(results) == len(events)
            self.catch_up(first, position_of(results[-1]))
        lines = list(read_on(first.api, last))
        self.witness.take(lines)
        self.check_answers({line["position"]: line for line in lines})
        for node in others:
            self.catch_up(node)
            assert list(islice(read_on(node.api, last), len(lines))) == lines, "two nodes tell the same records differently"

    def check_answers(self, lines: dict[str, Json]) -> None:
        """What publishers were told is what the feed tells."""
        for events, results in self.answered:
            for event, result in zip(events, results, strict=True):
                line = lines.get(position_of(result))
                if line is not None and "problem" not in result:
                    told = {name: line[name] for name in ("event_id", "outcome", "position", "version")}
                    assert told == {name: result[name] for name in told}, "a publisher was answered something else"
                elif line is not None:
                    assert (line["event_id"], line["why"]) == (event["event_id"], "version-mismatch")

    def catch_up(self, node: Node, position: str | None = None) -> None:
        """Wait until a node has come as far as the ledger is known."""
        if position is None and self.witness.positions:
            position = self.witness.positions[-1]
        if position is not None:
            node.api.get("/catalogue", min_position=position)

    def teardown(self) -> None:
        try:
            if any(node.is_up for node in self.nodes) and self.witness.positions:
                self.check_end()
        finally:
            for node in self.nodes:
                node.close()

    def check_end(self) -> None:
        """Nothing that was acknowledged is lost, the whole feed is as it was, and histories are made of its lines."""
        self.look()
        feed = feed_of(next(node.api for node in self.nodes if node.is_up))
        self.witness.check_whole(feed)
        known = set(self.witness.positions)
        for _, results in self.answered:
            lost = {*map(position_of, results)} - known
            assert not lost, f"acknowledged events are gone: {lost}"
        for node in (node for node in self.nodes if node.is_up):
            for holder in HOLDERS:
                own = [line for line in reversed(feed) if line["holder"] == holder]
                assert node.api.history(holder, outcome=OUTCOMES, limit=1_000) == own[:1_000]

    def secrets(self) -> Secrets:
        raise NotImplementedError

    def write(self, records: list[Any], chance: random.Random) -> list[Stored]:
        raise NotImplementedError


class OneNode(LedgerMachine):
    """An embedded ledger. What is written past its node is written while that is down."""

    def __init__(self, nursery: Nursery) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-machine-"))
        super().__init__([Node(ServerProcess(self.folder / "data", environment=PATIENCE), nursery)])

    def secrets(self) -> Secrets:
        return Secrets(embedded_secret(self.folder / "data"), ENVIRONMENT)

    def write(self, records: list[Any], chance: random.Random) -> list[Stored]:
        (node,) = self.nodes
        node.kill()
        now = time.time_ns() // 1_000_000
        stored = write_to_file(node.server.data, records, lambda: now + chance.randint(-2, 1) * HOUR_MILLISECONDS)
        node.start()
        return stored

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            shutil.rmtree(self.folder)


class TwoNodes(LedgerMachine):
    """Two nodes on one topic. Either may be away for a while; what is written past them comes while they run."""

    def __init__(self, servers: str, nurseries: list[Nursery]) -> None:
        self.servers, self.environment = servers, f"machine-{uuid4().hex}"
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-machine-"))
        done = run("init", "--kafka", servers, "--environments", self.environment, settings={"PREFLEDGER_SECRET": SECRET})
        assert done.status == 0, done.err
        variables = {**PATIENCE, "PREFLEDGER_ENVIRONMENTS": self.environment}
        super().__init__(
            [
                Node(ServerProcess(self.folder / str(number), kafka=servers, environment=variables), nursery)
                for number, nursery in enumerate(nurseries)
            ]
        )

    @precondition(lambda self: all(node.is_up for node in self.nodes))
    @rule(seed=SEEDS)
    def leave(self, seed: int) -> None:
        self.node(seed).kill()

    @precondition(lambda self: not all(node.is_up for node in self.nodes))
    @rule()
    def come_back(self) -> None:
        for node in self.nodes:
            if not node.is_up:
                node.start()

    def secrets(self) -> Secrets:
        return Secrets(SECRET, self.environment)

    def write(self, records: list[Any], chance: random.Random) -> list[Stored]:
        return write_to_topic(self.servers, self.environment, records)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            shutil.rmtree(self.folder)


@pytest.fixture
def nurseries(tmp_path: Path) -> Iterator[list[Nursery]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Nursery(ServerProcess(tmp_path / "data"))) for _ in range(2)]


def test_an_embedded_ledger_is_what_the_model_says(nurseries: list[Nursery]) -> None:
    run_state_machine_as_test(
        cast(type[LedgerMachine], lambda: OneNode(nurseries[0])), settings=settings_of(examples=6, steps=25)
    )


def test_two_nodes_on_one_topic_are_what_the_model_says(kafka_servers: str, nurseries: list[Nursery]) -> None:
    run_state_machine_as_test(
        cast(type[LedgerMachine], lambda: TwoNodes(kafka_servers, nurseries)), settings=settings_of(examples=5, steps=20)
    )
