"""The checkpoint: how far a views file has come, and which ledger it follows."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One row. Position, hash and time are those of the record before `next_offset`."""

    next_offset: int
    position: str
    record_hash: bytes
    recorded_at_milliseconds: int
    environment_offset: int
    ledger_id: str
    generation: int
    secret_check: bytes
    sealed: bool
    fold_version: int

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> "Checkpoint":
        """The checkpoint of a `READ_CHECKPOINT` row."""
        (
            next_offset,
            position,
            record_hash,
            recorded_at,
            environment_offset,
            ledger_id,
            generation,
            check,
            sealed,
            fold,
        ) = row
        return cls(
            next_offset,
            position,
            record_hash,
            recorded_at,
            environment_offset,
            ledger_id,
            generation,
            check,
            bool(sealed),
            fold,
        )

    @property
    def ledger_tag(self) -> bytes:
        """What positions carry of the ledger's id."""
        return UUID(self.ledger_id).bytes[:8]
