"""Refusals: what of an intake record is handed back, and why, without a word about a person.

A record's value may name people; headers are read by tools, copied into logs, and shown. So a refusal has the record's
own bytes as its value and key, and in its headers nothing but where the record was and a sentence of our own.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from domain.channel import CHANNEL_TYPES
from domain.invalid import Invalid
from domain.pointer import keys_of
from domain.preference_set import SCOPES
from domain.rule import LAYERING_PARTS, RULE_MEMBERS
from domain.schedule import WEEKDAYS
from schemas.record import Headers

REASON_HEADER: Final = "__streams.errors.exception"
SENTENCE_HEADER: Final = "__streams.errors.message"
TOPIC_HEADER: Final = "__streams.errors.topic"
PARTITION_HEADER: Final = "__streams.errors.partition"
OFFSET_HEADER: Final = "__streams.errors.offset"
REFUSAL_HEADERS: Final = (REASON_HEADER, SENTENCE_HEADER, TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER)
"""The names that Kafka Streams gives to a dead letter's headers (KIP-1034), so that tools for those read ours."""

REASONS: Final = {
    "undecodable": "The bytes are no event: another framing, cut short, or not what they say they are.",
    "unknown-schema": "The event was written with a schema that this node does not know.",
    "not-taken": "The event is of a type that the intake does not take.",
    "forbidden": "The event decides for others: it takes a key with the scope `admin`, over HTTP.",
    "invalid": "A value is not allowed.",
    "unprocessable": "The event says something that can't be, as the ledger is now.",
    "too-large": "The event is larger than the ledger takes.",
    "version-mismatch": "The set has another version than the event expects.",
    "event-id-reused": "The event id stands for something else already.",
    "internal": "The node failed on this event, and would again.",
}
"""Every reason in the header `__streams.errors.exception`, with its meaning. A test holds the documentation to it."""

UNNAMED: Final = "*"
_QUOTED = re.compile(r"""(?<!\w)'(?:[^'\\]|\\.)*'|(?<!\w)"(?:[^"\\]|\\.)*\"""")
_OWN_WORDS: Final = frozenset(
    (
        *CHANNEL_TYPES, *LAYERING_PARTS, *RULE_MEMBERS, *SCOPES, *WEEKDAYS,
        "actor", "applies", "argument", "causation_id", "commercial", "correlation_id", "end", "event_id", "evidence",
        "expected_version", "holder", "hours", "id", "legal_basis", "locale", "method", "notice", "operator",
        "preferences", "properties", "reason", "schedule", "set", "spell_out", "start", "type", "unset", "variable",
        "version", "weekly",
    )
)  # fmt: skip
"""What a path may say: the members that the ledger itself has names for."""
_LISTS: Final = frozenset(("condition", "conditions", "hours", "spell_out", "unset"))
"""Below these a number is a place in a list, and not somebody's key."""


@dataclass(frozen=True, slots=True)
class IntakeRecord:
    """A record as it lies in the intake."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record is refused: one of `REASONS`, and a sentence for whoever published it."""

    reason: str
    sentence: str


class Refused(Exception):
    """A record that the ledger does not take."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(reason, sentence)
        self.refusal = Refusal(reason, sentence)


def refusal_of(error: Invalid) -> Refusal:
    """What to say of a value that is not allowed, without the value."""
    path = impersonal_path(error.pointer)
    sentence = impersonal(error.message)
    return Refusal("invalid", f"{path}: {sentence}" if path else sentence)


def impersonal(sentence: str) -> str:
    """One of our sentences without what it quotes: our sentences put what was sent between quotes, and nowhere else."""
    return _QUOTED.sub("this value", sentence)


def impersonal_path(path: str) -> str:
    """A JSON Pointer without the names that a publisher chose: keys of workflows, of properties, of channels."""
    keys = keys_of(path)
    return "".join("/" + (key if _is_own(above, key) else UNNAMED) for above, key in pairwise(("", *keys)))


def _is_own(above: str, key: str) -> bool:
    return key in _OWN_WORDS or (above in _LISTS and key.isascii() and key.isdigit())


def headers_of_refusal(record: IntakeRecord, refusal: Refusal) -> Headers:
    """The headers of a refusal, all of them UTF-8 text."""
    return (
        (REASON_HEADER, refusal.reason.encode()),
        (SENTENCE_HEADER, refusal.sentence.encode()),
        (TOPIC_HEADER, record.topic.encode()),
        (PARTITION_HEADER, str(record.partition).encode()),
        (OFFSET_HEADER, str(record.offset).encode()),
    )
