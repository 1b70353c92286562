"""The policy: the two questions on which notification systems differ."""

from dataclasses import dataclass
from typing import Literal

from domain.invalid import Invalid
from domain.json_value import JsonValue

Decide = Literal["every_rule_allows", "most_specific_wins"]
OwnDefaultInTenant = Literal["above_tenant_defaults", "below_tenant_defaults", "unless_tenant_speaks", "never"]

DECIDE: tuple[Decide, ...] = ("every_rule_allows", "most_specific_wins")
OWN_DEFAULT_IN_TENANT: tuple[OwnDefaultInTenant, ...] = (
    "above_tenant_defaults",
    "below_tenant_defaults",
    "unless_tenant_speaks",
    "never",
)
SEMANTICS = 1
"""What the words of a policy mean. A change that would turn an old verdict is a new number, switched on by an event."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How rules decide together, and what a recipient's own default counts for inside a tenant."""

    decide: Decide
    own_default_in_tenant: OwnDefaultInTenant


PROTECTIVE = Policy("every_rule_allows", "above_tenant_defaults")
"""A new environment's policy: no tenant can undo a person's opt-out."""


def parse_policy_choice(value: JsonValue, presets: dict[str, Policy], pointer: str = "/policy") -> Policy:
    """A policy given with a question: a preset's name or both answers. Raises Invalid."""
    if isinstance(value, str):
        if value in presets:
            return presets[value]
        raise Invalid(pointer, f"{value[:40]!r} is no policy preset; the presets are {', '.join(presets)}")
    if isinstance(value, dict) and set(value) == {"decide", "own_default_in_tenant"}:
        for decide in DECIDE:
            for own_default in OWN_DEFAULT_IN_TENANT:
                if value == {"decide": decide, "own_default_in_tenant": own_default}:
                    return Policy(decide, own_default)
    raise Invalid(
        pointer,
        f"a policy is a preset's name or {{decide: {' | '.join(DECIDE)}, "
        f"own_default_in_tenant: {' | '.join(OWN_DEFAULT_IN_TENANT)}}}",
    )
