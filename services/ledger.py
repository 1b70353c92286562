"""One environment's ledger on this node: its log, views, keys, and the way in and out of them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from uuid import uuid4

from domain.event import LedgerOpened, Provenance
from domain.holder import ENVIRONMENT
from domain.json_value import JsonValue
from projections.checkpoint import Checkpoint
from projections.fold_batch import LogDisagrees
from projections.projector import Progress, State
from projections.skips import SkipSet
from projections.state import PresentState
from schemas.codec import Draft, encode
from schemas.record import NewRecord
from services.bulk import BulkRunner
from services.cloud_events import headers_of
from services.decisions.log import DecisionLog
from services.decisions.writer import Limits
from services.identifiers import new_event_id
from services.keys import ApiKey, Credential, key_id_of, key_of, matches
from services.log.port import EventLog, LogUnavailable, LogUnfit, Stored
from services.observability.context import about
from services.observability.counts import LedgerCounts
from services.observability.ledger_observer import LedgerObserver
from services.observability.observed_log import ObservedLog
from services.observability.parked_watch import ParkedWatch
from services.observability.traces import LedgerTraces
from services.opt_out_clock.clock import OptOutClock
from services.publisher import Publisher
from services.readiness import Readiness
from services.rebuilder import Rebuilder
from services.remaker import Remaker
from services.replay import JobSlot
from services.replayer import Replayer
from services.secrets import SecretMismatch, Secrets
from services.settings import Settings
from services.source import LogSource
from services.turns import Turns
from services.user_tokens import SigningKey, parse_public_key
from services.verifier import Verifier
from services.views import Views

START_RETRY_SECONDS = 1.0
BOUNDS_TIMEOUT_SECONDS = 5.0
BULK_TAKEOVER_SECONDS = 5.0

log = logging.getLogger(__name__)


def now_milliseconds() -> int:
    """Unix time by this node's clock: what an event claims when its publisher claims nothing."""
    return time.time_ns() // 1_000_000


class Ledger:
    """Everything of one environment. Nothing of another environment is reachable from here."""

    def __init__(
        self,
        environment: str,
        event_log: EventLog,
        secrets: Secrets,
        folder: Path,
        settings: Settings,
        traces: LedgerTraces | None = None,
    ) -> None:
        self.environment = environment
        self.secrets = secrets
        self.counts = LedgerCounts()
        self.log = ObservedLog(traces.around(event_log) if traces is not None else event_log, self.counts)
        self._bootstraps = settings.kafka is None or settings.admin_key is not None
        self.readiness = Readiness(
            self._present_progress,
            settings.lag_records_max,
            ready_stale_seconds_max=settings.ready_stale_seconds_max,
        )
        self.opt_out_clock = OptOutClock(folder, self.readiness.is_answering)
        observer = LedgerObserver(self.readiness.is_answering, self.counts, self.opt_out_clock, traces)
        self.views = Views(folder, LogSource(event_log, follows=True), self._accept, self._make_anew, observer)
        slot = JobSlot()
        self.remaker = Remaker(self.views, LogSource(event_log), slot)
        self.rebuilder = Rebuilder(self.views, LogSource(event_log), slot)
        self.verifier = Verifier(self.views, LogSource(event_log), slot)
        self.replayer = Replayer(environment, self.views, LogSource(event_log), slot)
        self.turns = Turns()
        self.publisher = Publisher(
            self.log,
            lambda: self.views.reader,
            self.views.watcher,
            self.readiness,
            self.turns,
            source=f"/ledger/{environment}",
            append_timeout_seconds=settings.append_timeout_seconds,
            wait_seconds=settings.wait_seconds,
        )
        self.bulk = BulkRunner(
            environment,
            secrets,
            event_log,
            self.views,
            self.publisher,
            # An embedded log has no other node.
            takeover_seconds=0 if settings.kafka is None else BULK_TAKEOVER_SECONDS,
        )
        self.decisions = DecisionLog(
            folder / "decisions",
            environment,
            settings.decision_log,
            Limits(
                file_bytes_max=settings.decision_log_file_bytes_max,
                bytes_max=settings.decision_log_bytes_max,
                days=settings.decision_log_days,
            ),
        )
        self.environment_stream = secrets.stream_key(ENVIRONMENT)
        self.parked = ParkedWatch(self.views, self.environment_stream)
        self._trouble: str | None = None
        self.is_ending = False
        """Set as soon as the node is told to stop: an answer that would go on for ever ends then."""
        self._task: asyncio.Task[None] | None = None
        self._keys: dict[str, ApiKey] = {}
        self._keys_offset: int | None = None
        self._signing_keys: Mapping[str, SigningKey] | None = None
        self._signing_keys_offset: int | None = None

    @property
    def progress(self) -> Progress:
        """How the projector is doing, or why it has not begun."""
        return self._present_progress()

    def _present_progress(self) -> Progress:
        progress = self.views.progress
        if self._trouble is not None and progress.state is State.STARTING:
            progress.trouble = self._trouble
        return progress

    def start(self) -> None:
        """Reach the log, in the background and for as long as it takes, then follow it."""
        self.decisions.start()
        with about(self.environment):
            self._task = asyncio.create_task(self._start(), name=f"start {self.environment}")

    async def stop(self) -> None:
        """Stop in bounded time: first the projector, then the log. A part that fails to stop keeps no other from it."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        async with AsyncExitStack() as last_first:
            jobs = (self.verifier.cancel, self.rebuilder.cancel, self.replayer.cancel, self.remaker.stop)
            stores = (self.decisions.stop, self.log.stop, self.opt_out_clock.stop)
            for stop in (*stores, self.views.stop, *jobs, self.parked.stop, self.bulk.stop):
                last_first.push_async_callback(stop)

    async def _start(self) -> None:
        try:
            await self._until_done(self.log.start)
            if self._bootstraps:
                # A step of its own: a log that is started must not be started again.
                await self._until_done(self.open)
            self._trouble = None
            await self.opt_out_clock.start(lambda: self.views.reader)
            self.views.start()
            self.bulk.start()
            self.parked.start()
        except Exception as error:
            # A bug, most likely. The other environments go on, and this one says that it does not.
            self.views.progress.state = State.STOPPED
            self.views.progress.trouble = f"the environment could not be started: {str(error) or type(error).__name__}"
            log.exception("environment %s could not be started", self.environment)

    async def _until_done(self, step: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await step()
                return
            except (LogUnavailable, LogUnfit) as error:
                # Either may be mended while the node runs: a broker comes up, an operator changes a setting.
                if str(error) != self._trouble:
                    log.warning("environment %s: %s", self.environment, error)
                self._trouble = str(error)
                await asyncio.sleep(START_RETRY_SECONDS)

    async def open(self) -> bool:
        """Append the first record if the log is empty; whether it was. Raises LogUnavailable."""
        bounds = await self.log.bounds(timeout_seconds=BOUNDS_TIMEOUT_SECONDS)
        if bounds.end > 0:
            return False
        draft = Draft(
            event_id=new_event_id(),
            stream=self.environment_stream,
            content_key=self.secrets.content_key,
            holder=ENVIRONMENT,
            body=LedgerOpened(str(uuid4()), 1, now_milliseconds(), self.secrets.check),
            occurred_at_milliseconds=now_milliseconds(),
            provenance=Provenance(method="bootstrap"),
        )
        record = NewRecord(draft.stream, encode(draft).value, headers_of(draft, f"/ledger/{self.environment}"))
        (outcome,) = await self.log.append([record], timeout_seconds=BOUNDS_TIMEOUT_SECONDS)
        if not isinstance(outcome, Stored):
            raise LogUnavailable(f"the ledger could not be opened: {outcome.reason}")
        return True

    def _accept(self, checkpoint: Checkpoint) -> None:
        try:
            self.secrets.verify(checkpoint.secret_check)
        except SecretMismatch as error:
            # In the projector's own words: a wrong secret is no bug, and needs no traceback.
            raise LogDisagrees(str(error)) from None

    def _make_anew(self, skips: SkipSet) -> None:
        self.replayer.remove_outdated()
        self.remaker.start(skips)

    def api_keys(self) -> Mapping[str, ApiKey]:
        """The keys as of the present view; read again whenever the environment's stream has moved."""
        checkpoint = self.views.progress.checkpoint
        if checkpoint is None:
            return {}
        if self._keys_offset != checkpoint.environment_offset:
            rows = self.views.reader.read_now(
                lambda connection: PresentState(connection).items(self.environment_stream, "key:")
            )
            self._keys = {key.key_id: key for key in (key_of(item, row.stored.leaves) for item, row in rows.items())}
            self._keys_offset = checkpoint.environment_offset
        return self._keys

    def key_behind(self, token: str) -> ApiKey | None:
        """The valid key of this environment, secret or public, that this token is."""
        key = self.api_keys().get(key_id_of(token) or "")
        return key if key is not None and matches(key, token) else None

    def credential_of(self, token: str) -> Credential | None:
        """Whose token this is; None where it is no valid secret key of this environment."""
        key = self.key_behind(token)
        return Credential(f"key:{key.key_id}", key.scopes) if key is not None and key.kind == "secret" else None

    def signing_keys(self) -> Mapping[str, SigningKey] | None:
        """The keys that check user tokens; None where there never was one, so that no token is asked for.

        Once there was one, a token is needed for good: taking the last key away must not open the door.
        """
        checkpoint = self.views.progress.checkpoint
        if checkpoint is None:
            return {}
        if self._signing_keys_offset != checkpoint.environment_offset:
            rows = self.views.reader.read_now(
                lambda connection: PresentState(connection).items(self.environment_stream, "signing_key:")
            )
            pems = {
                item.removeprefix("signing_key:"): row.stored.leaves.get("/public_key_pem") for item, row in rows.items()
            }
            keys = {key_id: SigningKey(key_id, parse_public_key(pem)) for key_id, pem in pems.items() if pem is not None}
            self._signing_keys = keys if rows else None
            self._signing_keys_offset = checkpoint.environment_offset
        return self._signing_keys

    def draft_evidence(self, request_id: str) -> dict[str, JsonValue]:
        """What an event keeps of the request that brought it."""
        return {"request_id": request_id}
