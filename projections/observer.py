"""Who may look on while a projector works: to count and to measure, without a word in what the views say."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol

from projections.batch_state import OptOut, Writes
from projections.checkpoint import Checkpoint
from schemas.record import LogRecord

Fate = tuple[str, str, str | None]
"""What became of a record: its type, its outcome, and in one word why it was not applied."""

_fate_of: Callable[[tuple[Any, ...]], Fate] = itemgetter(4, 9, 10)
"""These columns of a history row. No word of them is ever about a person."""


@dataclass(slots=True)
class FoldedBatch:
    """One batch on its way into the views, as its observer began it."""

    records: Sequence[LogRecord]
    notes_opt_outs: bool
    is_answering: bool
    """Whether the node answered questions when the batch came."""

    started_at_nanoseconds: int = field(default_factory=time.time_ns)
    """By the system's clock, since 1970."""

    checkpoint: Checkpoint | None = None
    """Where the views stand after it; None where none of its records could be folded."""

    fates: Counter[Fate] = field(default_factory=Counter)
    opt_outs: list[OptOut] = field(default_factory=list)
    transaction_seconds: float = 0.0

    def note(self, writes: Writes, transaction_seconds: float) -> None:
        """Take in what was written, once for each of its transactions.

        A few dozen nanoseconds a record: a replay of a whole log passes here too.
        """
        self.checkpoint = writes.checkpoint
        self.fates.update(map(_fate_of, writes.history))
        self.opt_outs += writes.opt_outs
        self.transaction_seconds += transaction_seconds


class Observer(Protocol):
    """Whom a projector tells of its batches, on the event loop. No call may raise, or take long."""

    def resumed(self, checkpoint: Checkpoint) -> None:
        """The views stand here, whoever folded them: every question is answered from this file from now on."""

    def begin(self, records: Sequence[LogRecord]) -> FoldedBatch:
        """These records come next."""

    def folded(self, batch: FoldedBatch) -> None:
        """Every question is answered from this batch from now on."""
