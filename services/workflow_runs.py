"""Questions that came in as workflow triggers, kept so that what was decided can be looked up afterwards.

Only the question is kept, with its position and instant: the answer is computed again from the log's past, the same byte
for byte. It is kept in this node's memory, the latest runs only: a trigger is a question and not an event.
"""

from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from domain.json_value import JsonValue

KEPT_BYTES_MAX = 32 * 1024 * 1024
KEPT_RUNS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """One trigger: the members of an evaluation with `recipients`, `as_of` and `at`, and the request that brought it."""

    environment: str
    question: dict[str, JsonValue]
    request_id: str


class WorkflowRuns:
    """The latest runs of a node, the oldest forgotten first."""

    def __init__(self, bytes_max: int = KEPT_BYTES_MAX, runs_max: int = KEPT_RUNS_MAX) -> None:
        self._bytes_max = bytes_max
        self._runs_max = runs_max
        self._runs: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def keep(self, run_id: str, run: WorkflowRun) -> None:
        """Remember a run under its id."""
        self._drop(run_id)
        encoded = msgspec.json.encode(run)
        self._runs[run_id] = encoded
        self._bytes += len(encoded)
        while self._runs and (self._bytes > self._bytes_max or len(self._runs) > self._runs_max):
            self._drop(next(iter(self._runs)))

    def run(self, run_id: str, environment: str) -> WorkflowRun | None:
        """A run of this environment, if this node still has it."""
        encoded = self._runs.get(run_id)
        if encoded is None:
            return None
        run = msgspec.json.decode(encoded)
        return WorkflowRun(**run) if run["environment"] == environment else None

    def _drop(self, run_id: str) -> None:
        self._bytes -= len(self._runs.pop(run_id, b""))
