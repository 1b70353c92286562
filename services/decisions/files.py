"""The files of a decision log: what their names say, and which of them have to go."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

DAY_MILLISECONDS = 86_400_000

_NAME = re.compile(r"decisions-(\d{8,})-(\d{8}T\d{9}Z)(?:-(\d{8}T\d{9}Z))?\.ndjson")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file. Both instants are those of ids in it: Unix milliseconds, no last one while it is being written."""

    path: Path
    number: int
    first_milliseconds: int
    last_milliseconds: int | None

    @property
    def is_open(self) -> bool:
        """Whether lines may still be added to it."""
        return self.last_milliseconds is None

    def may_hold(self, milliseconds: int) -> bool:
        """Whether an id of this instant can be in it."""
        return self.last_milliseconds is None or self.first_milliseconds <= milliseconds <= self.last_milliseconds


def open_path(folder: Path, number: int, first_milliseconds: int) -> Path:
    """The name of a file that is being written; the number orders the files whatever the clock says."""
    return folder / f"decisions-{number:08d}-{_stamp(first_milliseconds)}.ndjson"


def closed_path(folder: Path, number: int, first_milliseconds: int, last_milliseconds: int) -> Path:
    """The name of a file to which nothing is added any more."""
    return folder / f"decisions-{number:08d}-{_stamp(first_milliseconds)}-{_stamp(last_milliseconds)}.ndjson"


def files_in(folder: Path) -> list[LogFile]:
    """The log's files, the oldest first; whatever else lies there is nothing of ours. Raises OSError."""
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return []
    files = [file for path in paths if (file := _file_of(path)) is not None]
    return sorted(files, key=lambda file: file.number)


def remove_surplus(folder: Path, *, closed_bytes_max: int, days: int, now_milliseconds: int) -> None:
    """Remove closed files whose last line is older than `days`, and the oldest until the rest fits. Raises OSError."""
    sized: list[tuple[LogFile, int]] = []
    for file in files_in(folder):
        # An operator may be removing some at the same time.
        with suppress(FileNotFoundError):
            sized.append((file, file.path.stat().st_size))
    oldest_milliseconds = now_milliseconds - days * DAY_MILLISECONDS
    for file in surplus(sized, closed_bytes_max=closed_bytes_max, oldest_milliseconds=oldest_milliseconds):
        file.path.unlink(missing_ok=True)


def surplus(sized: Sequence[tuple[LogFile, int]], *, closed_bytes_max: int, oldest_milliseconds: int) -> list[LogFile]:
    """The closed files that have to go, of files with their sizes in bytes, the oldest first."""
    closed = [(file, size, file.last_milliseconds) for file, size in sized if file.last_milliseconds is not None]
    total_bytes = sum(size for _, size, _ in closed)
    going: list[LogFile] = []
    for file, size, last_milliseconds in closed:
        if total_bytes > closed_bytes_max or last_milliseconds < oldest_milliseconds:
            going.append(file)
            total_bytes -= size
    return going


def _file_of(path: Path) -> LogFile | None:
    name = _NAME.fullmatch(path.name)
    if name is None:
        return None
    try:
        last_milliseconds = _milliseconds(name[3]) if name[3] is not None else None
        return LogFile(path, int(name[1]), _milliseconds(name[2]), last_milliseconds)
    except ValueError:
        return None  # Digits that are no instant: no name of ours.


def _stamp(milliseconds: int) -> str:
    instant = _EPOCH + milliseconds * _MILLISECOND
    return f"{instant:%Y%m%dT%H%M%S}{instant.microsecond // 1000:03d}Z"


def _milliseconds(stamp: str) -> int:
    instant = datetime.strptime(stamp[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return (instant - _EPOCH) // _MILLISECOND + int(stamp[15:18])
