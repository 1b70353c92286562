"""What is known when a question is answered: plain values, read from the views beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from domain.channel import CHANNEL_TYPES
from domain.json_value import JsonValue
from domain.policy import PROTECTIVE, Policy
from domain.question import ChannelRef

LeavesView = Mapping[str, JsonValue]
"""The leaves of a set or a catalogue entry, by pointer. Nobody here changes them, so they can be shared."""


@dataclass(frozen=True, slots=True)
class WorkflowFacts:
    """A workflow as the catalogue has it. The default rules are leaves below the rule's own path (`/enabled`)."""

    key: str
    name: str | None = None
    categories: tuple[str, ...] = ()
    channels: tuple[ChannelRef, ...] = ()
    commercial: bool = False
    override: bool = False
    resource_default: LeavesView = field(default_factory=dict)
    user_default: LeavesView = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamedSet:
    """One of the recipient's sets, by its name."""

    name: str
    leaves: LeavesView


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that one answer may depend on besides the question itself.

    Suppression: what stays known of a forgotten recipient. `own_context` stands in for the recipient's default where a
    context is in play. `subscription` is the set of the subscription that the question names, be it empty.
    """

    policy: Policy = PROTECTIVE
    workflow: WorkflowFacts | None = None
    categories: Mapping[str, LeavesView] = field(default_factory=dict)
    """Catalogue entries by category key; those of the categories in play suffice."""

    environment_default: LeavesView = field(default_factory=dict)
    tenants: Sequence[tuple[str, LeavesView]] = ()
    """The tenant in play last, its ancestors before it, root first: each holder (`tenant:acme`) and its default set."""

    own_default: LeavesView = field(default_factory=dict)
    own_context: NamedSet | None = None
    own_in_tenant: LeavesView = field(default_factory=dict)
    subscription: NamedSet | None = None
    suppression: Literal["all", "commercial"] | None = None
    recipient: Mapping[str, JsonValue] = field(default_factory=dict)
    """The recipient's properties. `timezone` is the IANA zone of its schedule."""

    tenant: Mapping[str, JsonValue] = field(default_factory=dict)
    variables: Mapping[str, JsonValue] = field(default_factory=dict)


def workflow_facts(key: str, leaves: LeavesView) -> WorkflowFacts:
    """A workflow's facts from the leaves of its catalogue entry."""
    name, categories, steps = leaves.get("/name"), leaves.get("/categories"), leaves.get("/channels")
    return WorkflowFacts(
        key=key,
        name=name if isinstance(name, str) else None,
        categories=tuple(item for item in categories if isinstance(item, str)) if isinstance(categories, list) else (),
        channels=tuple(_channel(step) for step in steps if isinstance(step, dict)) if isinstance(steps, list) else (),
        commercial=leaves.get("/commercial") is True,
        override=leaves.get("/override") is True,
        resource_default=_below(leaves, "/defaults/resource"),
        user_default=_below(leaves, "/defaults/user"),
    )


def category_default(leaves: LeavesView) -> dict[str, JsonValue]:
    """A category's default rule, as leaves below the rule's own path, from the leaves of its catalogue entry."""
    return _below(leaves, "/default")


def categories_in_play(given: tuple[str, ...] | None, workflow: WorkflowFacts | None) -> tuple[str, ...]:
    """The categories of a question: those given with it, else the catalogue's; of an unknown workflow, none."""
    if given is not None:
        return given
    return workflow.categories if workflow is not None else ()


def channels_in_play(workflow: WorkflowFacts | None) -> tuple[ChannelRef, ...]:
    """The channels of a question that names none: the workflow's, else every type there is."""
    if workflow is not None and workflow.channels:
        return workflow.channels
    return tuple(ChannelRef(channel_type) for channel_type in CHANNEL_TYPES)


def _channel(step: dict[str, JsonValue]) -> ChannelRef:
    channel_id = step.get("id")
    return ChannelRef(str(step.get("type")), channel_id if isinstance(channel_id, str) else None)


def _below(leaves: LeavesView, path: str) -> dict[str, JsonValue]:
    cut = len(path)
    return {other[cut:]: value for other, value in leaves.items() if other.startswith(path + "/")}
