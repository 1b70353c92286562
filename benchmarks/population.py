"""Ledgers to measure on: a log of made-up events, and the views that the real projector makes of them."""

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from domain.catalogue import EntryKind, parse_entry
from domain.event import Body, EntryDefined, LedgerOpened, PreferenceSetMerged, PreferenceSetReplaced, Provenance
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, tenant, user
from domain.json_value import JsonValue
from domain.preference_set import parse_preference_patch, parse_preference_set
from projections.checkpoint import Checkpoint
from projections.folding import apply_batch
from projections.views_file import open_writer, path_of, point_to
from schemas.codec import Draft, encode
from schemas.record import LogRecord, NewRecord
from services.secrets import Secrets

SECRET = "benchmark-secret-benchmark-secret-benchmark"
ENVIRONMENT_NAME = "development"
WORKFLOW = "dinosaurs-loose"
CATEGORY = "park-news"
TENANT = "acme"
CHANNELS = ("email", "sms", "push", "in_app_feed")
BASE_MILLISECONDS = 1_700_000_000_000
FILL_BATCH = 20_000


def recipient(number: int) -> Holder:
    """One of the made-up users."""
    return user(f"user-{number:08d}")


@cache
def _choice(channel: str, value: bool) -> Body:
    return PreferenceSetMerged(DEFAULT_SET, parse_preference_patch({"channel_types": {channel: value}}))


class Maker:
    """Makes records, the same ones for the same seed."""

    def __init__(self, seed: int = 1, environment: str = ENVIRONMENT_NAME) -> None:
        self.secrets = Secrets(SECRET, environment)
        self.random = random.Random(seed)

    def record(self, holder: Holder, body: Body, number: int) -> NewRecord:
        """The record of one event."""
        draft = Draft(
            event_id=self.random.randbytes(16),
            stream=self.secrets.stream_key(holder),
            content_key=self.secrets.content_key,
            holder=holder,
            body=body,
            occurred_at_milliseconds=BASE_MILLISECONDS + number,
            provenance=Provenance(actor="key:0123456789ab", method="api"),
        )
        return NewRecord(draft.stream, encode(draft).value)

    def opening(self) -> list[NewRecord]:
        """The first records: the ledger, its catalogue, the environment's default and a tenant's."""
        opened = LedgerOpened("00000000-0000-4000-8000-000000000001", 1, BASE_MILLISECONDS, self.secrets.check)
        workflow: JsonValue = {"categories": [CATEGORY], "channels": list(CHANNELS)}
        environment = parse_preference_set({"channel_types": {"sms": True}, "categories": {CATEGORY: True}})
        of_tenant = parse_preference_set({"channel_types": {"push": True}})
        bodies: list[tuple[Holder, Body]] = [
            (ENVIRONMENT, opened),
            (ENVIRONMENT, EntryDefined(EntryKind.CATEGORY, CATEGORY, parse_entry(EntryKind.CATEGORY, CATEGORY, {}))),
            (ENVIRONMENT, EntryDefined(EntryKind.WORKFLOW, WORKFLOW, parse_entry(EntryKind.WORKFLOW, WORKFLOW, workflow))),
            (ENVIRONMENT, PreferenceSetReplaced(DEFAULT_SET, environment)),
            (tenant(TENANT), PreferenceSetReplaced(DEFAULT_SET, of_tenant)),
        ]
        return [self.record(holder, body, number) for number, (holder, body) in enumerate(bodies)]

    def first_set(self, number: int) -> NewRecord:
        """A user's first preferences: a few choices, most users unlike each other."""
        pick = self.random
        tree = {
            "channel_types": {channel: pick.random() < 0.7 for channel in pick.sample(CHANNELS, 2)},
            "workflows": {
                WORKFLOW: {"channel_types": {channel: pick.random() < 0.6 for channel in pick.sample(CHANNELS, 2)}},
                f"workflow-{pick.randrange(50)}": {"channel_types": {"email": pick.random() < 0.5}},
            },
        }
        return self.record(recipient(number), PreferenceSetReplaced(DEFAULT_SET, parse_preference_set(tree)), number)  # type: ignore[arg-type]

    def change(self, number: int, holders: int) -> NewRecord:
        """A later change of one choice by a user at random."""
        return self.change_of(self.random.randrange(holders), number)

    def change_of(self, user_number: int, number: int) -> NewRecord:
        """A later change of one choice by a user."""
        pick = self.random
        return self.record(recipient(user_number), _choice(pick.choice(CHANNELS), pick.random() < 0.5), number)


def stored(records: Iterator[NewRecord], first_offset: int) -> Iterator[LogRecord]:
    """Records as a log would give them back."""
    for offset, record in enumerate(records, first_offset):
        yield LogRecord(offset, BASE_MILLISECONDS + offset, record.key, record.value)


def fill_views(folder: Path, holders: int) -> Checkpoint:
    """Views of so many users in a folder, made by the projector's own code. The log is not kept."""
    maker = Maker()
    folder.mkdir(parents=True, exist_ok=True)
    point_to(folder, 1)
    connection = open_writer(path_of(folder, 1))
    checkpoint: Checkpoint | None = None
    batch: list[LogRecord] = []
    opening = maker.opening()
    firsts = (maker.first_set(number) for number in range(holders))
    for record in stored(iter([*opening, *firsts]), 0):
        batch.append(record)
        if len(batch) == FILL_BATCH:
            checkpoint, _ = apply_batch(connection, checkpoint, batch)
            batch = []
    if batch:
        checkpoint, _ = apply_batch(connection, checkpoint, batch)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    if checkpoint is None:
        raise RuntimeError("nothing was filled in")
    return checkpoint
