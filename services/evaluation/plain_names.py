"""Recipients that need no closer look: told from the others by one search, for a whole batch."""

import re
from collections.abc import Sequence
from typing import cast

from domain.json_value import JsonValue

PLAIN_NAME = r"user:[ !#-\[\]-~]{1,256}+"
"""A user's name that stands for itself in JSON: printable ASCII without quote and backslash. An id may hold more."""

_NAMES = re.compile(rf"{PLAIN_NAME}(?:\n{PLAIN_NAME})*+")


def plain_names(recipients: Sequence[JsonValue]) -> list[str] | None:
    """The recipients themselves, if all of them are plain names of users."""
    try:
        names = cast(list[str], recipients)
        joined = "\n".join(names)
    except TypeError:
        return None
    is_plain = _NAMES.fullmatch(joined) is not None and joined.count("\n") == len(recipients) - 1
    return names if is_plain else None
