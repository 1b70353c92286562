"""One line of the decision log: who asked what, and what was answered, byte for byte."""

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.invalid import Invalid
from services.version import VERSION

OPENING = b'{"decision_id":"'
ID_LENGTH = 36
LINE_OVERHEAD_BYTES_MAX = 512
"""What a line has at most beside the question and the answer."""

_IN_ANSWER = b'"decision_id":"'
_UUID_7 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RANDOM_DIGITS = 12
_RANDOM_VALUES = 16**_RANDOM_DIGITS
_RELEASE = msgspec.json.encode(VERSION)


@dataclass(frozen=True, slots=True)
class Logged:
    """A line that was read back. `question` and `answer` are the bodies of the request and of its answer."""

    decision_id: str
    release: str
    asked_by: str
    question: dict[str, Any]
    answer: dict[str, Any]


def decision_id_of(answer: bytes) -> bytes:
    """The id in an answer's body. It stands near the end, after whatever an answer repeats of its question."""
    at = answer.rindex(_IN_ANSWER) + len(_IN_ANSWER)
    return answer[at : at + ID_LENGTH]


def line_of(decision_id: bytes, asked_by: str, question: bytes, answer: bytes) -> bytes:
    """The line, with its line feed. Both bodies are kept as they are, but for line ends between the question's values."""
    # JSON has bare line ends only where a space does as well (RFC 8259, 2 and 7); in a line there can be none.
    flat = question.replace(b"\n", b" ").replace(b"\r", b" ")
    return b"".join(
        (
            OPENING, decision_id, b'","release":', _RELEASE, b',"asked_by":', msgspec.json.encode(asked_by),
            b',"question":', flat, b',"answer":', answer, b"}\n",
        )
    )  # fmt: skip


def parse_line(line: bytes) -> Logged | None:
    """What a line says; None where it is torn."""
    try:
        return Logged(**json.loads(line))
    except (ValueError, TypeError):
        return None


def parse_decision_id(text: str) -> str:
    """A decision id as files have it. Raises Invalid."""
    lowered = text.lower()
    if not _UUID_7.fullmatch(lowered):
        raise Invalid("/decision_id", "a decision id is a UUID of version 7, as evaluations answer it in decision_id")
    return lowered


def milliseconds_of(decision_id: str) -> int:
    """When the id was made, in Unix milliseconds (RFC 9562, 5.7)."""
    return int(decision_id[:8] + decision_id[9:13], 16)


def threshold_of(share: float) -> int:
    """Below which number the random end of an id lies for this share of all ids. 1 is above every id's."""
    return int(share * _RANDOM_VALUES)


def is_sampled(decision_id: bytes | str, threshold: int) -> bool:
    """Whether an id is in the sample: told by the id alone, so that every node and reader says the same."""
    return int(decision_id[-_RANDOM_DIGITS:], 16) < threshold
