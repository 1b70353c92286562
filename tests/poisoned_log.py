"""Poison for a log: records that are parked, made as a bug or a stranger would make them."""

from pathlib import Path
from typing import Final

from domain.event import Body, Provenance
from domain.holder import Holder
from schemas.codec import Draft, encode
from schemas.record import NewRecord
from services.identifiers import new_event_id
from services.secrets import Secrets

SAID_AT_MILLISECONDS: Final = 1_772_000_000_000
GARBAGE: Final = b"\xc3 what a broken import has written"
WRONG_KEY: Final = b"16 bytes of noise"


class Poison:
    """Makes records for one environment's log."""

    def __init__(self, secret: str, environment: str) -> None:
        self.secrets = Secrets(secret, environment)

    def misplaced(self, holder: Holder, body: Body) -> NewRecord:
        """An event that reads well, under a key that is not its stream's."""
        draft = Draft(
            event_id=new_event_id(),
            stream=self.secrets.stream_key(holder),
            content_key=self.secrets.content_key,
            holder=holder,
            body=body,
            occurred_at_milliseconds=SAID_AT_MILLISECONDS,
            provenance=Provenance(actor=str(holder), method="import", evidence={"file": "old.csv"}),
        )
        return NewRecord(WRONG_KEY, encode(draft).value, (("ce_type", b"prefledger.x"),))

    def unreadable(self, holder: Holder) -> NewRecord:
        """Bytes that are no event, under the key of a holder."""
        return NewRecord(self.secrets.stream_key(holder), GARBAGE)


def poison_of(data: Path, environment: str = "development") -> Poison:
    """For an embedded ledger, which keeps its secret beside its log."""
    return Poison((data / "secret").read_text().strip(), environment)
