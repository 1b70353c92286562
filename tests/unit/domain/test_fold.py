"""The fold: what counts, in which order that is asked, and what each event does to its stream."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.catalogue import EntryKind
from domain.document import Leaves, Unset
from domain.event import (
    NOBODY,
    ApiKeyIssued,
    ApiKeyRevoked,
    Body,
    BulkFinished,
    BulkRequested,
    EntryDefined,
    EntryRemoved,
    Event,
    HolderDescribed,
    HolderForgotten,
    LedgerOpened,
    LedgerSealed,
    ParkedDiscarded,
    ParkedReplayed,
    PolicySet,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    RecordSkipped,
    SetsAdopted,
    SigningKeyAdded,
    SigningKeyRemoved,
    item_of,
    type_of,
)
from domain.fold import (
    APPLIED,
    REMEMBERED_EVENTS,
    REMEMBERED_MILLISECONDS,
    Outcome,
    Remembered,
    Verdict,
    fold,
    judge,
    may_speak,
    still_remembered,
    touches_every_item,
)
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, object_in, tenant, tenant_set, user
from domain.preference_set import Patch

ANN = user("ann")
KEY = ApiKeyIssued("k", "a key", "secret", ("read",), b"hash", b"sealed")
SAY_NO = PreferenceSetMerged(DEFAULT_SET, Patch({"/channel_types/email": False}))
NOW = 1_772_000_000_000

OF_THE_ENVIRONMENT: list[Body] = [
    EntryDefined(EntryKind.WORKFLOW, "w", {"/name": "W"}),
    EntryRemoved(EntryKind.CATEGORY, "c"),
    PolicySet({"/decide": "every_rule_allows"}),
    KEY,
    ApiKeyRevoked("k"),
    SigningKeyAdded("s", "n", "RS256", "pem"),
    SigningKeyRemoved("s"),
    BulkRequested("b", "merge", (ANN,), DEFAULT_SET, {}),
    BulkFinished("b", 1, 0),
    ParkedReplayed(1, bytes(16), ()),
    ParkedDiscarded(1, "why"),
    RecordSkipped(1, "why"),
    LedgerOpened("id", 1, 0, b""),
    LedgerSealed("why"),
]
OF_ANYBODY: list[Body] = [
    SAY_NO,
    PreferenceSetReplaced(DEFAULT_SET, {}),
    PreferenceSetDeleted(DEFAULT_SET),
    HolderDescribed(Patch({})),
    HolderForgotten("all"),
    SetsAdopted(ANN, ()),
]


def event_of(body: Body = SAY_NO, holder: Holder = ANN, expected_version: int | None = None) -> Event:
    return Event(
        event_id=b"e" * 16,
        stream=b"s" * 16,
        holder=holder,
        body=body,
        occurred_at_milliseconds=NOW,
        fingerprint=b"f" * 16,
        provenance=NOBODY,
        item=item_of(body),
        expected_version=expected_version,
    )


SAME = Remembered(b"f" * 16, NOW, 1)
OTHER = Remembered(b"g" * 16, NOW, 1)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("version_fits", [False, True])
@pytest.mark.parametrize("may", [False, True])
@pytest.mark.parametrize("remembered", [None, SAME, OTHER])
def test_what_counts_is_asked_in_one_order(
    remembered: Remembered | None, sealed: bool, version_fits: bool, may: bool
) -> None:
    """Duplicate, sealed, expected version, apply: any other order would give a resent event another outcome."""
    event = event_of(SAY_NO if may else KEY, expected_version=3 if version_fits else 2)
    verdict = judge(event, recorded_at_milliseconds=NOW, remembered=remembered, sealed=sealed, version=3)
    if remembered is SAME:
        assert verdict == Verdict(Outcome.DUPLICATE)
    elif remembered is OTHER:
        assert verdict == Verdict(Outcome.REJECTED, "event-id-reused")
    elif sealed:
        assert verdict == Verdict(Outcome.REJECTED, "ledger-sealed")
    elif not version_fits:
        assert verdict == Verdict(Outcome.REJECTED, "version-mismatch")
    elif not may:
        assert verdict == Verdict(Outcome.PARKED, "not-this-holders-to-say")
    else:
        assert verdict == APPLIED


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("remembered", [None, SAME, OTHER])
def test_a_record_is_taken_out_whatever_stands_between(remembered: Remembered | None, sealed: bool) -> None:
    """A node that can't fold that record obeys without knowing any of this, so no other node may ask for it either."""
    event = event_of(RecordSkipped(1, "why"), ENVIRONMENT, expected_version=2)
    assert judge(event, recorded_at_milliseconds=NOW, remembered=remembered, sealed=sealed, version=3) == APPLIED
    by_a_user = event_of(RecordSkipped(1, "why"), ANN)
    verdict = judge(by_a_user, recorded_at_milliseconds=NOW, remembered=None, sealed=False, version=0)
    assert verdict == Verdict(Outcome.PARKED, "not-this-holders-to-say")


def test_no_expected_version_fits_any_and_zero_is_a_version() -> None:
    def outcome(expected: int | None, version: int) -> Outcome:
        event = event_of(expected_version=expected)
        return judge(event, recorded_at_milliseconds=NOW, remembered=None, sealed=False, version=version).outcome

    assert outcome(None, 7) is Outcome.APPLIED
    assert outcome(0, 0) is Outcome.APPLIED
    assert outcome(0, 7) is Outcome.REJECTED
    assert outcome(7, 0) is Outcome.REJECTED


@given(since=st.integers(1, 300), age=st.integers(0, 2 * REMEMBERED_MILLISECONDS))
@example(since=100, age=8 * 24 * 3600 * 1000)
@example(since=101, age=7 * 24 * 3600 * 1000)
@example(since=101, age=7 * 24 * 3600 * 1000 + 1)
def test_an_id_is_remembered_for_seven_days_and_at_least_a_hundred_events(since: int, age: int) -> None:
    assert REMEMBERED_MILLISECONDS == 7 * 24 * 3600 * 1000
    assert REMEMBERED_EVENTS == 100
    remembered = Remembered(b"f" * 16, NOW, since)
    expected = since <= 100 or age <= 7 * 24 * 3600 * 1000
    assert still_remembered(remembered, NOW + age) == expected


def test_a_forgotten_id_is_a_new_event_again() -> None:
    old = replace(OTHER, events_since=101, recorded_at_milliseconds=NOW - REMEMBERED_MILLISECONDS - 1)
    assert judge(event_of(), recorded_at_milliseconds=NOW, remembered=old, sealed=False, version=0) == APPLIED


@pytest.mark.parametrize("body", OF_THE_ENVIRONMENT, ids=type_of)
def test_the_catalogue_and_keys_are_the_environments_to_say(body: Body) -> None:
    assert may_speak(event_of(body, ENVIRONMENT))
    for holder in (ANN, tenant("acme"), object_in("projects", "p")):
        assert not may_speak(event_of(body, holder))


@pytest.mark.parametrize("body", OF_ANYBODY, ids=type_of)
def test_preferences_are_anybodys_to_say(body: Body) -> None:
    for holder in (ANN, tenant("acme"), object_in("projects", "p"), ENVIRONMENT):
        assert may_speak(event_of(body, holder))


def after(body: Body, items: Mapping[str, Leaves] | None = None) -> dict[str, Leaves]:
    return fold(body, item_of(body), items or {})


STORED: dict[str, Leaves] = {"set:default": {"/channel_types/email": True, "/digest": "daily"}}

DOES: list[tuple[Body, dict[str, Leaves], dict[str, Leaves]]] = [
    (SAY_NO, STORED, {"set:default": {"/channel_types/email": False, "/digest": "daily"}}),
    (SAY_NO, {}, {"set:default": {"/channel_types/email": False}}),
    (PreferenceSetMerged(DEFAULT_SET, Patch({}, (Unset((None,)),))), STORED, {"set:default": {}}),
    (PreferenceSetMerged(DEFAULT_SET, Patch({})), STORED, STORED),
    (PreferenceSetReplaced(tenant_set("t"), {"/enabled": True}), STORED, {"set:tenant:t": {"/enabled": True}}),
    (PreferenceSetReplaced(DEFAULT_SET, {}), STORED, {"set:default": {}}),
    (PreferenceSetDeleted(DEFAULT_SET), STORED, {"set:default": {}}),
    (PreferenceSetDeleted(DEFAULT_SET), {}, {"set:default": {}}),
    (HolderDescribed(Patch({"/a": None})), {"properties": {"/a": 1, "/b": 2}}, {"properties": {"/a": None, "/b": 2}}),
    (HolderDescribed(Patch({"/a": None}), replaces=True), {"properties": {"/b": 2}}, {"properties": {"/a": None}}),
    (EntryDefined(EntryKind.WORKFLOW, "w", {"/name": "W"}), {"workflow:w": {"/tags": []}}, {"workflow:w": {"/name": "W"}}),
    (EntryRemoved(EntryKind.CHANNEL, "c"), {"channel:c": {"/type": "sms"}}, {"channel:c": {}}),
    (PolicySet({"/decide": "x"}), {}, {"policy": {"/decide": "x"}}),
    (
        SigningKeyAdded("s", "n", "RS256", "pem"),
        {},
        {"signing_key:s": {"/name": "n", "/algorithm": "RS256", "/public_key_pem": "pem"}},
    ),
    (SigningKeyRemoved("s"), {"signing_key:s": {"/name": "n"}}, {"signing_key:s": {}}),
    (
        BulkFinished("b", 2, 1),
        {"bulk:b": {"/requested": 3}},
        {"bulk:b": {"/requested": 3, "/finished": True, "/succeeded": 2, "/failed": 1}},
    ),
    (
        ParkedReplayed(1, bytes(15) + b"e", ("/a", "/b")),
        {},
        {"parked:1": {"/state": "replayed", "/event_id": f"{UUID(int=0x65)}", "/superseded": ["/a", "/b"]}},
    ),
    (ParkedDiscarded(1, "why"), {}, {"parked:1": {"/state": "discarded", "/reason": "why"}}),
    (RecordSkipped(1, "why"), {}, {"skipped:1": {"/reason": "why"}}),
    (LedgerOpened("id", 1, 0, b""), {}, {}),
    (LedgerSealed("why"), {}, {}),
]


@pytest.mark.parametrize(("body", "items", "expected"), DOES, ids=[type_of(body) for body, _, _ in DOES])
def test_what_an_event_does_to_its_stream(body: Body, items: dict[str, Leaves], expected: dict[str, Leaves]) -> None:
    before = {item: dict(leaves) for item, leaves in items.items()}
    assert after(body, items) == expected
    assert items == before, "what was stored is not written into"
    assert set(expected) <= ({item_of(body)} if not touches_every_item(body) else set(expected))


def test_the_order_inside_a_merge() -> None:
    """First what a boolean stood for, then unsets, then what is written."""
    patch = Patch(
        {"/workflows/w/channel_types/sms": True},
        (Unset(("workflows", None, "channel_types", "push")),),
        ("/workflows/w",),
    )
    (leaves,) = after(PreferenceSetMerged(DEFAULT_SET, patch), {"set:default": {"/workflows/w/enabled": False}}).values()
    assert leaves["/workflows/w/channel_types/sms"] is True
    assert leaves["/workflows/w/channel_types/email"] is False
    assert "/workflows/w/channel_types/push" not in leaves


# Keys: what is revoked stays so.


def test_a_key_is_kept_without_its_secret() -> None:
    assert after(KEY) == {
        "key:k": {
            "/name": "a key",
            "/kind": "secret",
            "/scopes": ["read"],
            "/secret_hash": "aGFzaA==",
            "/sealed_secret": "c2VhbGVk",
        }
    }


def test_a_revoked_key_stays_revoked_whoever_issues_it_anew() -> None:
    items = after(KEY)
    items = after(ApiKeyRevoked("k"), items)
    assert items["key:k"]["/revoked"] is True
    assert items["key:k"]["/name"] == "a key", "who asks which keys there were still sees it"
    assert after(KEY, items) == items
    assert after(ApiKeyRevoked("k"), items) == items


def test_a_key_that_is_revoked_before_it_is_issued_is_never_valid() -> None:
    """Events of two nodes may come in either order."""
    items = after(ApiKeyRevoked("k"))
    assert items == {"key:k": {"/revoked": True}}
    assert after(KEY, items) == items


# Events of many items.


def test_forgetting_takes_everything_and_leaves_what_must_never_be_sent() -> None:
    items: dict[str, Leaves] = {
        "set:default": {"/enabled": True},
        "set:tenant:t": {"/enabled": False},
        "properties": {"/email": "ann@example.com"},
        "set:context:a:1": {},
        "suppression": {"/suppress": "commercial"},
    }
    gone: dict[str, Leaves] = {"set:default": {}, "set:tenant:t": {}, "properties": {}}
    assert after(HolderForgotten("all"), items) == {**gone, "suppression": {"/suppress": "all"}}
    assert after(HolderForgotten("commercial"), items) == {**gone, "suppression": {"/suppress": "commercial"}}
    assert after(HolderForgotten("none"), items) == {**gone, "suppression": {}}
    assert after(HolderForgotten("none")) == {"suppression": {}}


def test_adopted_sets_come_where_there_are_none() -> None:
    """A person who was known under two ids keeps what was said under the one that stays."""
    adopted = SetsAdopted(user("old"), ((DEFAULT_SET, {"/enabled": False}), (tenant_set("t"), {"/enabled": False})))
    assert after(adopted, {"set:default": {"/enabled": True}}) == {"set:tenant:t": {"/enabled": False}}
    assert after(adopted, {"set:default": {}}) == {"set:default": {"/enabled": False}, "set:tenant:t": {"/enabled": False}}


def test_only_events_of_many_items_need_the_whole_stream() -> None:
    everybody: list[Any] = [*OF_THE_ENVIRONMENT, *OF_ANYBODY]
    assert {type_of(body) for body in everybody if touches_every_item(body)} == {"HolderForgotten", "SetsAdopted"}
    for body in everybody:
        assert not (touches_every_item(body) and item_of(body) is not None)
