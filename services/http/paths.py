"""Paths: the raw path is split first and decoded afterwards, so that an id may hold any character, even a slash."""

from urllib.parse import unquote_to_bytes

from domain.holder import (
    DEFAULT_SET,
    ENVIRONMENT,
    Holder,
    HolderKind,
    SetId,
    context_set,
    object_in,
    subscription_set,
    tenant,
    tenant_set,
    user,
)
from domain.invalid import Invalid


def decode_segment(segment: str) -> str:
    """What a percent-encoded segment says. Raises Invalid."""
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("", "a part of the path is not percent-encoded UTF-8") from None


def _parts(segment: str, count: int) -> list[str]:
    """The parts between a segment's own colons: one that is part of an id is percent-encoded, or comes after the last."""
    return [decode_segment(part) for part in segment.split(":", count - 1)]


def holder_of(segment: str) -> Holder:
    """The holder that a path segment names. Raises Invalid."""
    kind = segment.partition(":")[0]
    if segment == "environment":
        return ENVIRONMENT
    if kind == HolderKind.USER and ":" in segment:
        return user(_parts(segment, 2)[1])
    if kind == HolderKind.TENANT and ":" in segment:
        return tenant(_parts(segment, 2)[1])
    if kind == HolderKind.OBJECT and segment.count(":") >= 2:
        _, collection, object_id = _parts(segment, 3)
        return object_in(collection, object_id)
    raise Invalid("", f"{segment[:60]!r} names no holder; write user:ID, object:COLLECTION:ID, tenant:ID or environment")


def set_of(segment: str) -> SetId:
    """The preference set that a path segment names. Raises Invalid."""
    kind = segment.partition(":")[0]
    if segment == "default":
        return DEFAULT_SET
    if kind == "tenant" and ":" in segment:
        return tenant_set(_parts(segment, 2)[1])
    if kind == "context" and ":" in segment:
        return context_set(_parts(segment, 2)[1].split(","))
    if kind == "subscription" and segment.count(":") >= 2:
        _, topic, subscription_id = _parts(segment, 3)
        return subscription_set(topic, subscription_id)
    raise Invalid(
        "",
        f"{segment[:60]!r} names no preference set; write default, tenant:ID, context:KEYS or subscription:TOPIC:ID",
    )
