"""Gathering what one answer may depend on from the views of one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from domain.document import unflatten
from domain.event import PROPERTIES, SUPPRESSION
from domain.facts import Facts, LeavesView, NamedSet, WorkflowFacts, categories_in_play, workflow_facts
from domain.holder import ENVIRONMENT, Holder, SetId, tenant, tenant_set
from domain.json_value import JsonValue
from domain.policy import Policy
from services.stream_reader import StreamReader


@dataclass(frozen=True, slots=True)
class Circle:
    """What a question says besides recipient and channels: around which shared facts it turns."""

    workflow: str
    categories: tuple[str, ...] | None = None
    tenant_id: str | None = None
    context: SetId | None = None
    subscription: SetId | None = None
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class SharedFacts:
    """What is the same for every recipient of one question."""

    policy: Policy
    workflow: WorkflowFacts | None
    categories: Mapping[str, LeavesView]
    environment_default: LeavesView
    tenants: tuple[tuple[str, LeavesView], ...]
    tenant: dict[str, JsonValue]
    variables: dict[str, JsonValue]


def shared_facts(reader: StreamReader, circle: Circle) -> SharedFacts:
    """The catalogue's, the environment's and the tenants' part."""
    entry = reader.leaves(ENVIRONMENT, f"workflow:{circle.workflow}")
    workflow = workflow_facts(circle.workflow, entry) if entry else None
    keys = categories_in_play(circle.categories, workflow)
    chain = reader.tenant_chain(circle.tenant_id) if circle.tenant_id is not None else []
    return SharedFacts(
        policy=circle.policy or reader.policy(),
        workflow=workflow,
        categories={key: reader.leaves(ENVIRONMENT, f"category:{key}") for key in keys},
        environment_default=reader.set_leaves(ENVIRONMENT),
        tenants=tuple((str(holder), reader.set_leaves(holder)) for holder in chain),
        tenant=described(reader, tenant(circle.tenant_id)) if circle.tenant_id is not None else {},
        variables=unflatten(reader.leaves(ENVIRONMENT, PROPERTIES)),
    )


def facts_of(reader: StreamReader, shared: SharedFacts, circle: Circle, recipient: Holder) -> Facts:
    """The shared facts with one recipient's own."""
    suppression = reader.leaves(recipient, SUPPRESSION).get("/suppress")
    in_tenant = tenant_set(circle.tenant_id) if circle.tenant_id is not None else None
    return Facts(
        policy=shared.policy,
        workflow=shared.workflow,
        categories=shared.categories,
        environment_default=shared.environment_default,
        tenants=shared.tenants,
        own_default=reader.set_leaves(recipient),
        own_context=_named(reader, recipient, circle.context),
        own_in_tenant=reader.set_leaves(recipient, in_tenant) if in_tenant is not None else {},
        subscription=_named(reader, recipient, circle.subscription),
        suppression=cast(Literal["all", "commercial"] | None, suppression),
        recipient=described(reader, recipient),
        tenant=shared.tenant,
        variables=shared.variables,
    )


def described(reader: StreamReader, holder: Holder) -> dict[str, JsonValue]:
    """A holder's properties as conditions see them: its id is one of them."""
    properties = unflatten(reader.leaves(holder, PROPERTIES))
    properties["id"] = holder.id
    if holder.collection:
        properties["collection"] = holder.collection
    return properties


def _named(reader: StreamReader, recipient: Holder, set_id: SetId | None) -> NamedSet | None:
    return None if set_id is None else NamedSet(str(set_id), reader.set_leaves(recipient, set_id))
