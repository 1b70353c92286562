"""One event of every kind, each saying everything that its kind can say: what the golden records are made from."""

from dataclasses import replace

from domain.catalogue import EntryKind, parse_entry
from domain.document import Leaves, Unset
from domain.event import (
    NOBODY,
    ApiKeyIssued,
    ApiKeyRevoked,
    Body,
    BulkFinished,
    BulkRequested,
    BulkRow,
    EntryDefined,
    EntryRemoved,
    HolderDescribed,
    HolderForgotten,
    LedgerOpened,
    LedgerSealed,
    Notice,
    ParkedDiscarded,
    ParkedReplayed,
    PolicySet,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    Provenance,
    RecordSkipped,
    SetsAdopted,
    SigningKeyAdded,
    SigningKeyRemoved,
    type_of,
)
from domain.holder import (
    DEFAULT_SET,
    ENVIRONMENT,
    Holder,
    context_set,
    object_in,
    subscription_set,
    tenant,
    tenant_set,
    user,
)
from domain.json_value import JsonValue
from domain.preference_set import Patch, parse_preference_patch, parse_preference_set
from schemas.codec import Draft

CONDITIONS: JsonValue = [
    {"variable": "data.dino", "operator": "equal_to", "argument": "velociraptor"},
    {"variable": "recipient.tags", "operator": "contains", "argument": ["a", 1, 1.5, None, {"x": []}]},
    {"variable": "data.x", "operator": "empty"},
    {"variable": "data.x", "operator": "equal_to", "argument": None},
]
RULE: dict[str, JsonValue] = {
    "enabled": False,
    "condition": CONDITIONS,
    "channel_types": {"email": True, "sms": {"conditions": CONDITIONS}},
    "channels": {"6ba7b810-9dad-11d1-80b4-00c04fd430c8": False, "a/b": {"conditions": CONDITIONS}},
    "otherwise": True,
    "locked": True,
    "routing": {"applies": True, "channels": ["email", "push"]},
    "digest": "daily",
    "layering": {"self": "merge", "channel_types": "replace", "channels": "merge"},
    "kept": {"a": {"": [True, None, -1, 0.1, "ü", {}], "b/c": {}}, "~": 9223372036854775807},
}
MONDAY: JsonValue = {"enabled": True, "hours": [{"start": "09:00 AM", "end": "17:00"}]}
SET = parse_preference_set(
    {
        **RULE,
        "categories": {"": True, "*": {}, "alerts": {"condition": {"and": [True, {"<": [{"var": "a"}, 2]}]}}},
        "workflows": {"dinosaurs-loose": RULE, "~1": {"channel_types": {}}, "\U0001f996": False},
        "commercial": {"conditions": CONDITIONS},
        "schedule": {
            "enabled": True,
            "weekly": {"monday": {"enabled": True, "hours": [{"start": "09:00 AM", "end": "17:00"}]}},
        },
    }
)
SHELLS = parse_preference_set(
    {"categories": {}, "workflows": {}, "channel_types": {}, "channels": {}, "layering": {}, "kept": {}}
)
PATCH = parse_preference_patch(
    {
        "channel_types": {"email": False, "push": None},
        "workflows": {"w": {"channels": {"c": True}, "digest": None}, "gone": None, "plain": True},
        "commercial": None,
        "kept": {"a": None, "b": {"c": 1}},
    }
)
UNSETS = (
    ("workflows", "w", "digest"),
    ("workflows", "gone"),
    ("workflows", "plain", "condition"),
    ("workflows", "plain", "channel_types"),
    ("workflows", "plain", "channels"),
    ("commercial",),
    ("kept", "a"),
    ("channel_types", "push"),
    ("workflows", None, "channel_types", "sms"),
    (),
)
"""In the order in which the first golden records were written: that of the request then, of the keys now."""
MERGE = Patch(PATCH.leaves, tuple(map(Unset, UNSETS)), PATCH.spell_out)
PROPERTIES: Leaves = {
    "/name": "Ann",
    "/a~1b/": None,
    "/list": [1, {"x": 0.5}],
    "/empty": {},
    "/big": -9223372036854775808,
    "/yes": True,
}

EVERYTHING_KNOWN = Provenance(
    actor="user:ann",
    method="preference_center",
    reason="asked to",
    evidence={"ip": "192.0.2.1", "form": {"fields": ["a", None]}, "": 1.5},
    notice=Notice("newsletter", "3", "de-CH"),
    legal_basis="consent",
)
ANN = user("ann")

WORKFLOW: JsonValue = {
    "name": "Dinosaurs loose",
    "internal_id": "wf_1",
    "categories": ["alerts"],
    "channels": ["email", {"type": "sms", "id": "6ba7"}],
    "tags": [],
    "severity": "high",
    "commercial": False,
    "override": True,
    "active": True,
    "defaults": {"resource": RULE, "user": True},
    "data": {"a": {"b/c": [1, None]}},
}
CATEGORY: JsonValue = {
    "name": "Alerts",
    "description": "What must be known at once",
    "section": "safety",
    "default": RULE,
    "allowed_preferences": ["snooze", "channel_preferences"],
    "routing_options": ["email"],
    "unsubscribe_header": True,
    "digest": {"schedules": [{"period": "daily"}]},
    "data": {},
}
CHANNEL: JsonValue = {"name": "SMS", "type": "sms", "data": {"x": 1}}
SECTION: JsonValue = {
    "name": "Safety",
    "description": "",
    "has_custom_routing": False,
    "routing_options": ["email", "sms"],
    "data": {"x": 1},
}


def _entry(kind: EntryKind, tree: JsonValue) -> EntryDefined:
    return EntryDefined(kind, "a key", parse_entry(kind, "a key", tree))


LEDGER_ID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
ACME = tenant_set("acme")
ROWS = (BulkRow(PROPERTIES, ((DEFAULT_SET, MERGE), (ACME, Patch(SHELLS)))), BulkRow({}), BulkRow(forgotten="all"))
BULK_HOLDERS = (ANN, object_in("projects", "p1"), tenant("acme"))

_SAID: list[tuple[str, Holder, Body]] = [
    ("", ANN, PreferenceSetReplaced(DEFAULT_SET, SET)),
    ("shells", object_in("projects", "p:1"), PreferenceSetReplaced(context_set(["app:x", "lang:de"]), SHELLS)),
    ("nothing", tenant("acme"), PreferenceSetReplaced(DEFAULT_SET, {})),
    ("", ANN, PreferenceSetMerged(subscription_set("a:b", "c"), MERGE)),
    ("plain", ANN, PreferenceSetMerged(ACME, Patch({"/channel_types/email": False}))),
    ("", ANN, PreferenceSetDeleted(ACME)),
    ("", ANN, HolderDescribed(Patch(PROPERTIES, (Unset(("old", None)),)))),
    ("replaces", ANN, HolderDescribed(Patch({}), replaces=True)),
    ("", ANN, HolderForgotten("all")),
    ("none", ANN, HolderForgotten("none")),
    ("commercial", ANN, HolderForgotten("commercial")),
    ("", ANN, SetsAdopted(user("old"), ((DEFAULT_SET, SET), (ACME, SHELLS)))),
]
_OF_THE_ENVIRONMENT: list[tuple[str, Body]] = [
    ("", LedgerOpened(LEDGER_ID, 1, 1_772_000_000_000, bytes(range(16)))),
    ("", LedgerSealed("moved to another topic")),
    ("", RecordSkipped(9_007_199_254_740_993, "a bug wrote it")),
    ("", BulkRequested("b1", "merge", (ANN, user("bob")), DEFAULT_SET, SET, MERGE.unsets, ("/workflows/w",))),
    ("rows", BulkRequested("b2", "identify", BULK_HOLDERS, DEFAULT_SET, {}, rows=ROWS)),
    ("", BulkFinished("b1", 2, 1)),
    ("", _entry(EntryKind.WORKFLOW, WORKFLOW)),
    ("", EntryRemoved(EntryKind.WORKFLOW, "a key")),
    ("", _entry(EntryKind.CATEGORY, CATEGORY)),
    ("", EntryRemoved(EntryKind.CATEGORY, "a key")),
    ("", _entry(EntryKind.CHANNEL, CHANNEL)),
    ("", EntryRemoved(EntryKind.CHANNEL, "a key")),
    ("", _entry(EntryKind.SECTION, SECTION)),
    ("", EntryRemoved(EntryKind.SECTION, "a key")),
    ("", PolicySet({"/decide": "every_rule_allows", "/own_default_in_tenant": "above_tenant_defaults", "/semantics": 1})),
    ("", ApiKeyIssued("0123456789ab", "checkout", "secret", ("publish", "read"), bytes(range(32)), b"sealed \xff")),
    ("", ApiKeyRevoked("0123456789ab")),
    ("", SigningKeyAdded("s1", "web", "RS256", "-----BEGIN PUBLIC KEY-----\n")),
    ("", SigningKeyRemoved("s1")),
    ("", ParkedReplayed(17, bytes(range(16)), ("/channel_types/email",))),
    ("", ParkedDiscarded(17, "written by mistake")),
]


def _draft(number: int, holder: Holder, body: Body) -> Draft:
    return Draft(
        event_id=number.to_bytes(2) * 8,
        stream=bytes(range(16)),
        content_key=b"a key of the ledger's",
        holder=holder,
        body=body,
        occurred_at_milliseconds=1_772_000_000_000 + number,
        provenance=EVERYTHING_KNOWN,
        expected_version=number,
        correlation_id="correlation",
        causation_id="causation",
    )


DRAFTS: dict[str, Draft] = {
    "-".join(filter(None, (type_of(body), name))): _draft(number, holder, body)
    for number, (name, holder, body) in enumerate(
        [*_SAID, *((name, ENVIRONMENT, body) for name, body in _OF_THE_ENVIRONMENT)]
    )
}
DRAFTS["PreferenceSetMerged-nothing-known"] = replace(
    DRAFTS["PreferenceSetMerged-plain"],
    provenance=NOBODY,
    expected_version=None,
    correlation_id=None,
    causation_id=None,
)
"""By the name of the golden file: the type, and what tells it from others of that type."""
