"""Taking a record out of a ledger: an operator's word, written straight to the log, since no node may be able to."""

from dataclasses import dataclass

from domain.event import LedgerOpened, Provenance, RecordSkipped, type_of
from domain.holder import ENVIRONMENT
from domain.identifier import check_text
from domain.invalid import Invalid
from projections.checkpoint import Checkpoint
from projections.fold_batch import opening_checkpoint
from projections.position import encode_position, parse_position, record_hash
from projections.skips import is_before
from schemas.codec import Draft, Undecodable, UnknownSchema, decode, encode
from schemas.record import LogRecord, NewRecord
from services.cloud_events import headers_of
from services.identifiers import new_event_id
from services.keys import OPERATOR
from services.ledger import now_milliseconds
from services.log.port import EventLog, LogUnavailable, Stored
from services.opening import READ_SECONDS_MAX, read_opened
from services.secrets import Secrets

REASON_LENGTH_MAX = 1_000
OFFSET_DIGITS_MAX = 18
METHOD = "log-skip"


@dataclass(frozen=True, slots=True)
class TakenOut:
    """A record that was taken out: what it seemed to be, and the record that says so."""

    offset: int
    was: str
    by_offset: int


async def take_out(
    log: EventLog, environment: str, secrets: Secrets, place: str, record: str, reason: str, *, timeout_seconds: float
) -> TakenOut:
    """Append the word that one record, named by its offset or position, does not count. `place` says which log.

    Raises Invalid, SecretMismatch, LogUnavailable, LogUnfit.
    """
    if not check_text(reason, "", "the reason", length_max=REASON_LENGTH_MAX).strip():
        raise Invalid("", "the reason is empty: say why the record does not count, for those who ask one day")
    opened = await read_opened(log, place)
    secrets.verify(opened.secret_check)
    end = (await log.bounds(timeout_seconds=timeout_seconds)).end
    offset = _offset_of(record)
    if not is_before(offset, end):
        raise Invalid("", f"{place} has records 1 to {end - 1} that can be taken out, and {offset} is none of them")
    records = await log.read(offset, limit=1, wait_seconds=READ_SECONDS_MAX)
    if not records:
        raise LogUnavailable(f"{place} did not give out record {offset} within {READ_SECONDS_MAX:.0f} seconds; try again")
    if not record.isdecimal() and record != _position_of(opened, records[0]):
        raise Invalid("", f"this is not the position of record {offset} in {place}: it belongs to another ledger")
    by_offset = await _append(log, environment, secrets, place, RecordSkipped(offset, reason), timeout_seconds)
    return TakenOut(offset, _told(records[0]), by_offset)


def _offset_of(record: str) -> int:
    if record.isdecimal() and record.isascii() and len(record) <= OFFSET_DIGITS_MAX:
        return int(record)
    return parse_position(record).offset


def _position_of(opened: LedgerOpened, record: LogRecord) -> str:
    checkpoint: Checkpoint = opening_checkpoint(opened)
    tag = record_hash(record.key, record.value)[:4]
    return encode_position(checkpoint.ledger_tag, checkpoint.generation, record.offset, tag)


def _told(record: LogRecord) -> str:
    """What the record seems to be, without whom it is about."""
    try:
        return type_of(decode(record.value).body)
    except Undecodable:
        return "bytes that are no event"
    except UnknownSchema:
        return "an event of a newer release"


async def _append(
    log: EventLog, environment: str, secrets: Secrets, place: str, body: RecordSkipped, timeout_seconds: float
) -> int:
    draft = Draft(
        event_id=new_event_id(),
        stream=secrets.stream_key(ENVIRONMENT),
        content_key=secrets.content_key,
        holder=ENVIRONMENT,
        body=body,
        occurred_at_milliseconds=now_milliseconds(),
        provenance=Provenance(actor=OPERATOR.actor, method=METHOD, reason=body.reason),
    )
    record = NewRecord(draft.stream, encode(draft).value, headers_of(draft, f"/ledger/{environment}"))
    (outcome,) = await log.append([record], timeout_seconds=timeout_seconds)
    if not isinstance(outcome, Stored):
        raise LogUnavailable(
            f"whether {place} has taken the word is not known, or it has not ({outcome.reason}); run this again, twice "
            "does no harm"
        )
    return outcome.offset
