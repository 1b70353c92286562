"""Files of events, one JSON object a line: read twice, once to know the file, once to send it in batches.

A line without an `event_id` gets one that follows from the whole file's content and the line's number. So running the
same file again says the same events, which the ledger knows already; and the same line in another file is another event,
because an opt-out that is said again later must count again.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

import click

from services.http.json_body import MalformedJson, parse_json
from services.identifiers import derived_event_id

BATCH_EVENTS_MAX = 1_000
BATCH_BYTES_MAX = 1024 * 1024
"""Half of what a node takes by default; a longer line goes alone."""
SPOOL_BYTES_IN_MEMORY_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a file: the number of its line, from 1, and the event as it is sent."""

    number: int
    event: bytes


@dataclass(frozen=True, slots=True)
class EventFile:
    """An open file and what the first reading found. `lines` counts blank ones too."""

    name: str
    file: IO[bytes]
    sha256: str
    lines: int

    def batches(self) -> Iterator[list[Line]]:
        """The events in order, in batches that a node takes. Raises click.ClickException for a line that is none."""
        self.file.seek(0)
        batch: list[Line] = []
        size = 0
        for number, text in enumerate(self.file, start=1):
            if number > self.lines:
                # Written to the file since it was read first; its ids would not be those of the file as it is now.
                break
            if not text.strip():
                continue
            line = Line(number, self._event(number, text))
            if batch and (len(batch) == BATCH_EVENTS_MAX or size + len(line.event) > BATCH_BYTES_MAX):
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += len(line.event)
        if batch:
            yield batch

    def _event(self, number: int, text: bytes) -> bytes:
        try:
            event = parse_json(text.strip())
        except MalformedJson as error:
            problem = str(error).replace("the body", "the line", 1)
            raise click.ClickException(f"{self.name}, line {number}: {problem}") from None
        if not isinstance(event, dict):
            raise click.ClickException(f"{self.name}, line {number}: an event must be a JSON object")
        if event.get("event_id") is None:
            event["event_id"] = str(UUID(bytes=derived_event_id("publish", self.sha256, str(number))))
        return json.dumps(event, separators=(",", ":")).encode()


@contextmanager
def open_events(name: str) -> Iterator[EventFile]:
    """A file of events; `-` is standard input, kept aside meanwhile. Raises click.ClickException."""
    if name == "-":
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES_IN_MEMORY_MAX) as spool:
            shutil.copyfileobj(sys.stdin.buffer, spool)
            yield _known("standard input", spool)
        return
    with _opened(name) as file:
        yield _known(name, file)


def _opened(name: str) -> IO[bytes]:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise click.ClickException(f"{name} can't be read: {error.strerror}") from None


def _known(name: str, file: IO[bytes]) -> EventFile:
    digest = hashlib.sha256()
    lines = 0
    try:
        file.seek(0)
        for text in file:
            digest.update(text)
            lines += 1
    except OSError as error:
        raise click.ClickException(f"{name} can't be read: {error.strerror}") from None
    return EventFile(name, file, digest.hexdigest(), lines)
