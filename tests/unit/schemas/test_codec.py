"""Events to bytes and back: nothing is lost, and bytes that are no event never do more than say so."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalogue import EntryKind, parse_entry
from domain.document import Leaves, Unset, flatten
from domain.event import (
    NOBODY,
    Body,
    BulkRequested,
    BulkRow,
    EntryDefined,
    HolderDescribed,
    Notice,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    Provenance,
    SetsAdopted,
    item_of,
)
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, SetId, tenant_set, user
from domain.invalid import Invalid
from domain.preference_set import Patch, parse_preference_patch, parse_preference_set
from schemas.codec import MARKER, Draft, Undecodable, UnknownSchema, decode, encode
from tests.broken_bytes import broken
from tests.golden.drafts import DRAFTS
from tests.golden.records import plain
from tests.unit.domain.json_trees import KEYS, OBJECTS
from tests.unit.domain.preference_trees import PATCHES, PREFERENCE_SETS, RULES
from tests.unit.domain.test_holder import HOLDERS, SET_IDS
from tests.unit.schemas.raw_records import Raw, bytes_of, edited, raw_of, raw_of_bytes

ANN = user("ann")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PROVENANCES = st.builds(
    Provenance,
    actor=st.none() | TEXTS,
    method=st.none() | TEXTS,
    reason=st.none() | TEXTS,
    evidence=OBJECTS,
    notice=st.none() | st.builds(Notice, TEXTS, TEXTS, TEXTS),
    legal_basis=st.none() | TEXTS,
)
INSTANTS = st.sampled_from([0, -1, 1_772_000_000_000, -62_135_596_800_000, 253_402_300_799_999])


def draft_of(body: Body, holder: Holder = ENVIRONMENT, **more: Any) -> Draft:
    return Draft(
        **{"event_id": b"e" * 16, "stream": b"s" * 16, "content_key": b"k", "occurred_at_milliseconds": 0, **more},
        holder=holder,
        body=body,
    )


def text_of(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True)


def check_roundtrip(draft: Draft) -> None:
    encoded = encode(draft)
    event = decode(encoded.value)
    assert text_of(event.body) == text_of(draft.body)
    assert text_of(event.provenance) == text_of(draft.provenance)
    assert (event.event_id, event.stream, event.holder) == (draft.event_id, draft.stream, draft.holder)
    assert event.occurred_at_milliseconds == draft.occurred_at_milliseconds
    assert event.expected_version == draft.expected_version
    assert (event.correlation_id, event.causation_id) == (draft.correlation_id, draft.causation_id)
    assert event.fingerprint == encoded.fingerprint
    assert event.item == item_of(draft.body)


@settings(max_examples=100, deadline=None)
@given(tree=PREFERENCE_SETS, set_id=SET_IDS)
def test_a_whole_set_comes_back_exactly(tree: Any, set_id: SetId) -> None:
    check_roundtrip(draft_of(PreferenceSetReplaced(set_id, parse_preference_set(tree))))


@settings(max_examples=100, deadline=None)
@given(tree=PATCHES, patterns=st.lists(st.lists(KEYS | st.none(), max_size=3).map(tuple), max_size=2))
def test_a_merge_comes_back_exactly(tree: Any, patterns: Any) -> None:
    patch = parse_preference_patch(tree)
    patch = replace(patch, unsets=(*patch.unsets, *map(Unset, patterns)))
    check_roundtrip(draft_of(PreferenceSetMerged(DEFAULT_SET, patch)))


@settings(max_examples=60, deadline=None)
@given(properties=OBJECTS, replaces=st.booleans(), patterns=st.lists(st.lists(KEYS | st.none(), max_size=3).map(tuple)))
def test_properties_come_back_exactly(properties: Any, replaces: bool, patterns: Any) -> None:
    patch = Patch(flatten(properties), tuple(map(Unset, patterns)))
    check_roundtrip(draft_of(HolderDescribed(patch, replaces)))


@settings(max_examples=60, deadline=None)
@given(resource=RULES, own=RULES, data=OBJECTS, default=RULES)
def test_a_catalogue_entry_comes_back_exactly(resource: Any, own: Any, data: Any, default: Any) -> None:
    workflow = {
        "defaults": {"resource": resource, "user": own},
        "data": data,
        "channels": ["email", {"type": "sms", "id": "x"}],
    }
    category = {"default": default, "data": data, "digest": data, "name": ""}
    for kind, tree in ((EntryKind.WORKFLOW, workflow), (EntryKind.CATEGORY, category)):
        check_roundtrip(draft_of(EntryDefined(kind, "key", parse_entry(kind, "key", tree))))


@settings(max_examples=60, deadline=None)
@given(
    holder=HOLDERS,
    provenance=PROVENANCES,
    occurred_at=INSTANTS,
    expected=st.none() | st.integers(0, 2**63 - 1),
    correlation=st.none() | TEXTS,
)
def test_the_envelope_comes_back_exactly(
    holder: Holder, provenance: Provenance, occurred_at: int, expected: int | None, correlation: str | None
) -> None:
    check_roundtrip(
        draft_of(
            PreferenceSetMerged(DEFAULT_SET, Patch({})),
            holder,
            provenance=provenance,
            occurred_at_milliseconds=occurred_at,
            expected_version=expected,
            correlation_id=correlation,
            causation_id=correlation,
        )
    )


@settings(max_examples=60, deadline=None)
@given(sets=st.dictionaries(SET_IDS, PREFERENCE_SETS.map(parse_preference_set), max_size=3), source=HOLDERS)
def test_adopted_sets_come_back_exactly(sets: dict[SetId, Leaves], source: Holder) -> None:
    check_roundtrip(draft_of(SetsAdopted(source, tuple(sets.items()))))


# What an event says, told from what another one says.


def test_the_fingerprint_is_of_what_is_said_not_of_who_said_it_when() -> None:
    draft = DRAFTS["PreferenceSetMerged"]
    again = replace(
        draft,
        event_id=b"another one.....",
        occurred_at_milliseconds=5,
        provenance=NOBODY,
        correlation_id=None,
        causation_id=None,
    )
    assert encode(again).fingerprint == encode(draft).fingerprint
    for other in (
        replace(draft, expected_version=None),
        replace(draft, body=PreferenceSetMerged(tenant_set("other"), draft.body.patch)),  # type: ignore[union-attr]
        replace(draft, content_key=b"of another ledger"),
    ):
        assert encode(other).fingerprint != encode(draft).fingerprint


def test_no_two_kinds_of_events_have_one_fingerprint() -> None:
    fingerprints = [encode(draft).fingerprint for draft in DRAFTS.values()]
    assert len(set(fingerprints)) == len(fingerprints)


@settings(max_examples=100, deadline=None)
@given(one=OBJECTS, other=OBJECTS)
def test_the_order_of_members_is_not_said(one: Any, other: Any) -> None:
    """A client that resends after a restart may build its JSON in another order."""

    def fingerprint(properties: Any) -> bytes:
        return encode(draft_of(HolderDescribed(Patch(flatten(properties))))).fingerprint

    assert fingerprint(dict(reversed(one.items()))) == fingerprint(one)
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint(one) == fingerprint(other)) == same


@pytest.mark.parametrize("name", ["BulkRequested", "SetsAdopted", "HolderDescribed", "HolderDescribed-replaces"])
def test_what_is_personal_is_part_of_what_is_said(name: str) -> None:
    draft = DRAFTS[name]
    body: Any = draft.body
    if isinstance(body, SetsAdopted):
        other: Body = replace(body, source=user("somebody else"))
    elif isinstance(body, HolderDescribed):
        other = replace(body, patch=Patch({"/other": 1}, body.patch.unsets))
    else:
        other = replace(body, holders=(user("somebody else"),))
    assert encode(replace(draft, body=other)).fingerprint != encode(draft).fingerprint


def test_the_clear_part_tells_no_persons_id() -> None:
    """Sealing reaches `personal` alone: an id beside it could never be forgotten."""
    bodies: list[Body] = [
        BulkRequested("b", "merge", (user("PERSON-1"),), DEFAULT_SET, {}),
        BulkRequested("b", "describe", (ANN,), DEFAULT_SET, {}, rows=(BulkRow({"/PERSON-2": "PERSON-3"}),)),
        SetsAdopted(user("PERSON-4"), ()),
        HolderDescribed(Patch({"/PERSON-5": "PERSON-6"})),
    ]
    for body in bodies:
        value = encode(draft_of(body, user("PERSON-7"), provenance=Provenance("PERSON-8", "PERSON-9"))).value
        assert b"PERSON" in value
        record = raw_of_bytes(value)
        del record["personal"]
        assert "PERSON" not in repr(record)


# Numbers and nesting.


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, float("nan"), float("inf"), float("-inf")])
def test_a_number_that_the_log_could_not_give_back_is_refused(number: float) -> None:
    for body in (
        HolderDescribed(Patch({"/a": [{"b": number}]})),
        PreferenceSetReplaced(DEFAULT_SET, {"/kept/a": number}),
    ):
        with pytest.raises(Invalid):
            encode(draft_of(body))
    with pytest.raises(Invalid):
        encode(draft_of(HolderDescribed(Patch({})), provenance=Provenance(evidence={"a": number})))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_makes_a_record_unreadable(number: float) -> None:
    """Views keep JSON, which has no such number: it would turn into another one on the way."""

    def edit(record: Raw) -> None:
        record["personal"]["properties"] = {"a": {"value": number}}

    with pytest.raises(Undecodable):
        decode(edited("HolderDescribed", edit))


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def test_nesting_has_one_limit_for_writing_and_reading() -> None:
    deepest = draft_of(HolderDescribed(Patch({"/a": [nested(99)]})))
    check_roundtrip(deepest)
    with pytest.raises(Invalid, match="may nest 100 deep"):
        encode(draft_of(HolderDescribed(Patch({"/a": [nested(100)]}))))


def test_a_large_record_may_nest_as_deep_as_a_small_one() -> None:
    """Large records with many lists are read by the slower reader: it must not be the stricter one."""
    lists: Any = [[number] for number in range(3_000)]
    check_roundtrip(draft_of(HolderDescribed(Patch({"/a": [nested(99)], "/b": lists, "/newlines": "\n\x0c" * 5_000}))))


@pytest.mark.parametrize("levels", [101, 400, 5_000, 300_000])
def test_a_record_that_nests_deeper_is_refused_and_does_not_take_the_process_with_it(levels: int) -> None:
    """One such record would else end every node that reads the log, for ever."""
    value = encode(draft_of(HolderDescribed(Patch({"/a": "MARK"})))).value
    text = b"\x08\x08MARK"
    assert value.count(text) == 1
    deep = value.replace(text, b"\x0a\x02" * levels + b"\x00" * (levels + 1))
    raised: list[BaseException] = []

    def read() -> None:
        try:
            decode(deep)
        except Undecodable as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(raised) == 1


# Bytes that are no event.

RECORDS = [encode(draft).value for draft in DRAFTS.values()]


@pytest.mark.parametrize("value", [b"", b"\xc3", b"{}", MARKER, MARKER + b"1234567", b"\x00" * 50])
def test_what_does_not_begin_as_a_record_is_no_event(value: bytes) -> None:
    with pytest.raises(Undecodable, match="does not begin as an Avro single object does"):
        decode(value)


@pytest.mark.parametrize("value", RECORDS, ids=list(DRAFTS))
def test_a_record_that_goes_on_after_its_event_is_no_event(value: bytes) -> None:
    for more in (b"\0", b"\x02", value):
        with pytest.raises(Undecodable):
            decode(value + more)


@pytest.mark.parametrize("value", RECORDS, ids=list(DRAFTS))
def test_a_record_that_is_cut_short_is_no_event(value: bytes) -> None:
    for length in range(10, len(value), max(1, len(value) // 60)):
        with pytest.raises(Undecodable):
            decode(value[:length])


def test_a_record_of_another_schema_is_not_poison() -> None:
    value = RECORDS[0]
    for fingerprint in (bytes(8), value[3:10] + value[2:3], bytes([value[2] ^ 1]) + value[3:10]):
        with pytest.raises(UnknownSchema, match=f"schema {fingerprint.hex()}, which this release does not know; upgrade"):
            decode(MARKER + fingerprint + value[10:])


def test_ten_thousand_broken_records_raise_nothing_unforeseen() -> None:
    chance = random.Random(20260303)
    seen: Counter[str] = Counter()
    for _ in range(10_000):
        value = broken(chance.choice(RECORDS), chance)
        try:
            decode(value)
        except Undecodable:
            seen["undecodable"] += 1
        except UnknownSchema:
            seen["unknown"] += 1
        else:
            seen["an event"] += 1
    assert seen["undecodable"] > 3_000
    assert seen["an event"] > 500, "flips that leave an event must have been tried too"


# Records that are well formed, and say what makes no sense.

SENSELESS: dict[str, tuple[str, Callable[[Raw], object]]] = {
    "a type that does not exist": ("PreferenceSetDeleted", lambda record: record.update(type="Nothing")),
    "the type of another body": ("PreferenceSetReplaced", lambda record: record.update(type="PreferenceSetDeleted")),
    "a body of another type": ("PreferenceSetDeleted", lambda record: record.update(type="PreferenceSetMerged")),
    "a set for a body that has none": ("WorkflowRemoved", lambda record: record.update(set="default")),
    "no set for a body that needs one": ("PreferenceSetReplaced", lambda record: record.update(set=None)),
    "a set that is none": ("PreferenceSetReplaced", lambda record: record.update(set="context:")),
    "a year that has no name": ("LedgerSealed", lambda record: record.update(occurred_at=253_402_300_800_000)),
    "a year before the first": ("LedgerSealed", lambda record: record.update(occurred_at=-62_135_596_800_001)),
    "a kind of holder that is unknown": (
        "PreferenceSetDeleted",
        lambda record: record["personal"]["holder"].update(kind="UNKNOWN"),
    ),
    "sets adopted from nobody": ("SetsAdopted", lambda record: record["personal"].update(others=None)),
    "sets adopted from two": (
        "SetsAdopted",
        lambda record: record["personal"].update(others=record["personal"]["others"] * 2),
    ),
    "a ledger without an id": ("LedgerOpened", lambda record: record["body"].update(ledger_id="mine")),
    "a ledger's generation 0": ("LedgerOpened", lambda record: record["body"].update(generation=0)),
    "a generation that no position can name": ("LedgerOpened", lambda record: record["body"].update(generation=65_536)),
}


@pytest.mark.parametrize("why", SENSELESS)
def test_a_record_that_makes_no_sense_is_no_event(why: str) -> None:
    name, edit = SENSELESS[why]
    with pytest.raises(Undecodable, match="the record is not what it says it is"):
        decode(edited(name, edit))


def test_a_record_without_properties_describes_nothing() -> None:
    event = decode(edited("HolderDescribed", lambda record: record["personal"].update(properties=None)))
    assert isinstance(event.body, HolderDescribed)
    assert event.body.patch.leaves == {}


def test_a_sealed_record_waits_for_a_release_that_can_read_it() -> None:
    """Parked, it would be lost on the nodes that have not been upgraded, and they would differ from the others."""
    record = raw_of("PreferenceSetDeleted")
    record["personal"] = {"key_id": "k", "nonce": b"n", "ciphertext": b"c"}
    with pytest.raises(UnknownSchema, match=r"personal part is sealed.*upgrade this node"):
        decode(bytes_of(record))


def test_errors_tell_nothing_of_what_a_record_says() -> None:
    """They are shown in logs and in history, where nothing personal may stand."""
    with pytest.raises(Undecodable) as refused:
        decode(edited("PreferenceSetReplaced", lambda record: record.update(set="context:SECRET")))
    assert "SECRET" not in str(refused.value)
