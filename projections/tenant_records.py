"""Which records are about a tenant's members: those that name, or change, what a holder wants inside that tenant."""

from collections.abc import Iterable

from domain.event import set_item
from domain.holder import tenant_set
from projections.choices import rule_number
from projections.history_detail import ShownChange

_MEMBERS = "set:tenant:"


def member_item(tenant_id: str) -> str:
    """The item in which a user or an object keeps what it wants inside a tenant. Raises Invalid."""
    return set_item(tenant_set(tenant_id))


def is_member_item(item: str) -> bool:
    """Whether a holder keeps in this item what it wants inside some tenant."""
    return item.startswith(_MEMBERS)


def tenant_number(item: str) -> int:
    """The tenant's number in the index, as `rule_number` makes them: a collision costs a look, never an answer."""
    return rule_number(item, "")


def tenant_records(offset: int, item: str | None, changes: Iterable[ShownChange]) -> list[tuple[int, int]]:
    """The rows of the index for one record: of the item that it names, whatever became of it, or of all that it changed."""
    if item is not None:
        return [(tenant_number(item), offset)] if is_member_item(item) else []
    changed = {change.item for change in changes if isinstance(change.item, str)}
    return [(tenant_number(each), offset) for each in sorted(changed) if is_member_item(each)]
