"""One item of a stream as a view keeps it: its leaves, and for each leaf the event that gave it its present value."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.document import Change, Leaves
from projections.position import instant_text

EventReference = tuple[str, str, str]
"""Event id, position and recorded_at, as an answer shows them."""


class StoredItem(msgspec.Struct, gc=False, array_like=True, frozen=True):
    """Decoded in one step on the hot path, so it is flat: paths to values, paths to an index into `events`.

    `gc=False`: it holds no cycles, and many live containers would make every collection slower.
    """

    leaves: dict[str, Any]
    sources: dict[str, int]
    events: list[EventReference]


EMPTY = StoredItem({}, {}, [])

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StoredItem)

encode_item = _encoder.encode
decode_item = _decoder.decode


def event_reference(event_id: bytes, position: str, recorded_at_milliseconds: int) -> EventReference:
    """An event as leaves refer to it."""
    digits = event_id.hex()
    # What str(UUID(bytes=...)) gives, at a fifth of its time: this runs once for every event of a replay.
    text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return text, position, instant_text(recorded_at_milliseconds)


def after_event(before: StoredItem, leaves: Leaves, changes: Sequence[Change], reference: EventReference) -> StoredItem:
    """The item after an event: changed leaves point to it, the others to where they came from."""
    if len(changes) == len(leaves) and not before.leaves:
        return StoredItem(leaves, dict.fromkeys(leaves, 0), [reference])
    changed = {change.path for change in changes}
    events = [reference]
    moved: dict[int, int] = {}
    sources: dict[str, int] = {}
    for path in leaves:
        if path in changed:
            sources[path] = 0
            continue
        old = before.sources[path]
        new = moved.get(old)
        if new is None:
            new = moved[old] = len(events)
            events.append(before.events[old])
        sources[path] = new
    return StoredItem(leaves, sources, events)


def source_of(item: StoredItem, path: str) -> EventReference:
    """The event that gave a leaf its present value. Raises KeyError where there is no such leaf."""
    return item.events[item.sources[path]]


def logical_value(leaves: Mapping[str, Any], sources: Mapping[str, int], events: Sequence[EventReference]) -> bytes:
    """The same bytes for the same content, whatever order it came to be in: what digests compare."""
    return _encoder.encode([[path, leaves[path], events[sources[path]]] for path in sorted(leaves)])
