"""What a holder ever had beside a usual default set, as bits of its row: most have nothing, and nothing is searched for."""

from collections.abc import Sequence
from typing import Final

from domain.document import Change
from domain.event import SUPPRESSION
from projections.tables import DEFAULT_ITEM
from projections.tenant_records import is_member_item

HAS_SUPPRESSION: Final = 1
HAS_TENANT_SETS: Final = 2
HAS_CHANNEL_CHOICES: Final = 4
"""In the default set, of concrete channels: in some rules each counts, whatever channels are asked for."""


def own_items_bit(item: str, changes: Sequence[Change]) -> int:
    """The bit that these changes of an item set in its holder's row, once and for all; 0 where no bit tells of them."""
    if item == DEFAULT_ITEM:
        return HAS_CHANNEL_CHOICES if any("/channels/" in change.path for change in changes) else 0
    if item == SUPPRESSION:
        return HAS_SUPPRESSION
    return HAS_TENANT_SETS if is_member_item(item) else 0
