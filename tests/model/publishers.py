"""Publishers at random: events as `POST /events` takes them, about the same few things, so that they meet."""

import random
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

Json = Any

TYPES: Final = ("email", "sms", "push", "in_app_feed")
CHANNELS: Final = ("c1", "a/b", "~1")
SCOPES: Final = {"categories": ("news", "a/b", "*"), "workflows": ("w", "dinosaurs-loose", "", "enabled")}
SETS: Final = ("default", "default", "default", "tenant:acme", "context:app:x", "subscription:a%3Ab:s:1")
CONDITIONS: Final = [{"variable": "data.animal", "operator": "not_equal_to", "argument": "tyrannosaurus"}]
SCHEDULE: Final = {"enabled": True, "weekly": {"monday": {"enabled": True, "hours": [{"start": "09:00", "end": "17:00"}]}}}
VALUES: Final[tuple[Json, ...]] = (
    None,
    True,
    False,
    1,
    1.0,
    "x",
    "1",
    [],
    [1, {"a": None}],
    {},
    {"a": {}},
    {"a": {"b": 1}, "c/d": None},
)
WAYS: Final = ("api", "preference-centre", "one-click", "import")


@dataclass
class Publisher:
    """Says one thing after the other. The same for the same source of chance."""

    chance: random.Random
    holders: list[str]
    expects: float = 0.1
    """How often an event expects a version, mostly one that the set does not have."""
    environments_own: float = 0.05
    """How often the environment says something of itself."""
    _busy: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._busy = self.holders[:: min(100, max(1, len(self.holders) // 2))]

    def event_id(self) -> str:
        return str(UUID(bytes=self.chance.getrandbits(128).to_bytes(16)))

    def event(self) -> Json:
        """One event with an id of its own. Its publisher's clock goes wrong by up to a year, either way."""
        own = self.chance.random() < self.environments_own
        said = self.environment_event() if own else self.holder_event(self.holder())
        if self.chance.random() < self.expects:
            said["expected_version"] = self.chance.choice([0, 0, 1, 1, 2, 3])
        year = self.chance.choice([2025, 2026, 2026, 2026, 2027])
        said["occurred_at"] = f"{year}-{self.chance.randint(1, 12):02d}-03T14:02:{self.chance.randint(0, 59):02d}.000Z"
        said["method"] = self.chance.choice(WAYS)
        return {**said, "event_id": self.event_id()}

    def holder(self) -> str:
        """Half of what is said is about a few: some histories are long."""
        return self.chance.choice(self._busy if self.chance.random() < 0.5 else self.holders)

    def holder_event(self, holder: str) -> Json:
        """What any holder may say."""
        kind = self.chance.random()
        said: Json = {"holder": holder}
        sets = SETS if holder.startswith(("user:", "object:")) else ("default",)
        if kind < 0.6:
            return said | {"type": "PreferenceSetMerged", "set": self.chance.choice(sets), "preferences": self.patch()}
        if kind < 0.75:
            return said | {"type": "PreferenceSetReplaced", "set": self.chance.choice(sets), "preferences": self.tree()}
        if kind < 0.85:
            return said | {"type": "PreferenceSetDeleted", "set": self.chance.choice(sets)}
        return said | {"type": "HolderDescribed", "replaces": self.chance.random() < 0.3, "properties": self.properties()}

    def environment_event(self) -> Json:
        """What only the environment may say, beside what any holder may."""
        match self.chance.randrange(7):
            case 0:
                decide = self.chance.choice(["every_rule_allows", "most_specific_wins"])
                return {"type": "PolicySet", "policy": {"decide": decide, "own_default_in_tenant": "never"}}
            case 1 | 2:
                document: Json = {"name": self.chance.choice("WX"), "channels": ["email", {"type": "sms", "id": "c1"}]}
                document |= {"defaults": {"user": self.tree_rule()}, "data": {"a": self.chance.choice(VALUES)}}
                return {"type": "WorkflowDefined", "key": self.chance.choice("wv"), "document": document}
            case 3:
                return {"type": "WorkflowRemoved", "key": self.chance.choice("wv")}
            case 4:
                document = {"default": self.chance.choice([True, False]), "description": None}
                return {"type": "CategoryDefined", "key": self.chance.choice(["news", "a/b"]), "document": document}
            case 5:
                return {"type": "CategoryRemoved", "key": "news"}
        return self.holder_event("environment")

    def tree(self) -> Json:
        """A whole set."""
        return self._set(self.tree_rule)

    def patch(self) -> Json:
        """A JSON Merge Patch of a set."""
        if self.chance.random() < 0.5:
            return {"channel_types": {self.chance.choice(TYPES): self.chance.choice([True, False, False])}}
        patch = self._set(self.patch_rule)
        if self.chance.random() < 0.1:
            patch[self.chance.choice(["workflows", "categories", "commercial", "schedule"])] = None
        return patch

    def properties(self) -> Json:
        """Properties, or a patch of them: there null takes away."""
        names = self.chance.sample(["timezone", "plan", "a/b", "nested"], self.chance.randint(0, 2))
        return {name: self.chance.choice(VALUES) for name in names}

    def _set(self, rule: Any) -> Json:
        said: Json = rule() if self.chance.random() < 0.5 else {}
        said = {} if isinstance(said, bool) or said is None else {**said}
        for scope, keys in SCOPES.items():
            if self.chance.random() < 0.6:
                said[scope] = {key: rule() for key in self.chance.sample(keys, self.chance.randint(0, 2))}
        if self.chance.random() < 0.1:
            said["commercial"] = self._choice()
        if self.chance.random() < 0.05:
            said["schedule"] = SCHEDULE
        return said

    def _choice(self) -> Json:
        return {"conditions": CONDITIONS} if self.chance.random() < 0.15 else self.chance.random() < 0.4

    def tree_rule(self) -> Json:
        """A rule of a whole set."""
        if self.chance.random() < 0.3:
            return self.chance.random() < 0.4
        members: Json = {
            "enabled": lambda: self.chance.random() < 0.4,
            "conditions": lambda: CONDITIONS,
            "condition": lambda: {"==": [{"var": "data.x"}, 1]},
            "channel_types": lambda: {name: self._choice() for name in self.chance.sample(TYPES, self.chance.randint(0, 2))},
            "channels": lambda: {name: self._choice() for name in self.chance.sample(CHANNELS, self.chance.randint(0, 2))},
            "otherwise": lambda: False,
            "routing": lambda: self.chance.choice([{"applies": True, "channels": ["email"]}, {"applies": False}]),
            "digest": lambda: "daily",
            "layering": lambda: {"self": "replace"},
            "kept": lambda: self.chance.choice(VALUES),
        }
        names = self.chance.sample([*members], self.chance.choice([0, 1, 1, 2, 2, 3]))
        if self.chance.random() < 0.2:
            names = ["enabled", "channels"]  # What a later structure has to spell out.
        if "conditions" in names and "condition" in names:
            names.remove("condition")
        return {name: members[name]() for name in names}

    def patch_rule(self) -> Json:
        """A rule of a patch: some of it is taken away."""
        if self.chance.random() < 0.1:
            return None
        rule = self.tree_rule()
        if isinstance(rule, bool):
            return rule
        for name in ("channel_types", "channels"):
            if name in rule and self.chance.random() < 0.3:
                rule[name] = {**rule[name], self.chance.choice(TYPES): None}
        if self.chance.random() < 0.2:
            rule.setdefault(self.chance.choice(["enabled", "channel_types", "routing", "kept", "layering"]), None)
        if not {"condition", "conditions"} & rule.keys() and self.chance.random() < 0.1:
            rule["conditions"] = None
        return rule
