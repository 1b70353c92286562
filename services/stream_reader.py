"""Reading items of one state by holder, and what an answer says of where a leaf came from."""

from dataclasses import dataclass, field
from typing import cast

from domain.document import Leaves
from domain.event import POLICY, PROPERTIES, SUPPRESSION, is_set_item, set_item
from domain.gates import SUPPRESSION_SET
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, SetId, parse_holder, tenant
from domain.layers import CATALOGUE_SET, TENANTS_MAX
from domain.pointer import keys_of
from domain.policy import PROTECTIVE, Decide, OwnDefaultInTenant, Policy
from domain.trace import Source
from projections.state import State
from projections.stored_item import EventReference, StoredItem, source_of
from services.secrets import Secrets

_ENTRY_KINDS = {"categories": "category", "workflows": "workflow"}


@dataclass(slots=True)
class StreamReader:
    """Items of one moment. Each is read once, however many recipients share it."""

    state: State
    secrets: Secrets
    _cache: dict[tuple[Holder, str], StoredItem | None] = field(default_factory=dict)

    def stored(self, holder: Holder, item: str) -> StoredItem | None:
        """An item; None where it says nothing."""
        key = (holder, item)
        if key not in self._cache:
            row = self.state.item(self.secrets.stream_key(holder), item)
            self._cache[key] = row.stored if row is not None and row.stored.leaves else None
        return self._cache[key]

    def assume(self, holder: Holder, item: str, leaves: Leaves) -> None:
        """Answer as if the item had these leaves: what is stored in the log, and not folded here yet."""
        self._cache[holder, item] = StoredItem(leaves, [], []) if leaves else None

    def leaves(self, holder: Holder, item: str) -> Leaves:
        """An item's leaves; none where it says nothing."""
        stored = self.stored(holder, item)
        return stored.leaves if stored is not None else {}

    def set_leaves(self, holder: Holder, set_id: SetId = DEFAULT_SET) -> Leaves:
        """A preference set's leaves."""
        return self.leaves(holder, set_item(set_id))

    def policy(self) -> Policy:
        """The environment's policy."""
        leaves = self.leaves(ENVIRONMENT, POLICY)
        if not leaves:
            return PROTECTIVE
        return Policy(cast(Decide, leaves["/decide"]), cast(OwnDefaultInTenant, leaves["/own_default_in_tenant"]))

    def tenant_chain(self, tenant_id: str) -> list[Holder]:
        """The tenant and its nearest ancestors, root first. A circle ends where it closes."""
        chain: list[Holder] = []
        parent: object = tenant_id
        while isinstance(parent, str) and parent and len(chain) < TENANTS_MAX:
            holder = tenant(parent)
            if holder in chain:
                break
            chain.append(holder)
            parent = self.leaves(holder, PROPERTIES).get("/parent")
        return chain[::-1]

    def reference(self, source: Source) -> EventReference | None:
        """The event that gave the leaf at a source its present value."""
        item, path = item_at(source)
        stored = self.stored(parse_holder(source.holder), item)
        return None if stored is None or not stored.events or path not in stored.leaves else source_of(stored, path)


def item_at(source: Source) -> tuple[str, str]:
    """The item that keeps a source's leaf, and the leaf's path in it."""
    if source.set_name == CATALOGUE_SET:
        scope, key, *_ = keys_of(source.path)
        segments = source.path.split("/")
        return f"{_ENTRY_KINDS[scope]}:{key}", "/" + "/".join(segments[3:])
    if source.set_name == SUPPRESSION_SET:
        return SUPPRESSION, source.path
    return f"set:{source.set_name}", source.path


def shown_set(item: str) -> str | None:
    """The set's name of an item that keeps one."""
    return item.removeprefix("set:") if is_set_item(item) else None
