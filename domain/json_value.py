"""The type of a JSON value."""

from typing import TypeAlias

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
"""What JSON can say (RFC 8259). To Python a bool is an int; to this domain it is never a number."""
