"""What a log begins with: whoever opens one offline makes sure that it is this ledger's before anything is written."""

from domain.event import LedgerOpened
from schemas.codec import Undecodable, UnknownSchema, decode
from services.log.port import EventLog, LogUnavailable, LogUnfit

READ_SECONDS_MAX = 10.0


async def read_opened(log: EventLog, place: str) -> LedgerOpened:
    """The event of the log's first record. `place` says which log. Raises LogUnavailable, LogUnfit."""
    records = await log.read(0, limit=1, wait_seconds=READ_SECONDS_MAX)
    if not records:
        raise LogUnavailable(f"{place} did not give out its first record within {READ_SECONDS_MAX:.0f} seconds; try again")
    try:
        body = decode(records[0].value).body
    except (Undecodable, UnknownSchema) as error:
        raise LogUnfit(f"{place} does not begin as a ledger does: {error}") from None
    if not isinstance(body, LedgerOpened):
        raise LogUnfit(f"{place} does not begin as a ledger does: name another environment, or mend the log")
    return body
