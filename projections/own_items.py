"""What a holder ever had beside its default set, as bits of its row: most have nothing, and need not be searched for it."""

from typing import Final

from domain.event import SUPPRESSION
from projections.tenant_records import is_member_item

HAS_SUPPRESSION: Final = 1
HAS_TENANT_SETS: Final = 2


def own_items_bit(item: str) -> int:
    """The bit that an item sets in its holder's row, once and for all; 0 for those that no bit tells of."""
    if item == SUPPRESSION:
        return HAS_SUPPRESSION
    return HAS_TENANT_SETS if is_member_item(item) else 0
