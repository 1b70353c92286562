"""Event ids: new ones, and ones that follow from a request, so that sending it again is the same event."""

import os
import re
import time
from itertools import count
from uuid import UUID, uuid5

from domain.invalid import Invalid

_UUID = re.compile("[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_NIL = str(UUID(int=0))
"""What stands in the views for the id of a record that has none."""

NAMESPACE = UUID("6f1f8f6e-5a0c-5f8e-9a5c-0d2c7a4f7b11")
"""Our own namespace for UUIDv5 (RFC 9562, 5.5). Never to change: ids of past requests follow from it."""


def new_event_id() -> bytes:
    """A UUIDv7 (RFC 9562, 5.7): milliseconds in front, so that ids of one time lie together in an index."""
    value = bytearray(int(time.time() * 1000).to_bytes(6) + os.urandom(10))
    value[6] = (value[6] & 0x0F) | 0x70
    value[8] = (value[8] & 0x3F) | 0x80
    return bytes(value)


# A process's own random part, and a counter (RFC 9562, 6.2): cheaper than new random bits for each. The counter begins
# anywhere and goes in steps that spread over all its values, so that a share of them is a fair sample of the decisions.
_NODE_BITS = int.from_bytes(os.urandom(4))
_NODE = f"7{_NODE_BITS >> 20:03x}-{0x8000 | (_NODE_BITS & 0x3FFF):04x}"
_STEP = 0x9E3779B97F4B
_decisions = count(int.from_bytes(os.urandom(6)), _STEP)


def new_decision_id(milliseconds: int) -> str:
    """A UUIDv7's text for a decision at this Unix time. It can be guessed from another one, and guards nothing."""
    time_part = f"{milliseconds:012x}"
    return f"{time_part[:8]}-{time_part[8:]}-{_NODE}-{next(_decisions) & 0xFFFFFFFFFFFF:012x}"


def derived_event_id(*parts: str) -> bytes:
    """A UUIDv5 of these parts, in which no two lists of parts run together."""
    return uuid5(NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)).bytes


def parse_event_id(text: object, pointer: str = "/event_id") -> bytes:
    """The id that a UUID's text stands for. Raises Invalid."""
    if isinstance(text, str) and _UUID.fullmatch(text) and text != _NIL:
        return UUID(text).bytes
    raise Invalid(pointer, "an event id is a UUID, as in 01890a5d-ac96-774b-bcce-b302099a8057")
