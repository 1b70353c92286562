"""Writing the decision log: one file at a time, each no larger than allowed, the oldest removed.

For use on one thread.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.decisions.files import DAY_MILLISECONDS, LogFile, closed_path, files_in, open_path, remove_surplus
from services.decisions.line import ID_LENGTH, OPENING, milliseconds_of

FILE_AGE_MILLISECONDS_MAX = DAY_MILLISECONDS
"""Then a file is closed whatever its size: files are removed whole, so a line may live this much longer than asked."""

_ID = re.compile(re.escape(OPENING) + rb"([0-9a-f-]{%d})" % ID_LENGTH)


def _now_milliseconds() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How large one file may be, how large all of them, and for how many days a closed one is kept."""

    file_bytes_max: int
    bytes_max: int
    days: int


@dataclass(slots=True)
class _Open:
    """The file to which lines are added."""

    descriptor: int
    path: Path
    number: int
    first_milliseconds: int
    last_milliseconds: int
    size_bytes: int
    began_milliseconds: int
    is_torn: bool = False
    """Whether its last line may lack its end, and must not run together with the next one."""

    def note(self, milliseconds: int) -> None:
        self.first_milliseconds = min(self.first_milliseconds, milliseconds)
        self.last_milliseconds = max(self.last_milliseconds, milliseconds)


class DecisionWriter:
    """One environment's decision log. Sizes in bytes, instants in Unix milliseconds."""

    def __init__(self, folder: Path, limits: Limits, now_milliseconds: Callable[[], int] = _now_milliseconds) -> None:
        self._folder = folder
        self._limits = limits
        self._now_milliseconds = now_milliseconds
        self._open: _Open | None = None
        self.lines_written = 0

    def resume(self) -> None:
        """Go on with the file that was being written when the node stopped. Raises OSError."""
        unfinished = [file for file in files_in(self._folder) if file.is_open]
        for file in unfinished:
            self._close()
            self._open = _reopen(file)
        self.tidy()

    def write(self, lines: Sequence[tuple[str, bytes]]) -> None:
        """Add lines, each with its decision id. Raises OSError: `lines_written` then tells how many of them are kept."""
        self._drop_if_removed()
        for group in self._groups(lines):
            self._append(group)

    def tidy(self) -> None:
        """Close a file that is old enough, and remove what is too old or too much. Raises OSError."""
        now = self._now_milliseconds()
        if self._open is not None and now - self._open.began_milliseconds >= FILE_AGE_MILLISECONDS_MAX:
            self._close()
        closed_bytes_max = self._limits.bytes_max - self._limits.file_bytes_max
        remove_surplus(self._folder, closed_bytes_max=closed_bytes_max, days=self._limits.days, now_milliseconds=now)

    def stop(self) -> None:
        """Let go of the file: the next start goes on with it. Raises OSError."""
        if self._open is not None:
            descriptor, self._open = self._open.descriptor, None
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _groups(self, lines: Sequence[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
        """The lines in groups that each fit into the file that is open by then."""
        group: list[tuple[str, bytes]] = []
        size_bytes = self._size_bytes()
        for decision_id, line in lines:
            if size_bytes + len(line) > self._limits.file_bytes_max and size_bytes > 0:
                if group:
                    yield group
                self._close()
                self.tidy()
                group, size_bytes = [], 0
            group.append((decision_id, line))
            size_bytes += len(line)
        if group:
            yield group

    def _size_bytes(self) -> int:
        return self._open.size_bytes if self._open is not None else 0

    def _append(self, lines: Sequence[tuple[str, bytes]]) -> None:
        moments = [milliseconds_of(decision_id) for decision_id, _ in lines]
        file = self._open or self._begin(moments[0])
        for moment in moments:
            file.note(moment)
        data = b"".join(line for _, line in lines)
        if file.is_torn:
            data = b"\n" + data
        file.is_torn = True
        try:
            _write_whole(file.descriptor, data)
        except OSError:
            os.ftruncate(file.descriptor, file.size_bytes)
            raise
        file.is_torn = False
        file.size_bytes += len(data)
        self.lines_written += len(lines)

    def _begin(self, first_milliseconds: int) -> _Open:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        number = max((file.number for file in files_in(self._folder)), default=0) + 1
        path = open_path(self._folder, number, first_milliseconds)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._open = _Open(descriptor, path, number, first_milliseconds, first_milliseconds, 0, self._now_milliseconds())
        return self._open

    def _close(self) -> None:
        """Nothing is added to the open file any more, and its name says so."""
        if self._open is None:
            return
        file = self._open
        self.stop()
        file.path.rename(closed_path(self._folder, file.number, file.first_milliseconds, file.last_milliseconds))

    def _drop_if_removed(self) -> None:
        """Whoever deletes files by hand, as for a person who asked for it, may delete the one that is written too."""
        if self._open is not None and os.fstat(self._open.descriptor).st_nlink == 0:
            os.close(self._open.descriptor)
            self._open = None


def _write_whole(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _reopen(file: LogFile) -> _Open:
    """An unfinished file with the instants of its ids; a kill may have torn its last line."""
    moments = [file.first_milliseconds]
    ends_whole = True
    with file.path.open("rb") as lines:
        for line in lines:
            found = _ID.match(line)
            if found is not None:
                moments.append(milliseconds_of(found[1].decode()))
            ends_whole = line.endswith(b"\n")
    descriptor = os.open(file.path, os.O_WRONLY | os.O_APPEND)
    return _Open(
        descriptor,
        file.path,
        file.number,
        min(moments),
        max(moments),
        os.fstat(descriptor).st_size,
        began_milliseconds=file.first_milliseconds,
        is_torn=not ends_whole,
    )
