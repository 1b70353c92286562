"""Paths inside a document: JSON Pointers (RFC 6901), and patterns in which one segment may be anything."""

import re
from collections.abc import Iterable

from domain.invalid import Invalid

Pattern = tuple[str | None, ...]
"""Keys from the root down; None stands for any key."""

_STRAY_TILDE = re.compile("~(?![01])")


def escape(key: str) -> str:
    """One key as a pointer segment."""
    if "~" in key or "/" in key:
        return key.replace("~", "~0").replace("/", "~1")
    return key


def unescape(segment: str) -> str:
    """The key that a pointer segment stands for."""
    if "~" in segment:
        return segment.replace("~1", "/").replace("~0", "~")
    return segment


def pointer(*keys: str) -> str:
    """The pointer to what lies under these keys; none of them is the root, the empty string."""
    return "".join("/" + escape(key) for key in keys)


def check_pointer(text: str, pointer: str) -> str:
    """`text` if it is a JSON Pointer (RFC 6901, section 3). Raises Invalid."""
    if (text and not text.startswith("/")) or _STRAY_TILDE.search(text):
        raise Invalid(pointer, f"{text[:60]!r} is not a JSON Pointer; write it like /channel_types/email")
    return text


def keys_of(text: str) -> tuple[str, ...]:
    """The keys of a pointer, root first."""
    return tuple(unescape(segment) for segment in text.split("/")[1:])


def ancestors(text: str) -> Iterable[str]:
    """Every pointer above `text`, nearest first, without the root."""
    cut = text.rfind("/")
    while cut > 0:
        text = text[:cut]
        yield text
        cut = text.rfind("/")


def parse_pattern(text: str) -> Pattern:
    """A pattern as people write it: `*` is any key, `~2` a literal asterisk."""
    return tuple(None if segment == "*" else unescape(segment.replace("~2", "*")) for segment in text.split("/")[1:])


def format_pattern(pattern: Pattern) -> str:
    """The inverse of `parse_pattern`."""
    return "".join("/" + ("*" if key is None else escape(key).replace("*", "~2")) for key in pattern)
