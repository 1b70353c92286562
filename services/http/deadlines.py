"""Deadlines for very many short waits: one timer for all, so that a wait which ends at once costs next to nothing.

`asyncio.timeout` sets and cancels a timer for each wait; on the hot path that was an eighth of a request.
"""

import asyncio

SWEEP_SECONDS = 1.0


class Deadlines:
    """Cancels tasks still watched when their time is up, to within `SWEEP_SECONDS`. For one event loop at a time."""

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, task: "asyncio.Task[object]", seconds: float) -> None:
        """Cancel this task unless `unwatch` comes in time."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._due, self._late, self._loop, self._timer = {}, set(), loop, None
        self._due[task] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    def unwatch(self, task: "asyncio.Task[object]") -> bool:
        """The wait is over; whether that is because its time was up. The task's cancellation is then ours to take back."""
        self._due.pop(task, None)
        if task not in self._late:
            return False
        self._late.remove(task)
        task.uncancel()
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task in [task for task, due in self._due.items() if due <= now]:
            del self._due[task]
            self._late.add(task)
            task.cancel()
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if self._due else None
