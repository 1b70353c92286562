"""One item of a stream as a view keeps it: its leaves, and for each leaf the event that gave it its present value."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from domain.document import Change, Leaves
from domain.identifier import event_id_text
from projections.position import instant_text

EventReference = tuple[str, str, str]
"""Event id, position and recorded_at, as an answer shows them."""


class StoredItem(msgspec.Struct, gc=False, array_like=True, frozen=True):
    """Decoded in one step on the hot path, so it is flat, and no path is written twice.

    `gc=False`: it holds no cycles, and many live containers would make every collection slower.
    """

    leaves: dict[str, Any]
    sources: list[int]
    """For each leaf, in the order of `leaves`, the index of its event. Empty where one event gave them all."""

    events: list[EventReference]


EMPTY = StoredItem({}, [], [])

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StoredItem)

encode_item = _encoder.encode
decode_item = _decoder.decode


def event_reference(event_id: bytes, position: str, recorded_at_milliseconds: int) -> EventReference:
    """An event as leaves refer to it."""
    return event_id_text(event_id), position, instant_text(recorded_at_milliseconds)


def after_event(before: StoredItem, leaves: Leaves, changes: Sequence[Change], reference: EventReference) -> StoredItem:
    """The item after an event: changed leaves point to it, the others to where they came from."""
    if not leaves:
        return EMPTY
    if not before.leaves:
        return StoredItem(leaves, [], [reference])
    sources_before = dict(zip(before.leaves, before.sources, strict=True)) if before.sources else {}
    changed = {change.path for change in changes}
    events: list[EventReference] = []
    index_of: dict[int | None, int] = {}
    sources: list[int] = []
    for path in leaves:
        old = None if path in changed else sources_before.get(path, 0)
        index = index_of.get(old)
        if index is None:
            index = index_of[old] = len(events)
            events.append(reference if old is None else before.events[old])
        sources.append(index)
    return StoredItem(leaves, sources if len(events) > 1 else [], events)


def references(item: StoredItem) -> Iterator[tuple[str, EventReference]]:
    """Each leaf's path, with the event that gave it its present value."""
    events = item.events
    if not item.sources:
        return ((path, events[0]) for path in item.leaves)
    return ((path, events[index]) for path, index in zip(item.leaves, item.sources, strict=True))


def source_of(item: StoredItem, path: str) -> EventReference:
    """The event that gave a leaf its present value. Raises LookupError where there is no such leaf, or none is known."""
    if not item.sources and path in item.leaves:
        return item.events[0]
    for at, other in enumerate(item.leaves):
        if other == path:
            return item.events[item.sources[at]]
    raise KeyError(path)


def logical_value(item: StoredItem) -> bytes:
    """The same bytes for the same content, whatever order it came to be in: what digests compare."""
    return _encoder.encode(sorted((path, item.leaves[path], reference) for path, reference in references(item)))
