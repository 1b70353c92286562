"""A log in which everything goes wrong that can: each record beside what the model is told of it."""

import random
from dataclasses import replace
from typing import Any, Final

from domain.holder import parse_holder
from schemas.record import NewRecord
from services.secrets import Secrets
from tests.model.ledger_model import Record
from tests.model.publishers import Publisher
from tests.model.records import record_of

Json = Any

STRANGERS_KEY: Final = b"a key of nobody!"
AGAIN: Final = (1, 3, 30, 300, 3_000)
"""How far back an event may lie that is said again: well within what a stream remembers, and beyond it."""


class Tangle:
    """Records to come: mostly good ones; then duplicates, ids that are used again, poison, and what is misfiled."""

    def __init__(self, chance: random.Random, publisher: Publisher, secrets: Secrets) -> None:
        self._chance = chance
        self._publisher = publisher
        self._secrets = secrets
        self._said: list[Json] = []

    def next(self) -> tuple[NewRecord, Record]:
        """A record, and what the model is told of it but for when it was logged."""
        kind = self._chance.random()
        if kind < 0.04:
            return self._poison()
        if kind < 0.12 and self._said:
            said = _shuffled(self._earlier(), self._chance)
        elif kind < 0.14 and self._said:
            said = {**self._publisher.event(), "event_id": self._earlier()["event_id"]}
        else:
            said = self._fresh()
        said = {"holder": "environment", **said}
        self._said.append(said)
        return record_of(said, self._secrets), Record(said["holder"], 0, said["event_id"], said)

    def _earlier(self) -> Json:
        return self._chance.choice(self._said[-self._chance.choice(AGAIN) :])

    def _fresh(self) -> Json:
        """Mostly what a publisher says; else what has another way in, or is not this holder's to say."""
        kind, holder = self._chance.random(), self._publisher.holder()
        if kind < 0.003 and holder != "environment":
            suppress = self._chance.choice(["none", "commercial", "all"])
            said: Json = {"type": "HolderForgotten", "holder": holder, "suppress": suppress}
        elif kind < 0.01:
            sets = {"default": self._publisher.tree(), "tenant:acme": self._publisher.tree()}
            said = {"type": "SetsAdopted", "holder": holder, "sets": sets}
        elif kind < 0.02:
            said = {**self._publisher.environment_event(), "holder": holder}
        else:
            return self._publisher.event()
        return {**said, "event_id": self._publisher.event_id()}

    def _poison(self) -> tuple[NewRecord, Record]:
        """Bytes that are no event, or an event of somebody else, under somebody's key."""
        said = {"holder": "environment", **self._publisher.event()}
        record, holder = record_of(said, self._secrets), self._publisher.holder()
        key = self._secrets.stream_key(parse_holder(holder))
        match self._chance.randrange(4):
            case 0:
                return NewRecord(STRANGERS_KEY, b"not a record"), Record(None, 0, why="undecodable")
            case 1:
                return NewRecord(key, record.value[:-1]), Record(holder, 0, why="undecodable")
            case 2:
                return NewRecord(key, b""), Record(holder, 0, why="undecodable")
        if said["holder"] == holder:
            return NewRecord(STRANGERS_KEY, record.value), Record(None, 0, why="invalid")
        return replace(record, key=key), Record(holder, 0, why="invalid")


def _shuffled(tree: Json, chance: random.Random) -> Json:
    """The same JSON with the members of its objects in another order."""
    if not isinstance(tree, dict):
        return tree
    names = [*tree]
    chance.shuffle(names)
    return {name: _shuffled(tree[name], chance) for name in names}
