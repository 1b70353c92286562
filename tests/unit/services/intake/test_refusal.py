"""Refusals: sentences that help a publisher and name nobody, in headers that tools for dead letters know."""

import pytest

from domain.document import Leaves, Unset
from domain.event import NOBODY, Body, HolderDescribed, Notice, PreferenceSetMerged, PreferenceSetReplaced, Provenance
from domain.holder import DEFAULT_SET, Holder, HolderKind, SetId, SetKind
from domain.json_value import JsonValue
from domain.preference_set import Patch
from schemas.codec import Draft, encode
from services.intake.refusal import (
    REFUSAL_HEADERS,
    IntakeRecord,
    Refusal,
    Refused,
    headers_of_refusal,
    impersonal,
    impersonal_path,
)
from services.intake.validation import take

PERSON = "ann@example.com"


def described(properties: Leaves) -> Body:
    return HolderDescribed(Patch(properties))


def replaced(leaves: Leaves) -> Body:
    return PreferenceSetReplaced(DEFAULT_SET, leaves)


DEEP: JsonValue = {PERSON: {PERSON: 1}}
SAYS_TOO_MUCH: list[Body] = [
    replaced({f"/channel_types/{PERSON}": False}),
    replaced({f"/workflows/{PERSON}/channel_types/{PERSON}": False}),
    replaced({f"/channels/{PERSON}\x00": False}),
    replaced({"/condition": [{"variable": "data.x", "operator": PERSON}]}),
    replaced({"/condition": [{"variable": "", "operator": "empty", "argument": PERSON}]}),
    replaced({"/condition": {PERSON: [1]}}),
    replaced({"/condition": {"and": [{PERSON: 1}]}}),
    replaced({"/schedule": {PERSON: True}}),
    replaced({"/schedule": {"enabled": True, "weekly": {PERSON: {}}}}),
    replaced({f"/workflows/{PERSON}/kept": DEEP, "/otherwise": True, "/locked": True}),
    described({f"/{PERSON}/1985/{PERSON}": 1, "/parent": 1985}),
    PreferenceSetMerged(DEFAULT_SET, Patch({}, (Unset((PERSON,)),))),
    PreferenceSetMerged(DEFAULT_SET, Patch({}, (), (PERSON,))),
    PreferenceSetReplaced(SetId(SetKind.CONTEXT, PERSON), {}),
    PreferenceSetReplaced(SetId(SetKind.SUBSCRIPTION, PERSON), {}),
]


def sentence_of(draft: Draft) -> str:
    with pytest.raises(Refused) as raised:
        take(IntakeRecord("t", 0, 0, None, encode(draft).value))
    return raised.value.refusal.sentence


@pytest.mark.parametrize("body", SAYS_TOO_MUCH)
def test_a_sentence_never_repeats_what_was_sent(body: Body) -> None:
    sentence = sentence_of(Draft(bytes(range(16)), bytes(16), b"key", Holder(HolderKind.USER, "ann"), body, 0))
    assert PERSON not in sentence, "a header names a person"
    assert "1985" not in sentence
    assert len(sentence) > 20, f"a publisher is not told what is wrong: {sentence}"


@pytest.mark.parametrize(
    ("holder", "provenance"),
    [
        (Holder(HolderKind.USER, f"{PERSON}\x00"), NOBODY),
        (Holder(HolderKind.OBJECT, PERSON), NOBODY),
        (Holder(HolderKind.OBJECT, "\x00", PERSON), NOBODY),
        (Holder(HolderKind.USER, PERSON * 20), NOBODY),
        (Holder(HolderKind.USER, "ann"), Provenance(actor=f"{PERSON}\x00")),
        (Holder(HolderKind.USER, "ann"), Provenance(reason=PERSON * 100)),
        (Holder(HolderKind.USER, "ann"), Provenance(notice=Notice(PERSON, PERSON * 20, PERSON))),
        (Holder(HolderKind.USER, "ann"), Provenance(evidence={f"{PERSON}{n}": PERSON for n in range(51)})),
    ],
)
def test_a_sentence_never_names_the_holder_nor_who_spoke(holder: Holder, provenance: Provenance) -> None:
    body = PreferenceSetReplaced(DEFAULT_SET, {})
    sentence = sentence_of(Draft(bytes(range(16)), bytes(16), b"key", holder, body, 0, provenance))
    assert PERSON not in sentence, "a header names a person"


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("'fax' is not a channel type", "this value is not a channel type"),
        ("an event's type can't be 'it\\'s \"ann\"' here", "an event's type can't be this value here"),
        ("\"ann's\" names no holder; a tenant's set", "this value names no holder; a tenant's set"),
        ("the holders' choices and the workflow's", "the holders' choices and the workflow's"),
        ("nothing is quoted", "nothing is quoted"),
    ],
)
def test_only_what_is_quoted_is_left_out(sentence: str, told: str) -> None:
    assert impersonal(sentence) == told


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", ""),
        ("/holder", "/holder"),
        ("/preferences/workflows/jurassic/channel_types/email", "/preferences/workflows/*/channel_types/email"),
        ("/preferences/schedule/weekly/monday/hours/3/start", "/preferences/schedule/weekly/monday/hours/3/start"),
        ("/preferences/condition/0/operator", "/preferences/condition/0/operator"),
        ("/preferences/workflows/1985/enabled", "/preferences/workflows/*/enabled"),
        ("/properties/a~1b", "/properties/*"),
        ("/unset/12", "/unset/12"),
    ],
)
def test_a_path_says_where_and_not_whose(path: str, told: str) -> None:
    assert impersonal_path(path) == told


def test_the_headers_say_where_the_record_lies_and_why_it_was_refused() -> None:
    record = IntakeRecord("preferences.test.intake", 3, 2**40, b"key", b"value")
    headers = headers_of_refusal(record, Refusal("invalid", "not so – really"))
    assert dict(headers) == {
        "__streams.errors.exception": b"invalid",
        "__streams.errors.message": "not so – really".encode(),
        "__streams.errors.topic": b"preferences.test.intake",
        "__streams.errors.partition": b"3",
        "__streams.errors.offset": b"1099511627776",
    }
    assert tuple(name for name, _ in headers) == REFUSAL_HEADERS
