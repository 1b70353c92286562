"""What the intake takes: the bytes of a record made into an event of the ledger, or refused. Pure: no I/O, no clock.

Every check is that of `POST /ledger/v1/events`: what was published here is put into the form of a request, and parsed
as one. Only what JSON has no word for, patterns in `unset` and rules in `spell_out`, is checked here.
"""

from dataclasses import dataclass, replace
from typing import Final

from domain.document import Unset, unflatten
from domain.event import (
    Body,
    Event,
    HolderDescribed,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    Provenance,
    type_of,
)
from domain.holder import Holder
from domain.identifier import check_text, event_id_text
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.pointer import check_pointer, keys_of
from domain.preference_set import LEAVES_MAX, SCOPES, Patch
from domain.rule import RULE_MEMBERS
from schemas.codec import Undecodable, UnknownSchema, decode
from schemas.free_json import LEVELS_MAX
from services.commands import Request, is_configuration
from services.event_commands import parse_event
from services.intake.refusal import IntakeRecord, Refused, refusal_of

TAKEN: Final = ("PreferenceSetReplaced", "PreferenceSetMerged", "PreferenceSetDeleted", "HolderDescribed")
"""The types of event that the intake takes: what a holder wants, and what is known of a holder."""
METHOD: Final = "intake"
"""The method of an event whose publisher names none."""
EVIDENCE_MEMBER: Final = "intake"
_EVIDENCE_OF_HTTP: Final = ("request_id", "credential")
"""Only a request has these: an event that came another way must not look as if a key had vouched for it."""
_REGISTRY_MARK: Final = b"\x00"
_Takeable = PreferenceSetReplaced | PreferenceSetMerged | PreferenceSetDeleted | HolderDescribed
_SET_MEMBERS: Final = frozenset((*SCOPES, "commercial", "schedule", *RULE_MEMBERS)) - {"conditions"}


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that may be appended: everything but what follows from the ledger's secret."""

    holder: Holder
    body: Body
    request: Request


def take(record: IntakeRecord) -> Taken:
    """The event that a record holds. Raises Refused."""
    event = _decoded(record.value)
    if not isinstance(event.body, PreferenceSetReplaced | PreferenceSetMerged | PreferenceSetDeleted | HolderDescribed):
        raise Refused(
            "not-taken",
            f"the intake takes {', '.join(TAKEN)}, and no {type_of(event.body)}; there is a call for it over HTTP",
        )
    try:
        taken = _checked(event, event.body, record)
    except Invalid as error:
        refusal = refusal_of(error)
        raise Refused(refusal.reason, refusal.sentence) from None
    if is_configuration(taken.holder, taken.body):
        raise Refused(
            "forbidden",
            "the environment's own preferences, and rules that are locked, decide for others: publish them over HTTP with a "
            "key that has the scope admin",
        )
    return taken


def _decoded(value: bytes | None) -> Event:
    if value is None:
        raise Refused("undecodable", "the record has no value, and an event is needed")
    if value[:1] == _REGISTRY_MARK:
        raise Refused(
            "undecodable",
            "the record begins as one of a schema registry does; write Avro single-object encoding: C3 01, the schema's "
            "fingerprint in 8 bytes, the event",
        )
    try:
        return decode(value)
    except Undecodable as error:
        raise Refused("undecodable", str(error)) from None
    except UnknownSchema as error:
        raise Refused("unknown-schema", f"{error} first, or write an older schema") from None


def _checked(event: Event, body: _Takeable, record: IntakeRecord) -> Taken:
    """Raises Invalid."""
    base = Request(Provenance(method=METHOD, evidence={EVIDENCE_MEMBER: _place(record)}))
    parsed = parse_event(_as_requested(event, body), base)
    return Taken(
        parsed.holder,
        _with_patch(body, parsed.body),
        replace(parsed.request, occurred_at_milliseconds=event.occurred_at_milliseconds),
    )


def _place(record: IntakeRecord) -> dict[str, JsonValue]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _as_requested(event: Event, body: _Takeable) -> dict[str, JsonValue]:
    """The event in the form of a request. A merge stands there as a replacement, since null would unset in a merge."""
    provenance, notice = event.provenance, event.provenance.notice
    members: dict[str, JsonValue] = {
        "type": type_of(body),
        "holder": str(event.holder),
        "event_id": event_id_text(event.event_id),
        "expected_version": event.expected_version,
        "actor": provenance.actor,
        "method": provenance.method,
        "reason": provenance.reason,
        "legal_basis": provenance.legal_basis,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "evidence": {name: value for name, value in provenance.evidence.items() if name not in _EVIDENCE_OF_HTTP},
        "notice": None if notice is None else {"id": notice.id, "version": notice.version, "locale": notice.locale},
    }
    match body:
        case PreferenceSetReplaced(set_id, leaves) | PreferenceSetMerged(set_id, Patch(leaves=leaves)):
            written = unflatten(leaves)
            return {**members, "type": PreferenceSetReplaced.__name__, "set": str(set_id), "preferences": written}
        case PreferenceSetDeleted(set_id):
            return {**members, "set": str(set_id)}
        case HolderDescribed(patch=Patch(leaves=leaves)):
            return {**members, "replaces": True, "properties": unflatten(leaves)}


def _with_patch(body: Body, parsed: Body) -> Body:
    """The parsed body, with what the publisher's patch takes away. Raises Invalid."""
    match body, parsed:
        case PreferenceSetMerged(set_id, patch), PreferenceSetReplaced(leaves=leaves):
            _check_unsets(patch.unsets, len(leaves))
            _check_members_of_set(patch.unsets)
            _check_spelled_out(patch.spell_out)
            return PreferenceSetMerged(set_id, Patch(leaves, patch.unsets, patch.spell_out))
        case HolderDescribed(), HolderDescribed(patch=Patch(leaves=leaves)):
            _check_unsets(body.patch.unsets, len(leaves))
            if body.replaces and body.patch.unsets:
                raise Invalid("/unset", "properties that are replaced as a whole have nothing to unset")
            return HolderDescribed(Patch(leaves, body.patch.unsets), body.replaces)
    return parsed


def _check_unsets(unsets: tuple[Unset, ...], leaves: int) -> None:
    if len(unsets) + leaves > LEAVES_MAX:
        raise Invalid("", f"there are {len(unsets) + leaves} values; at most {LEAVES_MAX} are allowed")
    for at, unset in enumerate(unsets):
        if not 1 <= len(unset.pattern) <= LEVELS_MAX:
            raise Invalid(f"/unset/{at}", f"what is unset is a path of 1 to {LEVELS_MAX} keys")
        for key in unset.pattern:
            if key is not None:
                check_text(key, f"/unset/{at}", "a key of what is unset")


def _check_members_of_set(unsets: tuple[Unset, ...]) -> None:
    for at, unset in enumerate(unsets):
        if unset.pattern[0] is not None and unset.pattern[0] not in _SET_MEMBERS:
            raise Invalid(
                f"/unset/{at}", f"a preference set has no such member; it may have {', '.join(sorted(_SET_MEMBERS))}"
            )


def _check_spelled_out(paths: tuple[str, ...]) -> None:
    if len(paths) > LEAVES_MAX:
        raise Invalid("/spell_out", f"there are {len(paths)} rules; at most {LEAVES_MAX} are allowed")
    for at, path in enumerate(paths):
        keys = keys_of(check_pointer(path, f"/spell_out/{at}"))
        if len(keys) != 2 or keys[0] not in SCOPES:
            raise Invalid(f"/spell_out/{at}", "a rule that is spelled out is a path such as /workflows/KEY")
        check_text(keys[1], f"/spell_out/{at}", "a rule's key")
