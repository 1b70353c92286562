"""Exceptions as log lines tell them: what kind, where, and a message only where it can't be about a person.

The message of an unforeseen error quotes the value that it came of: `KeyError: 'user:jhammond'`. What the system and the
database say names files and tables, and what Python says of a mistake in the code names the code.
"""

import sqlite3
from traceback import extract_tb
from typing import Any, Final

IMPERSONAL: Final = (OSError, sqlite3.Error, MemoryError, RecursionError, ImportError, NameError, AttributeError, TypeError)
CHAIN_MAX: Final = 5
FRAMES_MAX: Final = 30
LEFT_OUT: Final = "(its message is left out: it may be about a person)"


def failure(error: BaseException) -> list[dict[str, Any]]:
    """The exception and what it came of, the nearest cause last."""
    chain: list[dict[str, Any]] = []
    at: BaseException | None = error
    while at is not None and len(chain) < CHAIN_MAX:
        frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(at.__traceback__)]
        chain.append({"type": _name(type(at)), "message": message_of(at), "frames": frames[-FRAMES_MAX:]})
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return chain


def failure_text(error: BaseException) -> str:
    """The same as lines for people."""
    lines: list[str] = []
    for number, one in enumerate(failure(error)):
        lines.append(("Came of " if number else "") + f"{one['type']}: {one['message'] or LEFT_OUT}")
        lines += [f"    at {frame}" for frame in one["frames"]]
    return "\n".join(lines)


def message_of(error: BaseException) -> str | None:
    """What it says, if that can't be about a person."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(_name(type(one)) for one in error.exceptions)
    return str(error) if isinstance(error, IMPERSONAL) else None


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
