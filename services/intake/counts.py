"""What an intake has done and how it stands, for its metrics."""

from collections import Counter
from dataclasses import dataclass, field

from services.intake.refusal import REASONS


@dataclass(slots=True)
class IntakeCounts:
    """One environment's intake on this node, since the node was started. For use on the event loop."""

    accepted: int = 0
    # There at 0, or a query would not see the first one.
    refused: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(REASONS, 0)))
    """By reason."""
    lost: int = 0
    """Records that the topic deleted before any node had taken them."""
    lag_records: dict[int, int] = field(default_factory=dict)
    """Of the partitions that this node reads just now."""
    is_taking: bool = False
    """Whether this node is a member of the group, without trouble."""
