"""The decision log of one environment: answers go in without waiting, and are found again by their ids.

A thread of its own writes, behind a bounded queue. Nothing that goes wrong with a disk gets in an evaluation's way: what
can't be kept is counted and left out.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

from services.decisions.line import (
    LINE_OVERHEAD_BYTES_MAX,
    Logged,
    decision_id_of,
    is_sampled,
    line_of,
    threshold_of,
)
from services.decisions.reader import find
from services.decisions.writer import DecisionWriter, Limits
from services.errors import NotReady

QUEUE_BYTES_MAX = 64 * 1024 * 1024
QUEUE_LINES_MAX = 100_000
WRITE_LINES_MAX = 1_000
GATHER_SECONDS = 0.05
"""How long a line waits for others, so that a busy node writes a few times a second and not once an answer."""

TIDY_SECONDS = 60.0
WARN_SECONDS = 3_600.0
FLUSH_SECONDS_MAX = 5.0
FLUSH_STEP_SECONDS = 0.01
FIND_SECONDS_MAX = 10.0
FINDS_AT_ONCE_MAX = 2
STOP_SECONDS_MAX = 10.0

log = logging.getLogger(__name__)


class Lost(StrEnum):
    """Why an answer is not in the log."""

    QUEUE_FULL = "queue_full"
    TOO_LARGE = "too_large"
    WRITE_FAILED = "write_failed"


_Entry = tuple[bytes, str, bytes, bytes]
"""Decision id, who asked, question, answer."""


class DecisionLog:
    """Keeps a share of the answers in a folder; a share of 0 keeps none, and still finds what was kept before."""

    def __init__(
        self, folder: Path, environment: str, share: float, limits: Limits, *, queue_bytes_max: int = QUEUE_BYTES_MAX
    ) -> None:
        self.folder = folder
        self.share = share
        self.limits = limits
        self.is_on = share > 0
        self.lost = dict.fromkeys(Lost, 0)
        self._environment = environment
        self._threshold = threshold_of(share)
        self._queue_bytes_max = queue_bytes_max
        self._queue: deque[_Entry] = deque()
        # Each of these is written by one thread only: the one that puts in, or the one that takes out.
        self._put_bytes = self._taken_bytes = 0
        self._put = self._taken = 0
        self._writer = DecisionWriter(folder, limits)
        self._warned_at_seconds: dict[Lost, float] = {}
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        # Of its own: a disk that hangs must not hold up what others do beside the event loop.
        self._finders = ThreadPoolExecutor(FINDS_AT_ONCE_MAX, "decisions-find")

    @property
    def lines_written(self) -> int:
        """How many lines this process has written."""
        return self._writer.lines_written

    def start(self) -> None:
        """Begin to write. Without a share, what is there is still removed when it is old enough."""
        if self.is_on or self.folder.exists():
            self._thread = threading.Thread(target=self._run, name=f"decisions {self._environment}", daemon=True)
            self._thread.start()

    async def stop(self) -> None:
        """Write what waits, and close the file, in bounded time."""
        self._finders.shutdown(wait=False)
        self._stopping.set()
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, thread.join, STOP_SECONDS_MAX)
            if thread.is_alive():
                log.error("environment %s: the decision log's disk hangs; its last lines may be lost", self._environment)

    def keep(self, asked_by: str, question: bytes, answer: bytes) -> None:
        """Remember an answer, if its id is in the sample. For use on one thread; never waits for a disk."""
        decision_id = decision_id_of(answer)
        if not is_sampled(decision_id, self._threshold):
            return
        size_bytes = _size_bytes(question, answer)
        if size_bytes > self.limits.file_bytes_max:
            self._lose(Lost.TOO_LARGE, "one is larger than a file may be")
            return
        if self._put_bytes - self._taken_bytes + size_bytes > self._queue_bytes_max or len(self._queue) >= QUEUE_LINES_MAX:
            self._lose(Lost.QUEUE_FULL, "they come faster than the disk takes them")
            return
        self._put_bytes += size_bytes
        self._put += 1
        self._queue.append((decision_id, asked_by, question, answer))
        if not self._wake.is_set():
            self._wake.set()

    async def find(self, decision_id: str) -> Logged | None:
        """The line with this id, if it is still kept. Raises NotReady where the disk does not answer in time."""
        await self._flush()
        is_given_up = threading.Event()
        try:
            async with asyncio.timeout(FIND_SECONDS_MAX):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._finders, find, self.folder, decision_id, is_given_up.is_set)
        except TimeoutError:
            raise NotReady(
                f"the decision log could not be read within {FIND_SECONDS_MAX:g} seconds: try again, and look at the "
                "node's disk if that does not help"
            ) from None
        except OSError as error:
            raise NotReady(f"the decision log can't be read ({error.strerror}): look at the node's disk") from None
        finally:
            is_given_up.set()

    def why_absent(self, decision_id: str) -> str:
        """A sentence for whoever asked for a decision that is not here."""
        if not self.is_on:
            return (
                "this node's decision log is off (PREFLEDGER_DECISION_LOG is 0), so it keeps no answers; "
                "ask the node that gave this one"
            )
        if not is_sampled(decision_id, self._threshold):
            return (
                f"this node's decision log keeps a share of {self.share:g} of all answers (PREFLEDGER_DECISION_LOG), "
                "and by its id this one is not among them"
            )
        return (
            "this node's decision log has no such answer: another node or environment gave it, or it was rotated away "
            f"(answers are kept for {self.limits.days} days and {self.limits.bytes_max} bytes)"
        )

    async def _flush(self) -> None:
        """Wait for what was put in so far: somebody may ask for a decision right after it was made."""
        put = self._put
        deadline = time.monotonic() + FLUSH_SECONDS_MAX
        while self._taken < put and self._thread is not None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(FLUSH_STEP_SECONDS)

    def _run(self) -> None:
        self._try(self._writer.resume)
        tidied_at_seconds = time.monotonic()
        while not self._stopping.is_set():
            if self._wake.wait(TIDY_SECONDS):
                self._stopping.wait(GATHER_SECONDS)
                self._wake.clear()
            self._write_waiting()
            if time.monotonic() - tidied_at_seconds >= TIDY_SECONDS:
                self._try(self._writer.tidy)
                tidied_at_seconds = time.monotonic()
        self._write_waiting()
        self._try(self._writer.stop)

    def _write_waiting(self) -> None:
        while self._queue:
            taken = [self._queue.popleft() for _ in range(min(len(self._queue), WRITE_LINES_MAX))]
            self._write(taken)
            self._taken_bytes += sum(_size_bytes(question, answer) for _, _, question, answer in taken)
            self._taken += len(taken)

    def _write(self, taken: list[_Entry]) -> None:
        lines = [
            (decision_id.decode(), line_of(decision_id, asked_by, question, answer))
            for decision_id, asked_by, question, answer in taken
        ]
        wanted = self._writer.lines_written + len(lines)
        try:
            self._writer.write(lines)
        except Exception as error:
            self._lose(Lost.WRITE_FAILED, error, wanted - self._writer.lines_written)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self._lose(Lost.WRITE_FAILED, error, 0)

    def _lose(self, reason: Lost, why: str | Exception, count: int = 1) -> None:
        """Count what is not kept, and say so now and then: a full disk must not fill the node's log as well."""
        self.lost[reason] += count
        now_seconds = time.monotonic()
        if now_seconds - self._warned_at_seconds.get(reason, -WARN_SECONDS) < WARN_SECONDS:
            return
        self._warned_at_seconds[reason] = now_seconds
        log.warning(
            "environment %s: the decision log does not keep every answer: %s. Evaluations go on; the metric "
            "prefledger_decision_log_lost_total counts",
            self._environment,
            why,
            exc_info=isinstance(why, Exception) and not isinstance(why, OSError),
        )


def _size_bytes(question: bytes, answer: bytes) -> int:
    return len(question) + len(answer) + LINE_OVERHEAD_BYTES_MAX
