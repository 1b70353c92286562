"""A preference set as Knock's clients send it, made into one event.

A Knock write never takes away what Knock can't show (another dialect's routing, schedule, locks): replacing a set is a
merge that unsets exactly `SHOWN`, the paths that a Knock answer has a place for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.document import Unset, in_order
from domain.event import PreferenceSetMerged
from domain.holder import DEFAULT_SET, SetId, tenant_set
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.pointer import escape, pointer
from domain.preference_set import SCOPES, Patch, parse_preference_patch, parse_preference_set
from services.commands import check_numbers

CHANNEL_TYPES = ("email", "in_app_feed", "sms", "push", "chat", "http")
STRATEGY = "__strategy__"
PERSISTENCE = "__persistence_strategy__"
STRATEGIES = ("merge", "replace")

_ECHOED = ("id", "__typename")
"""Members of an answer that a client sends back unread."""

_SET_MEMBERS = (*SCOPES, "channel_types", "channels", "commercial_subscribed")
_RULE_MEMBERS = ("channel_types", "channels", "conditions", STRATEGY)

_RULE_SHOWN: tuple[tuple[str, ...], ...] = (
    ("enabled",),
    ("condition",),
    *(("channel_types", channel_type) for channel_type in CHANNEL_TYPES),
    ("channels",),
    ("layering",),
)

SHOWN: tuple[Unset, ...] = (
    *(Unset((scope, None, *member)) for scope in SCOPES for member in _RULE_SHOWN),
    *(Unset(("channel_types", channel_type)) for channel_type in CHANNEL_TYPES),
    Unset(("channels",)),
    Unset(("layering", "channel_types")),
    Unset(("layering", "channels")),
    Unset(("commercial",)),
)
"""Everything that a Knock preference set can show."""

NOTHING = Patch({}, SHOWN)
"""What is left when Knock replaces a set by nothing."""


def set_of(name: str) -> SetId:
    """The set that Knock calls by this id: `default`, or a tenant's. Raises Invalid."""
    return DEFAULT_SET if name == "default" else tenant_set(name)


def written_set(set_id: SetId, request: JsonValue, *, default: str, at: str = "") -> PreferenceSetMerged:
    """The event of a PreferenceSetRequest. `default` is the door's own strategy, merge or replace. Raises Invalid.

    `at` is where in the body the request stands.
    """
    try:
        return PreferenceSetMerged(set_id, patch_of(request, default=default))
    except Invalid as error:
        raise Invalid(at + error.pointer, error.message) from None


def patch_of(request: JsonValue, *, default: str) -> Patch:
    """The same without the set's name. Raises Invalid."""
    members = _object(request, "", "a preference set")
    strategy = members.get(PERSISTENCE) or default
    if strategy not in STRATEGIES:
        raise Invalid(f"/{PERSISTENCE}", "the persistence strategy is merge or replace")
    check_numbers(request)
    translation = _Translation()
    tree = translation.whole({name: value for name, value in members.items() if name != PERSISTENCE})
    if strategy == "replace":
        return Patch(parse_preference_set(tree), SHOWN)
    patch = parse_preference_patch(tree)
    # What is null in a merge says nothing from now on; only what Knock can show is its to take away.
    return Patch(patch.leaves, in_order((*patch.unsets, *translation.unsets)), patch.spell_out)


def part_patch(keys: tuple[str, ...], value: JsonValue) -> Patch:
    """The replacement of one part of a set: a whole group (`workflows`) or one entry of it (`workflows`, KEY).

    Raises Invalid.
    """
    tree: JsonValue = value
    for key in reversed(keys):
        tree = {key: tree}
    translation = _Translation()
    leaves = parse_preference_set(translation.whole(_object(tree, "", "a preference set")))
    check_numbers(tree)
    return Patch(leaves, tuple(_shown_below(keys)))


def _shown_below(keys: tuple[str, ...]) -> list[Unset]:
    """What Knock can show at a place."""
    if len(keys) == 1:
        return [unset for unset in SHOWN if unset.pattern[0] == keys[0] or unset.pattern == ("layering", keys[0])]
    if keys[0] in SCOPES:
        return [Unset((*keys, *member)) for member in _RULE_SHOWN]
    return [Unset(keys)]


@dataclass(slots=True)
class _Translation:
    """Knock's words into ours. Nulls are left out of the tree and kept as `unsets`."""

    unsets: list[Unset] = field(default_factory=list)

    def whole(self, members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        tree: dict[str, JsonValue] = {}
        for name, value in members.items():
            if name in SCOPES:
                self._scope(tree, name, value)
            elif name == "commercial_subscribed":
                if value is None:
                    self.unsets.append(Unset(("commercial",)))
                else:
                    tree["commercial"] = value
            elif name in ("channel_types", "channels"):
                self._choices(tree, name, value, ())
            elif name not in _ECHOED:
                raise Invalid(f"/{escape(name[:60])}", f"a preference set may have {', '.join(_SET_MEMBERS)}")
        return tree

    def _scope(self, tree: dict[str, JsonValue], scope: str, value: JsonValue) -> None:
        if value is None:
            self.unsets += [Unset((scope, None, *member)) for member in _RULE_SHOWN]
            return
        rules: dict[str, JsonValue] = {}
        for key, rule in _object(value, f"/{scope}", scope).items():
            if rule is None:
                self.unsets += [Unset((scope, key, *member)) for member in _RULE_SHOWN]
            elif isinstance(rule, bool):
                rules[key] = rule
            else:
                shown = self._rule(rule, (scope, key))
                if shown:
                    rules[key] = shown
        if rules:
            tree[scope] = rules

    def _rule(self, rule: JsonValue, keys: tuple[str, ...]) -> dict[str, JsonValue]:
        tree: dict[str, JsonValue] = {}
        at = pointer(*keys)
        for name, value in _object(rule, at, "this must be true, false or an object; it").items():
            if name in ("channel_types", "channels"):
                self._choices(tree, name, value, keys)
            elif name == "conditions":
                if value is None:
                    self.unsets.append(Unset((*keys, "condition")))
                else:
                    tree["conditions"] = value
            elif name == STRATEGY:
                self._strategy(tree, "self", value, keys, f"{at}/{STRATEGY}")
            elif name in CHANNEL_TYPES:
                raise Invalid(f"{at}/{name}", f"channel types of one rule go into {at}/channel_types")
            else:
                raise Invalid(f"{at}/{escape(name[:60])}", f"this may have {', '.join(_RULE_MEMBERS)}")
        return tree

    def _choices(self, tree: dict[str, JsonValue], name: str, value: JsonValue, keys: tuple[str, ...]) -> None:
        at = pointer(*keys, name)
        if value is None:
            gone = [(name, channel_type) for channel_type in CHANNEL_TYPES] if name == "channel_types" else [(name,)]
            self.unsets += [Unset((*keys, *path)) for path in (*gone, ("layering", name))]
            return
        choices: dict[str, JsonValue] = {}
        for key, choice in _object(value, at, name).items():
            if key == STRATEGY:
                self._strategy(tree, name, choice, keys, f"{at}/{STRATEGY}")
            elif name == "channel_types" and key not in CHANNEL_TYPES:
                raise Invalid(f"{at}/{escape(key[:60])}", f"the channel types are {', '.join(CHANNEL_TYPES)}")
            elif choice is None:
                self.unsets.append(Unset((*keys, name, key)))
            else:
                choices[key] = choice
        if choices:
            tree[name] = choices

    def _strategy(self, tree: dict[str, JsonValue], part: str, value: JsonValue, keys: tuple[str, ...], at: str) -> None:
        if value is None:
            self.unsets.append(Unset((*keys, "layering", part)))
            return
        if value not in STRATEGIES:
            raise Invalid(at, "the strategy is merge or replace")
        layering = tree.setdefault("layering", {})
        if isinstance(layering, dict):
            layering[part] = value


def _object(value: JsonValue, at: str, what: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise Invalid(at, f"{what} must be an object")
    return value
