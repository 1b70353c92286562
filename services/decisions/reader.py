"""Finding a line of the decision log by its id: only files that can hold it are read, in pieces."""

from collections.abc import Callable
from pathlib import Path

from services.decisions.files import files_in
from services.decisions.line import OPENING, Logged, milliseconds_of, parse_line

PIECE_BYTES = 256 * 1024
"""Small enough that other threads get their turn between two searches."""

LISTINGS_MAX = 3


def find(folder: Path, decision_id: str, is_given_up: Callable[[], bool]) -> Logged | None:
    """The line with this id; None where no file has it, or the caller has given up. Raises OSError."""
    milliseconds = milliseconds_of(decision_id)
    for _ in range(LISTINGS_MAX):
        try:
            for file in reversed(files_in(folder)):
                logged = _find_in(file.path, decision_id, is_given_up) if file.may_hold(milliseconds) else None
                if logged is not None:
                    return logged
            return None
        except FileNotFoundError:
            continue  # Closed under another name, or removed, since the folder was listed.
    return None


def _find_in(path: Path, decision_id: str, is_given_up: Callable[[], bool]) -> Logged | None:
    # Only a line feed begins a line, and no line has one inside: what a question says can't pass for a line.
    wanted = b"\n" + OPENING + decision_id.encode() + b'"'
    with path.open("rb") as file:
        before = b"\n"
        offset = -1
        while (piece := file.read(PIECE_BYTES)) and not is_given_up():
            window = before + piece
            at = window.find(wanted)
            if at >= 0:
                file.seek(offset + at + 1)
                logged = parse_line(file.readline())
                if logged is not None:
                    return logged
                file.seek(offset + at + len(wanted))
                before, offset = b"", offset + at + len(wanted)
                continue
            before = window[-len(wanted) + 1 :]
            offset += len(window) - len(before)
    return None
