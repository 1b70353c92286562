"""What a history row tells beyond its columns: what changed, who said it, how, and on what ground."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from domain.document import MISSING, Change, Missing
from domain.event import Event, Notice
from domain.json_value import JsonValue


class ShownChange(msgspec.Struct, gc=False, frozen=True):
    """One leaf before and after. A side on which there was nothing is left out: null is a value.

    `gc=False`, here and below: JSON holds no cycles.
    """

    item: str | UnsetType
    """Left out where the record names the one item that it touches."""
    path: str
    before: JsonValue | UnsetType
    after: JsonValue | UnsetType


class _Detail(msgspec.Struct, gc=False, frozen=True, omit_defaults=True):
    """What is not known is left out."""

    changes: Sequence[ShownChange]
    actor: str | None = None
    method: str | None = None
    reason: str | None = None
    evidence: Mapping[str, JsonValue] | None = None
    legal_basis: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    expected_version: int | None = None
    notice: Notice | None = None


class _ParkedDetail(msgspec.Struct, gc=False, frozen=True):
    changes: tuple[()]
    sentence: str


_encode = msgspec.json.Encoder().encode


def shown_change(item: str | UnsetType, change: Change) -> ShownChange:
    """A change as history shows it."""
    path, before, after = change
    return ShownChange(
        item, path, UNSET if isinstance(before, Missing) else before, UNSET if isinstance(after, Missing) else after
    )


def change_of(shown: dict[str, Any]) -> Change:
    """A change, from how history shows it."""
    return Change(shown["path"], shown.get("before", MISSING), shown.get("after", MISSING))


def detail_of(event: Event, changes: Sequence[ShownChange]) -> bytes:
    """The detail of an event's row."""
    said = event.provenance
    return _encode(
        _Detail(
            changes,
            said.actor,
            said.method,
            said.reason,
            said.evidence or None,
            said.legal_basis,
            event.correlation_id,
            event.causation_id,
            event.expected_version,
            said.notice,
        )
    )


def detail_of_parked(sentence: str) -> bytes:
    """The detail of a record that is no event: why not, in a sentence."""
    return _encode(_ParkedDetail((), sentence))
