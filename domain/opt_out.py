"""What an opt-out is: a change after which a preference set, or what is known of a forgotten holder, lets less through.

It is decided leaf by leaf, from the leaf before and after: whether another rule held the message back already, or lets it
through all the same, is not looked at. So more is taken for an opt-out than a person would call one, and none is missed:

- a choice (`enabled`, `otherwise`, `commercial`, a channel, a channel type) becomes false, or conditional where it was not
  false before, or its conditions change;
- an opt-in (a choice that is true or conditional) is taken away, so that a weaker layer speaks again;
- a condition is set or changed; a schedule that is enabled is set or changed;
- routing applies and leaves out what it did not leave out before;
- a holder is forgotten, and messages to it are to be suppressed from then on.

Of any holder: a user, an object, a tenant, the environment. What the catalogue, the policy, a lock or the layering does to
everybody's messages is configuration, and no opt-out.
"""

from domain.document import Change, Missing
from domain.event import SUPPRESSION, is_set_item
from domain.json_value import JsonValue
from domain.pointer import keys_of
from domain.preference_set import SCOPES

_CHOICES = frozenset({"enabled", "otherwise", "commercial"})
_CHOICES_BELOW = frozenset({"channel_types", "channels"})


def is_opt_out(item: str, change: Change) -> bool:
    """Whether this change of one item of a stream is an opt-out."""
    before, after = change.before, change.after
    if after is True:
        return False
    if is_set_item(item):
        return _narrows(keys_of(change.path), before, after)
    return item == SUPPRESSION and not isinstance(after, Missing) and before != "all"


def _narrows(keys: tuple[str, ...], before: JsonValue | Missing, after: JsonValue | Missing) -> bool:
    """A leaf is known by its place, never by a key's name: `/kept/enabled` is no choice."""
    member = keys[2:] if keys[:1] and keys[0] in SCOPES else keys
    if (len(member) == 1 and member[0] in _CHOICES) or (len(member) == 2 and member[0] in _CHOICES_BELOW):
        if isinstance(after, Missing):
            return before is not False
        return after is False or before is not False
    if len(member) != 1 or isinstance(after, Missing):
        return False
    match member[0]:
        case "condition":
            return bool(after)
        case "schedule":
            return isinstance(after, dict) and after.get("enabled") is True
        case "routing":
            allowed, allowed_before = _allowed(after), _allowed(before)
            return allowed is not None and (allowed_before is None or not allowed >= allowed_before)
    return False


def _allowed(routing: JsonValue | Missing) -> frozenset[str] | None:
    """The channel types that a routing leaves; None where it leaves all."""
    if not isinstance(routing, dict) or routing.get("applies") is not True:
        return None
    channels = routing.get("channels")
    return frozenset(name for name in channels if isinstance(name, str)) if isinstance(channels, list) else frozenset()
