"""Running a node: a socket, the application, the ledgers behind it, and the order in which they stop."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType

import uvicorn
import uvloop

from domain.event import Provenance
from domain.holder import ENVIRONMENT
from services.bootstrap import Node, build_node
from services.commands import Request, draft_of
from services.errors import ServiceError
from services.http.app import create_app
from services.http.evaluate import ONE
from services.http.quick_protocol import protocol_with
from services.keys import Scope, new_key
from services.ledger import Ledger
from services.observability.logs import log_every_failure
from services.observability.traces import NodeTraces
from services.settings import Settings

DRAIN_SECONDS = 10
LIVE_SECONDS_MAX = 60.0
LIVE_STEP_SECONDS = 0.02
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048
THREAD_SWITCH_SECONDS = 0.0005
"""The projector folds in a thread of its own; at CPython's 5 ms a question could wait that long for its turn."""

Announce = Callable[[Node, str, Mapping[str, str]], None]
"""Told the node, its URL, and the first admin keys that were issued, by environment."""

log = logging.getLogger(__name__)


class AddressUnusable(Exception):
    """The address can't be listened on. The text says what to do."""


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises AddressUnusable."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressUnusable(
            f"{settings.host}:{settings.port} can't be listened on ({error.strerror}): stop what uses the port, "
            "or choose another with --port or PREFLEDGER_PORT"
        ) from None
    listener.setblocking(False)
    return listener


def run(settings: Settings, announce: Announce, traces: NodeTraces | None = None) -> None:
    """Serve until a signal. Raises AddressUnusable, and what `build_node` raises."""
    listener = listen(settings)
    try:
        node = build_node(settings, traces)
    except BaseException:
        listener.close()
        raise
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(node, settings, listener, announce, traces))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, begin_to_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._begin_to_stop = begin_to_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a signal handler
        """Without keeping the signal: uvicorn would raise it again at the end, before the log and the views are closed."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        self._begin_to_stop()


async def _serve(
    node: Node, settings: Settings, listener: socket.socket, announce: Announce, traces: NodeTraces | None
) -> None:
    app = create_app(node.ledgers, settings)
    await app.make_routes()
    # Only what passes the application has a span.
    quick = (ONE, app.evaluate.at_once) if traces is None else ()
    config = uvicorn.Config(
        app if traces is None else traces.app(app),
        http=protocol_with(settings.body_timeout_seconds, *quick),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # Nothing here looks at the client's address.
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        log_level=settings.log_level,
    )
    server = _Server(config, node.begin_to_stop)
    log_every_failure(asyncio.get_running_loop())
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    node.start()
    introduction = asyncio.create_task(_introduce(node, settings, lambda keys: announce(node, url, keys)))
    try:
        await server.serve(sockets=[listener])
    finally:
        introduction.cancel()
        try:
            await node.stop()
        finally:
            if traces is not None:
                await traces.close()


async def _introduce(node: Node, settings: Settings, announce: Callable[[Mapping[str, str]], None]) -> None:
    """Once it is known how each environment fares, issue first keys of embedded ledgers, and say where everything is."""
    keys: dict[str, str] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(LIVE_SECONDS_MAX):
            while not all(_is_settled(ledger) for ledger in node.ledgers.values()):  # noqa: ASYNC110
                await asyncio.sleep(LIVE_STEP_SECONDS)
            if settings.kafka is None and settings.admin_key is None:
                await _issue_first_keys(node, keys)
    announce(keys)
    # What lives from here to the end need not be looked at by every collection.
    gc.collect()
    gc.freeze()


def _is_settled(ledger: Ledger) -> bool:
    """Whether waiting longer tells nothing new: the environment is ready, or something is wrong with it."""
    return ledger.readiness.is_ready() or ledger.readiness.trouble() is not None


async def _issue_first_keys(node: Node, keys: dict[str, str]) -> None:
    """Into `keys` as they are issued: each is shown, even when the next one takes too long."""
    for environment, ledger in node.ledgers.items():
        if not ledger.readiness.is_ready():
            continue
        try:
            token = await first_key(ledger)
        except ServiceError as error:
            log.warning("environment %s got no first admin key; restart the node to try again: %s", environment, error)
        else:
            if token is not None:
                keys[environment] = token


async def first_key(ledger: Ledger) -> str | None:
    """An admin key, if the environment never had any key at all."""
    if ledger.api_keys():
        return None
    fresh = new_key(ledger.secrets, "first admin key", "secret", frozenset({Scope.ADMIN}))
    draft = draft_of(ledger, ENVIRONMENT, fresh.issued, Request(Provenance(actor="operator", method="bootstrap")))
    await ledger.publisher.publish_one(draft)
    return fresh.token
