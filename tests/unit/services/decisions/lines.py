"""Answers as a node gives them, small enough to count."""

import itertools
import json
from pathlib import Path
from uuid import UUID

from services.decisions.line import line_of

NOON = 1_772_539_320_000
"""2026-03-03T12:02:00Z."""

_numbers = itertools.count(1)


def new_id(milliseconds: int = NOON, random: int | None = None) -> str:
    """An id of this instant; `random` is its random end."""
    end = next(_numbers) if random is None else random
    return str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | end))


def answer_of(decision_id: str, recipient: str = "user:a") -> bytes:
    """An answer's body, with the id where it stands in real ones."""
    decisions = [{"channel_type": "email", "deliver": True, "reason": "default_allow", "decided_by": None}]
    return json.dumps(
        {"recipient": recipient, "decisions": decisions, "decision_id": decision_id, "stale_seconds": 0.1},
        separators=(",", ":"),
    ).encode()


def a_line(decision_id: str, question: bytes = b'{"recipient":"user:a","workflow":"w"}') -> tuple[str, bytes]:
    """An id and its line, as the writer takes them."""
    return decision_id, line_of(decision_id.encode(), "key:k", question, answer_of(decision_id))


def text_in(folder: Path) -> str:
    """Everything that the log's files hold, the oldest first."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()))


def ids_in(folder: Path) -> list[str]:
    """The ids of all whole lines, the oldest first."""
    return [json.loads(line)["decision_id"] for line in text_in(folder).splitlines() if line.endswith("}}")]
