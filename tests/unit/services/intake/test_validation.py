"""What the intake takes: what HTTP would take, and no event of another kind, whatever the publisher put into the bytes."""

import random
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given

from domain.document import Leaves, Unset
from domain.event import (
    NOBODY,
    Body,
    HolderDescribed,
    Notice,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    Provenance,
    type_of,
)
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, HolderKind, object_in, tenant, tenant_set, user
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.preference_set import LEAVES_MAX, Patch, parse_preference_set
from domain.rule import RULE_MEMBERS
from schemas.codec import HEADER_LENGTH, MARKER, Draft, encode
from services.commands import Request
from services.event_commands import parse_event
from services.intake.refusal import REASONS, IntakeRecord, Refusal, Refused
from services.intake.validation import METHOD, TAKEN, Taken, take
from tests.broken_bytes import broken
from tests.golden.drafts import DRAFTS, EVERYTHING_KNOWN
from tests.unit.domain.preference_trees import PREFERENCE_SETS, Tree

ANN: Final = user("ann")
EVENT_ID: Final = bytes(range(16))
PLACE: Final[dict[str, JsonValue]] = {"topic": "preferences.test.intake", "partition": 2, "offset": 17}
OPT_OUT: Final = PreferenceSetReplaced(DEFAULT_SET, {"/channel_types/email": False})


def draft(body: Body = OPT_OUT, holder: Holder = ANN, **more: Any) -> Draft:
    """An event as a publisher outside writes it: it knows no pseudonym and no key of ours."""
    return Draft(EVENT_ID, bytes(16), b"another key", holder, body, 1_772_000_000_000, **more)


def record_of(value: bytes | None) -> IntakeRecord:
    return IntakeRecord("preferences.test.intake", 2, 17, b"a key of theirs", value)


def taken(event: Draft) -> Taken:
    return take(record_of(encode(event).value))


def refused(value: bytes | None) -> Refusal:
    with pytest.raises(Refused) as raised:
        take(record_of(value))
    assert raised.value.refusal.reason in REASONS
    return raised.value.refusal


def refused_event(event: Draft) -> Refusal:
    return refused(encode(event).value)


BODIES: Final[list[Body]] = [
    OPT_OUT,
    PreferenceSetReplaced(tenant_set("acme"), {}),
    PreferenceSetMerged(
        DEFAULT_SET,
        Patch(
            {"/workflows/w/channel_types/sms": True},
            (Unset(("workflows", None, "channel_types", "email")), Unset(("schedule",))),
            ("/workflows/w",),
        ),
    ),
    PreferenceSetMerged(DEFAULT_SET, Patch({}, (Unset((None, "gone")),))),
    PreferenceSetDeleted(DEFAULT_SET),
    HolderDescribed(Patch({"/name": "Ann", "/nothing": None}, (Unset(("old", None)),))),
    HolderDescribed(Patch({"/parent": "acme"}), replaces=True),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_an_event_is_taken_as_it_was_meant(body: Body) -> None:
    event = taken(draft(body, provenance=EVERYTHING_KNOWN, expected_version=3, correlation_id="c", causation_id="d"))
    assert (event.holder, event.body) == (ANN, body)
    request = event.request
    assert (request.event_id, request.occurred_at_milliseconds, request.expected_version) == (EVENT_ID, 1_772_000_000_000, 3)
    assert (request.correlation_id, request.causation_id) == ("c", "d")
    claimed: dict[str, JsonValue] = {**EVERYTHING_KNOWN.evidence, "intake": PLACE}
    assert request.provenance == EVERYTHING_KNOWN._replace(evidence=claimed), "what the publisher claims is changed"


def test_every_type_that_is_taken_is_tried_here() -> None:
    assert {type_of(body) for body in BODIES} == set(TAKEN)


def test_an_event_that_claims_nothing_says_that_it_came_by_the_intake() -> None:
    assert taken(draft()).request.provenance == Provenance(method=METHOD, evidence={"intake": PLACE})


def test_nobody_can_claim_that_a_key_vouched_or_that_it_came_from_elsewhere() -> None:
    evidence: dict[str, JsonValue] = {"credential": "operator", "request_id": "r", "intake": {"offset": 1}, "form": "f"}
    forged = Provenance(evidence=evidence)
    assert taken(draft(provenance=forged)).request.provenance.evidence == {"form": "f", "intake": PLACE}


@given(tree=PREFERENCE_SETS)
def test_a_set_is_taken_if_and_as_http_takes_it(tree: Tree) -> None:
    body = PreferenceSetReplaced(DEFAULT_SET, parse_preference_set(tree))
    event: JsonValue = {"type": "PreferenceSetReplaced", "holder": "user:ann", "preferences": tree}
    try:
        wanted = parse_event(event, Request(NOBODY)).body
    except Invalid:
        assert refused_event(draft(body)).reason == "invalid"
    else:
        assert taken(draft(body)).body == wanted


@pytest.mark.parametrize("name", DRAFTS)
def test_an_event_of_any_other_type_is_refused(name: str) -> None:
    event = DRAFTS[name]
    if type_of(event.body) not in TAKEN:
        refusal = refused_event(event)
        assert refusal.reason == "not-taken"
        assert f"no {type_of(event.body)};" in refusal.sentence


LOCK: Final[Leaves] = {"/workflows/w/locked": True}


@pytest.mark.parametrize(
    "event",
    [
        draft(OPT_OUT, ENVIRONMENT),
        draft(PreferenceSetDeleted(DEFAULT_SET), ENVIRONMENT),
        draft(HolderDescribed(Patch({"/a": 1})), ENVIRONMENT),
        draft(PreferenceSetReplaced(DEFAULT_SET, LOCK), tenant("acme")),
        draft(PreferenceSetMerged(DEFAULT_SET, Patch(LOCK)), tenant("acme")),
    ],
)
def test_what_decides_for_everybody_takes_an_administrator(event: Draft) -> None:
    assert refused_event(event).reason == "forbidden"


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (draft(holder=Holder(HolderKind.USER, "")), "/holder: the user id must not be empty"),
        (draft(holder=Holder(HolderKind.USER, "a\x00")), "/holder: the user id contains the character U+0000"),
        (draft(holder=Holder(HolderKind.OBJECT, "p1")), "/holder: the object's collection must not be empty"),
        (draft(PreferenceSetReplaced(tenant_set("b"), {}), tenant("a")), "/set: a tenant has one preference set, default"),
        (draft(PreferenceSetReplaced(DEFAULT_SET, LOCK)), "/preferences/workflows/*/locked: only a tenant's"),
        (draft(PreferenceSetMerged(DEFAULT_SET, Patch(LOCK))), "/preferences/workflows/*/locked: only a tenant's"),
        (draft(HolderDescribed(Patch({"/parent": 1}))), "/properties/*: a parent is the id of another tenant"),
        (draft(HolderDescribed(Patch({"/a": 1}, (Unset(("b",)),)), replaces=True)), "/unset: properties that are replaced"),
        (draft(expected_version=-1), "/expected_version: expected_version is a version"),
        (draft(correlation_id="x" * 1_001), "/correlation_id: correlation_id has 1001 characters"),
        (draft(provenance=Provenance(actor="a\nb")), "/actor: actor contains the character U+000A"),
        (draft(provenance=Provenance(legal_basis="x" * 1_001)), "/legal_basis: legal_basis has 1001 characters"),
        (draft(provenance=Provenance(notice=Notice("a", "b" * 257, "de"))), "/notice/version: version has 257 characters"),
        (draft(provenance=Provenance(evidence={str(n): n for n in range(51)})), "/evidence: evidence must be an object of"),
        (replace(draft(), event_id=bytes(16)), "/event_id: an event id is a UUID"),
    ],
)
def test_what_http_would_refuse_is_refused(event: Draft, sentence: str) -> None:
    refusal = refused_event(event)
    assert (refusal.reason, refusal.sentence[: len(sentence)]) == ("invalid", sentence)


def merged(*unsets: Unset, leaves: Leaves | None = None, spell_out: tuple[str, ...] = ()) -> Draft:
    return draft(PreferenceSetMerged(DEFAULT_SET, Patch(leaves or {}, unsets, spell_out)))


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (merged(Unset(())), "/unset/0: what is unset is a path of 1 to 100 keys"),
        (merged(Unset(("enabled",)), Unset(("a",) * 101)), "/unset/1: what is unset is a path of 1 to 100 keys"),
        (merged(Unset(("colour",))), "/unset/0: a preference set has no such member; it may have categories, channel"),
        (merged(Unset(("conditions",))), "/unset/0: a preference set has no such member"),
        (merged(Unset(("workflows", "\x7f"))), "/unset/0: a key of what is unset contains the character U+007F"),
        (merged(Unset(("workflows", "w" * 257))), "/unset/0: a key of what is unset has 257 characters"),
        (merged(*[Unset(("enabled",))] * LEAVES_MAX, leaves={"/enabled": True}), "there are 5001 values; at most 5000"),
        (merged(spell_out=("/enabled",)), "/spell_out/0: a rule that is spelled out is a path such as /workflows/KEY"),
        (merged(spell_out=("/workflows/w/channels",)), "/spell_out/0: a rule that is spelled out"),
        (merged(spell_out=("workflows",)), "/spell_out/0: this value is not a JSON Pointer"),
        (merged(spell_out=("/workflows/w",) * 5_001), "/spell_out: there are 5001 rules; at most 5000"),
    ],
)
def test_a_patch_is_bounded_where_json_has_no_word_for_it(event: Draft, sentence: str) -> None:
    assert refused_event(event).sentence.startswith(sentence)


@pytest.mark.parametrize("member", [*(name for name in RULE_MEMBERS if name != "conditions"), "workflows", "categories"])
def test_every_member_of_a_set_can_be_unset(member: str) -> None:
    assert taken(merged(Unset((member,)))).body == PreferenceSetMerged(DEFAULT_SET, Patch({}, (Unset((member,)),)))


def test_the_size_of_a_set_is_bounded_as_over_http() -> None:
    leaves: Leaves = {f"/workflows/{number}/enabled": False for number in range(LEAVES_MAX + 1)}
    assert "there are 5001 values" in refused_event(draft(PreferenceSetReplaced(DEFAULT_SET, leaves))).sentence
    assert "there are 5001 values" in refused_event(merged(leaves=leaves)).sentence


@pytest.mark.parametrize(
    ("value", "reason", "word"),
    [
        (None, "undecodable", "no value"),
        (b"", "undecodable", "does not begin"),
        (b"{}", "undecodable", "does not begin"),
        (b"\x00\x00\x00\x00\x07rest", "undecodable", "schema registry"),
        (MARKER + b"\x01" * 8 + b"rest", "unknown-schema", "upgrade this node"),
        (encode(draft()).value[:-1], "undecodable", "can't be read"),
        (encode(draft()).value + b"\x00", "undecodable", "can't be read"),
    ],
)
def test_what_is_no_event_is_refused(value: bytes | None, reason: str, word: str) -> None:
    refusal = refused(value)
    assert (refusal.reason, word in refusal.sentence) == (reason, True), refusal


def test_broken_bytes_are_refused_or_taken_and_never_an_error_of_ours() -> None:
    chance = random.Random(20_260_303)
    whole = [encode(DRAFTS[name]).value for name in DRAFTS if type_of(DRAFTS[name].body) in TAKEN]
    refusals = 0
    for _ in range(3_000):
        try:
            take(record_of(broken(chance.choice(whole), chance, HEADER_LENGTH)))
        except Refused:
            refusals += 1
    assert refusals > 1_000


def test_what_a_publisher_cannot_know_does_not_matter() -> None:
    theirs = encode(draft()).value
    ours = encode(replace(draft(), stream=b"\x07" * 16, content_key=b"the ledger's")).value
    assert theirs != ours
    assert take(record_of(theirs)) == take(record_of(ours))


def test_an_object_is_found_whatever_its_names_look_like() -> None:
    assert taken(draft(holder=object_in("a:b%", "c:d"))).holder == object_in("a:b%", "c:d")
