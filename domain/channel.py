"""The channel types that exist. A dialect speaks its vendor's names; these are the ones that are stored."""

from domain.invalid import Invalid

CHANNEL_TYPES: tuple[str, ...] = ("email", "sms", "push", "chat", "in_app_feed", "http", "tool")

_KNOWN = frozenset(CHANNEL_TYPES)


def check_channel_type(value: object, pointer: str) -> str:
    """`value` if it is a channel type. Raises Invalid: to drop an unknown one would be to lose an opt-out."""
    if isinstance(value, str) and value in _KNOWN:
        return value
    shown = repr(value[:60]) if isinstance(value, str) else "this value"
    raise Invalid(pointer, f"{shown} is not a channel type; the channel types are {', '.join(CHANNEL_TYPES)}")
