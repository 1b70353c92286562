"""What the rest of the node knows of tracing: it may be there, and then it looks on. Imports nothing of the SDK."""

from typing import Protocol

from projections.observer import FoldedBatch
from services.http.asgi import AsgiApp
from services.log.port import EventLog


class LedgerTraces(Protocol):
    """One ledger, traced."""

    def around(self, log: EventLog) -> EventLog:
        """The log, with a span for each append, which its records carry on."""

    def folded(self, batch: FoldedBatch) -> None:
        """A span for a batch that is in the views."""


class NodeTraces(Protocol):
    """A node, traced."""

    def ledger(self, environment: str, system: str) -> LedgerTraces:
        """One environment's part. `system` is what keeps its log: `kafka` or `sqlite`."""

    def app(self, inner: AsgiApp) -> AsgiApp:
        """The application, with a span for each request."""

    async def close(self) -> None:
        """Send what is left, in bounded time."""
