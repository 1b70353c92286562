"""The layers of preferences: whose rules count for a question, from the weakest to the strongest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.facts import Facts, LeavesView, category_default
from domain.json_value import JsonValue
from domain.pointer import keys_of, pointer

TENANTS_MAX = 4
"""The tenant in play and its three nearest ancestors."""

CATALOGUE_SET = "catalogue"
"""What stands for a set's name where the environment's catalogue speaks."""


class LayerKind(StrEnum):
    """The layers there are. Below them all, everything is allowed."""

    CATALOGUE = "catalogue"
    CATALOGUE_USER = "catalogue_user"
    ENVIRONMENT = "environment_default"
    OWN_DEFAULT = "own_default"
    TENANT = "tenant_default"
    OWN_IN_TENANT = "own_in_tenant"


CATALOGUE_KINDS = frozenset({LayerKind.CATALOGUE, LayerKind.CATALOGUE_USER})
OWN_KINDS = frozenset({LayerKind.OWN_DEFAULT, LayerKind.OWN_IN_TENANT})


@dataclass(frozen=True, slots=True)
class Layer:
    """One holder's word. The catalogue's default rules are laid out as a set's; `path_of` tells where they were said."""

    kind: LayerKind
    holder: str
    set_name: str
    leaves: Mapping[str, JsonValue]

    def path_of(self, rule_path: str, member: str) -> str:
        """The pointer, inside the set or the whole catalogue, of a member (`/enabled`) of the rule at `rule_path`."""
        if self.kind is LayerKind.CATALOGUE_USER:
            return f"{rule_path}/defaults/user{member}"
        if self.kind is LayerKind.CATALOGUE:
            part = "default" if rule_path.startswith("/categories/") else "defaults/resource"
            return f"{rule_path}/{part}{member}"
        return rule_path + member


def stack(facts: Facts, recipient: str, categories: Iterable[str] = ()) -> list[Layer]:
    """The layers in play, weak to strong, be they empty. `recipient` is its holder's text form.

    The catalogue speaks for the facts' workflow and for these categories; without either it has no layer.
    """
    layers = _catalogue(facts, categories)
    layers.append(Layer(LayerKind.ENVIRONMENT, "environment", "default", facts.environment_default))
    own = own_layer(facts, recipient)
    if not facts.tenants:
        return [*layers, own]
    tenants = [Layer(LayerKind.TENANT, holder, "default", leaves) for holder, leaves in facts.tenants[-TENANTS_MAX:]]
    # A tenant's text form is also the name of the recipient's set for it.
    in_tenant = Layer(LayerKind.OWN_IN_TENANT, recipient, facts.tenants[-1][0], facts.own_in_tenant)
    match facts.policy.own_default_in_tenant:
        case "above_tenant_defaults":
            return [*layers, *tenants, own, in_tenant]
        case "below_tenant_defaults":
            return [*layers, own, *tenants, in_tenant]
        case "unless_tenant_speaks" if not any(speaks(layer.leaves) for layer in (*tenants, in_tenant)):
            return [*layers, *tenants, own, in_tenant]
    return [*layers, *tenants, in_tenant]


def own_layer(facts: Facts, recipient: str) -> Layer:
    """The recipient's default, or the set of the context in its place."""
    if facts.own_context is not None:
        return Layer(LayerKind.OWN_DEFAULT, recipient, facts.own_context.name, facts.own_context.leaves)
    return Layer(LayerKind.OWN_DEFAULT, recipient, "default", facts.own_default)


def sets_that_say(facts: Facts, recipient: str, path: str) -> list[tuple[Layer, JsonValue]]:
    """Whose word counts about `commercial` or `schedule`, which no policy and no lock silences.

    Every own set in play that says anything, the `default` always among them: each of them must allow, because the
    recipient said each. Where none does, the tenant's default, its nearest ancestor's, and at last the environment's.
    """
    own = [(LayerKind.OWN_DEFAULT, recipient, "default", facts.own_default)]
    if facts.own_context is not None:
        own.append((LayerKind.OWN_DEFAULT, recipient, facts.own_context.name, facts.own_context.leaves))
    shared = [(LayerKind.TENANT, holder, "default", leaves) for holder, leaves in facts.tenants[-TENANTS_MAX:]]
    if facts.tenants:
        own.append((LayerKind.OWN_IN_TENANT, recipient, facts.tenants[-1][0], facts.own_in_tenant))
    nearest = [*reversed(shared), (LayerKind.ENVIRONMENT, "environment", "default", facts.environment_default)]
    return _that_say(own, path) or _that_say(nearest, path)[:1]


def _that_say(sets: Iterable[tuple[LayerKind, str, str, LeavesView]], path: str) -> list[tuple[Layer, JsonValue]]:
    return [(Layer(*one), one[3][path]) for one in sets if path in one[3] and not is_shell(one[3][path])]


def without_catalogue(layers: Iterable[Layer]) -> list[Layer]:
    """The layers that a reader of preferences is shown: the catalogue's defaults are nobody's choice."""
    return [layer for layer in layers if layer.kind not in CATALOGUE_KINDS]


def is_shell(value: JsonValue) -> bool:
    """Whether a leaf is what an unset left behind: an object without members, which says nothing."""
    return isinstance(value, dict) and not value


def speaks(leaves: LeavesView) -> bool:
    """Whether there is such a set at all: one with nothing in it does not exist, and shells are nothing."""
    return any(not is_shell(value) for value in leaves.values())


def catalogue_entry(path: str) -> tuple[str, str]:
    """The item of the environment's stream, and the leaf in it, of a pointer into the whole catalogue."""
    scope, key, *rest = keys_of(path)
    kind = "workflow" if scope == "workflows" else "category"
    return f"{kind}:{key}", pointer(*rest)


def _catalogue(facts: Facts, categories: Iterable[str]) -> list[Layer]:
    resource: dict[str, JsonValue] = {}
    for key in categories:
        if key in facts.categories:
            resource.update(_laid_out(pointer("categories", key), category_default(facts.categories[key])))
    layers = []
    if facts.workflow is not None:
        path = pointer("workflows", facts.workflow.key)
        resource.update(_laid_out(path, facts.workflow.resource_default))
        if facts.workflow.user_default:
            user = _laid_out(path, facts.workflow.user_default)
            layers.append(Layer(LayerKind.CATALOGUE_USER, "environment", CATALOGUE_SET, user))
    if resource:
        layers.insert(0, Layer(LayerKind.CATALOGUE, "environment", CATALOGUE_SET, resource))
    return layers


def _laid_out(rule_path: str, members: LeavesView) -> dict[str, JsonValue]:
    return {rule_path + member: value for member, value in members.items()}
