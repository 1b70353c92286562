"""What may name a thing: the one rule for ids and keys, wherever they come in."""

import re

from domain.invalid import Invalid

ID_LENGTH_MAX = 256
"""Characters. The longest that a vendor's clients use; a bound on rows, URLs and log records."""

# Control characters have no place in a name and break logs and headers; lone surrogates have no UTF-8 form.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_text(value: object, pointer: str, what: str, *, length_max: int = ID_LENGTH_MAX) -> str:
    """`value` if it is text that can be stored and sent back. Raises Invalid."""
    if not isinstance(value, str):
        raise Invalid(pointer, f"{what} must be a string")
    if len(value) > length_max:
        raise Invalid(pointer, f"{what} has {len(value)} characters; at most {length_max} are allowed")
    unfit = _UNFIT.search(value)
    if unfit:
        raise Invalid(pointer, f"{what} contains the character U+{ord(unfit.group()):04X}, which is not allowed")
    return value


def check_id(value: object, pointer: str, what: str) -> str:
    """`value` if it can be an id: text with at least one character. Raises Invalid."""
    text = check_text(value, pointer, what)
    if not text:
        raise Invalid(pointer, f"{what} must not be empty")
    return text


def event_id_text(event_id: bytes) -> str:
    """An event's id as it is shown: what `str(UUID(bytes=event_id))` gives, at a fifth of its time.

    It is made several times for each event that is published, and once for each that is folded.
    """
    digits = event_id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
