"""One event of `POST /events`: its members checked and made into a body."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from domain.catalogue import EntryKind
from domain.event import Body, Notice, Provenance
from domain.holder import ENVIRONMENT, Holder, SetId, parse_holder, parse_set_id
from domain.identifier import check_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from projections.position import parse_instant
from services import commands
from services.commands import Request
from services.identifiers import parse_event_id

_COMMON = (
    "type", "holder", "event_id", "occurred_at", "expected_version", "actor", "method", "reason", "evidence", "notice",
    "legal_basis", "correlation_id", "causation_id",
)  # fmt: skip
TEXT_LENGTH_MAX = 1_000
EVIDENCE_MAX = 50


@dataclass(frozen=True, slots=True)
class ParsedEvent:
    """An event as it was sent, checked."""

    holder: Holder
    body: Body
    request: Request


Event = Mapping[str, JsonValue]


def _of_set(make: Callable[[Holder, SetId, JsonValue], Body]) -> Callable[[Event, Holder], Body]:
    def parse(event: Event, holder: Holder) -> Body:
        set_id = _set_id(event, holder)
        try:
            return make(holder, set_id, event.get("preferences"))
        except Invalid as error:
            raise Invalid(f"/preferences{error.pointer}", error.message) from None

    return parse


def _set_id(event: Event, holder: Holder) -> SetId:
    name = event.get("set", "default")
    if not isinstance(name, str):
        raise Invalid("/set", "set must be a string")
    set_id = parse_set_id(name, "/set")
    commands.check_set_of(holder, set_id, "/set")
    return set_id


def _described(event: Event, _: Holder) -> Body:
    make = commands.describe if event.get("replaces") is True else commands.describe_partly
    try:
        return make(event.get("properties"))
    except Invalid as error:
        raise Invalid(f"/properties{error.pointer}", error.message) from None


def _policy(event: Event, _: Holder) -> Body:
    try:
        return commands.set_policy(event.get("policy"))
    except Invalid as error:
        raise Invalid(f"/policy{error.pointer}", error.message) from None


def _entry(kind: EntryKind) -> Callable[[Event, Holder], Body]:
    def parse(event: Event, _: Holder) -> Body:
        key = check_text(event.get("key"), "/key", "the key")
        try:
            return commands.define_entry(kind, key, event.get("document"))
        except Invalid as error:
            raise Invalid(f"/document{error.pointer}", error.message) from None

    return parse


def _removal(kind: EntryKind) -> Callable[[Event, Holder], Body]:
    return lambda event, _: commands.remove_entry(kind, check_text(event.get("key"), "/key", "the key"))


_Parser = tuple[tuple[str, ...], Callable[[Event, Holder], Body]]

PARSERS: dict[str, _Parser] = {
    "PreferenceSetReplaced": (("set", "preferences"), _of_set(commands.replace_set)),
    "PreferenceSetMerged": (("set", "preferences"), _of_set(commands.merge_set)),
    "PreferenceSetDeleted": (("set",), lambda event, holder: commands.delete_set(holder, _set_id(event, holder))),
    "HolderDescribed": (("properties", "replaces"), _described),
    "PolicySet": (("policy",), _policy),
}
"""The event types that may be published, with the members each has beside the common ones."""

CATALOGUE_TYPES = {"PolicySet"}

for _kind in EntryKind:
    _name = _kind.value.capitalize()
    PARSERS[f"{_name}Defined"] = (("key", "document"), _entry(_kind))
    PARSERS[f"{_name}Removed"] = (("key",), _removal(_kind))
    CATALOGUE_TYPES |= {f"{_name}Defined", f"{_name}Removed"}


def parse_event(event: JsonValue, base: Request) -> ParsedEvent:
    """One event of a request. What it does not say of itself, `base` says. Raises Invalid."""
    if not isinstance(event, dict):
        raise Invalid("", "an event must be an object")
    type_ = event.get("type")
    if not isinstance(type_, str) or type_ not in PARSERS:
        raise Invalid("/type", f"an event's type is one of {', '.join(PARSERS)}")
    members, parse = PARSERS[type_]
    for name in event:
        if name not in _COMMON and name not in members:
            raise Invalid(f"/{name[:60]}", f"{type_} has no such member; it may have {', '.join((*members, *_COMMON))}")
    holder = _holder(event, type_)
    return ParsedEvent(holder, parse(event, holder), _request(event, base))


def _holder(event: Event, type_: str) -> Holder:
    text = event.get("holder")
    if text is None and type_ in CATALOGUE_TYPES:
        return ENVIRONMENT
    if not isinstance(text, str):
        raise Invalid("/holder", "holder must be a string, as in user:jhammond")
    holder = parse_holder(text, "/holder")
    if type_ in CATALOGUE_TYPES and holder != ENVIRONMENT:
        raise Invalid("/holder", "the catalogue and the policy belong to the environment")
    return holder


def _request(event: Event, base: Request) -> Request:
    provenance = base.provenance
    expected_version = event.get("expected_version")
    if expected_version is not None and (
        isinstance(expected_version, bool) or not isinstance(expected_version, int) or expected_version < 0
    ):
        raise Invalid("/expected_version", "expected_version is a version as a read gave it, or 0 for a new set")
    return replace(
        base,
        provenance=Provenance(
            actor=_text(event, "actor") or provenance.actor,
            method=_text(event, "method") or provenance.method,
            reason=_text(event, "reason") or provenance.reason,
            evidence={**_evidence(event), **provenance.evidence},
            notice=_notice(event),
            legal_basis=_text(event, "legal_basis"),
        ),
        event_id=parse_event_id(event["event_id"]) if event.get("event_id") is not None else base.event_id,
        occurred_at_milliseconds=(
            parse_instant(event["occurred_at"], "/occurred_at") if event.get("occurred_at") is not None else None
        ),
        expected_version=expected_version if expected_version is None else int(expected_version),
        correlation_id=_text(event, "correlation_id") or base.correlation_id,
        causation_id=_text(event, "causation_id"),
    )


def _text(event: Event, name: str) -> str | None:
    value = event.get(name)
    return None if value is None else check_text(value, f"/{name}", name, length_max=TEXT_LENGTH_MAX)


def _evidence(event: Event) -> dict[str, JsonValue]:
    evidence = event.get("evidence")
    if evidence is None:
        return {}
    if not isinstance(evidence, dict) or len(evidence) > EVIDENCE_MAX:
        raise Invalid("/evidence", f"evidence must be an object of at most {EVIDENCE_MAX} members")
    commands.check_numbers(evidence, "/evidence")
    return evidence


def _notice(event: Event) -> Notice | None:
    notice = event.get("notice")
    if notice is None:
        return None
    if not isinstance(notice, dict) or set(notice) != {"id", "version", "locale"}:
        raise Invalid("/notice", "a notice has id, version and locale")
    id_, version, locale = (check_text(notice[name], f"/notice/{name}", name) for name in ("id", "version", "locale"))
    return Notice(id_, version, locale)
