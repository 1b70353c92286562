"""Random logs: a few holders that speak about the same few things, with everything that can go wrong in between."""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from domain.catalogue import EntryKind, parse_entry, parse_policy
from domain.document import Unset
from domain.event import (
    ApiKeyIssued,
    ApiKeyRevoked,
    Body,
    EntryDefined,
    EntryRemoved,
    HolderDescribed,
    HolderForgotten,
    LedgerOpened,
    LedgerSealed,
    ParkedDiscarded,
    PolicySet,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    RecordSkipped,
    SetsAdopted,
)
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, context_set, tenant, tenant_set, user
from domain.json_value import JsonValue
from domain.preference_set import Patch, parse_preference_set
from schemas.codec import MARKER
from schemas.record import LogRecord
from schemas.released import newest
from tests.unit.domain.random_sets import SETS
from tests.unit.projections.records import DAY_MILLISECONDS, LEDGER_ID, Records, merge_of, stream_of

ANN, BOB, ACME = user("ann"), user("bob"), tenant("acme")
HOLDERS = (ANN, BOB, ACME, ENVIRONMENT)
SET_IDS = (DEFAULT_SET, DEFAULT_SET, tenant_set("acme"), context_set(["app:x"]))
TREES: tuple[JsonValue, ...] = (
    {"channel_types": {"email": False}},
    {"channel_types": {"email": True, "sms": False}},
    {"workflows": {"w": False}},
    {"workflows": {"w": {"channel_types": {"sms": True}}}},
    {"workflows": {"w": None}, "channel_types": {"sms": None}},
    {"categories": {"a/b": {"enabled": None, "kept": {"x": [1, True]}}}},
    {"channel_types": {}},
    {"workflows": {"w": {"channels": {"c-1": False}}}},
)
POISON = (b"", b"not a record", MARKER, MARKER + newest().fingerprint, MARKER + newest().fingerprint + bytes(200))


@dataclass(frozen=True)
class Saying:
    """One event. `repeats` names an earlier id by its distance; `forged` is what does not fit together."""

    holder: Holder
    body: Body
    repeats: int | None = None
    expected_version: int | None = None
    wait_milliseconds: int = 1_000
    forged: Literal["key", "stream", "holder"] | None = None

    def add_to(self, records: Records, said: list[tuple["Saying", bytes]]) -> None:
        if self.repeats is not None and self.repeats < len(said):
            event_id = said[-1 - self.repeats][1]
        else:
            event_id = records.fresh_id()
        said.append((self, event_id))
        self.add_as(event_id, records)

    def add_as(self, event_id: bytes, records: Records) -> None:
        records.add(
            self.holder,
            self.body,
            event_id=event_id,
            expected_version=self.expected_version,
            after_milliseconds=self.wait_milliseconds,
            key=stream_of(BOB) if self.forged == "key" else b"short" if self.forged == "holder" else None,
            stream=stream_of(BOB) if self.forged == "stream" else None,
        )


@dataclass(frozen=True)
class Noise:
    """Bytes that are no event, under the key of a holder or of nobody."""

    value: bytes
    holder: Holder | None

    def add_to(self, records: Records, said: list[tuple[Saying, bytes]]) -> None:
        records.add_bytes(self.value, stream_of(self.holder) if self.holder is not None else b"nobody")


@dataclass(frozen=True)
class Again:
    """An earlier event, sent once more: by its distance."""

    distance: int

    def add_to(self, records: Records, said: list[tuple[Saying, bytes]]) -> None:
        if self.distance < len(said):
            saying, event_id = said[-1 - self.distance]
            saying.add_as(event_id, records)


Line = Saying | Noise | Again

VALUES: tuple[JsonValue, ...] = (None, 1, 1.0, True, "x", [], {})
PROPERTIES = st.dictionaries(st.sampled_from(["a", "b/c", ""]), st.sampled_from(VALUES), max_size=3)
SET_BODIES: st.SearchStrategy[Body] = st.one_of(
    st.builds(merge_of, st.sampled_from(TREES), st.sampled_from(SET_IDS)),
    st.builds(merge_of, st.sampled_from(TREES)),
    st.builds(PreferenceSetReplaced, st.sampled_from(SET_IDS), SETS.map(parse_preference_set)),
    st.builds(PreferenceSetDeleted, st.sampled_from(SET_IDS)),
    st.just(PreferenceSetMerged(DEFAULT_SET, Patch({}, (Unset(("workflows", None, "channel_types", "sms")),)))),
)
OTHER_BODIES: st.SearchStrategy[Body] = st.one_of(
    st.builds(
        lambda leaves, replaces: HolderDescribed(Patch(leaves), replaces),
        PROPERTIES.map(lambda tree: {f"/{key.replace('/', '~1')}": value for key, value in tree.items()}),
        st.booleans(),
    ),
    st.builds(HolderForgotten, st.sampled_from(["none", "commercial", "all"])),
    st.builds(
        lambda set_id, tree: SetsAdopted(user("gone"), ((set_id, parse_preference_set(tree)),)),
        st.sampled_from(SET_IDS),
        st.sampled_from([{}, {"channel_types": {"email": True}}]),
    ),
)
ENVIRONMENT_BODIES: st.SearchStrategy[Body] = st.sampled_from(
    [
        EntryDefined(EntryKind.WORKFLOW, "w", parse_entry(EntryKind.WORKFLOW, "w", {"name": "W", "tags": ["x"]})),
        EntryDefined(EntryKind.CATEGORY, "a/b", parse_entry(EntryKind.CATEGORY, "a/b", {"default": False})),
        EntryRemoved(EntryKind.WORKFLOW, "w"),
        PolicySet(parse_policy({"decide": "most_specific_wins", "own_default_in_tenant": "never"})),
        ApiKeyIssued("k1", "a key", "secret", ("read",), b"hash", b"sealed"),
        ApiKeyRevoked("k1"),
        ParkedDiscarded(1, "why not"),
    ]
)
SAYINGS = st.builds(
    Saying,
    holder=st.sampled_from(HOLDERS),
    body=st.one_of(SET_BODIES, SET_BODIES, OTHER_BODIES, ENVIRONMENT_BODIES),
    repeats=st.sampled_from([None] * 8 + [0, 1, 3]),
    expected_version=st.sampled_from([None] * 6 + [0, 1, 2]),
    wait_milliseconds=st.sampled_from([1_000, 1_000, 0, -5_000, 8 * DAY_MILLISECONDS]),
    forged=st.sampled_from([None] * 12 + ["key", "stream", "holder"]),
)
NOISE = st.builds(Noise, st.sampled_from(POISON), st.sampled_from([None, ANN, ENVIRONMENT]))
AGAIN = st.builds(Again, st.integers(0, 6) | st.just(110))
OPENED_AGAIN = st.just(Saying(ENVIRONMENT, LedgerOpened(LEDGER_ID, 1, 5, b"check")))
MISPLACED = st.builds(Saying, st.sampled_from(HOLDERS[:3]), ENVIRONMENT_BODIES)
REUSED = st.builds(Saying, st.just(ANN), SET_BODIES, repeats=st.integers(0, 2))
TAKEN_OUT = st.builds(Saying, st.just(ENVIRONMENT), st.builds(RecordSkipped, st.integers(0, 30), st.just("why not")))
LINES: st.SearchStrategy[Line] = st.one_of(*[SAYINGS] * 7, AGAIN, AGAIN, NOISE, OPENED_AGAIN, MISPLACED, REUSED, TAKEN_OUT)
SEAL = st.just(Saying(ENVIRONMENT, LedgerSealed("moved on")))


@dataclass(frozen=True)
class RandomLog:
    """A ledger that opens, gets so many small events of one holder, and then what the script says."""

    filler: int
    script: list[Line]

    @property
    def records(self) -> list[LogRecord]:
        records, said = Records(), list[tuple[Saying, bytes]]()
        for number in range(self.filler):
            Saying(ANN, merge_of({"channel_types": {"sms": bool(number % 2)}}, SET_IDS[number % 3])).add_to(records, said)
        for line in self.script:
            line.add_to(records, said)
        return records.all


LOGS = st.builds(
    RandomLog,
    st.sampled_from([0, 0, 0, 58, 61, 63, 64, 126]),
    st.lists(LINES, min_size=4, max_size=25)
    | st.tuples(st.lists(LINES, max_size=8), SEAL, st.lists(LINES, max_size=8)).map(
        lambda parts: [*parts[0], parts[1], *parts[2]]
    ),
)
"""A filler that ends around a snapshot, then trouble."""
