"""Batch evaluation: channel decisions a second on one core, from the request's bytes to the answer's."""

import asyncio
import json
import random
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import loop_seconds, median, show
from benchmarks.population import CHANNELS, ENVIRONMENT_NAME, SECRET, TENANT, WORKFLOW, recipient
from benchmarks.servers import our_server, prepare
from services.bootstrap import Node, build_node
from services.evaluation.asked import parse_asked, parse_recipients
from services.evaluation.evaluator import Evaluator
from services.evaluation.own_sets import own_rows
from services.http.json_body import parse_object
from services.queries import Queries
from services.settings import Settings

RECIPIENTS = 1_000
BATCHES = 30
LOOP_TURNS = 20_000
UNDISTURBED_SHARE = 1 / 3


class Timed(NamedTuple):
    """A batch's processor time, and that of an empty loop right before or after it, whichever took longer.

    Whoever shares the core with this machine slows both.
    """

    seconds: float
    loop_seconds: float


def read_seconds(node: Node, holders: int) -> float:
    """The bare cost of a batch: to read its recipients' rows, by processor time."""
    ledger = node.ledgers[ENVIRONMENT_NAME]
    pick = random.Random(12)
    times: list[float] = []
    for _ in range(BATCHES):
        streams = [ledger.secrets.stream_key(recipient(pick.randrange(holders))) for _ in range(RECIPIENTS)]
        begun = time.process_time()
        ledger.views.reader.read_now(partial(own_rows, streams=streams))
        times.append(time.process_time() - begun)
    return median(times)


async def batch_seconds(folder: Path, holders: int, rounds: int) -> tuple[list[Timed], float]:
    """Processor time of batches, each of recipients drawn anew, with three stored layers around every decision.

    And of the bare statement that reads a batch's rows.
    """
    node = build_node(Settings(data=folder, secret=SECRET))
    ledger = node.ledgers[ENVIRONMENT_NAME]
    node.start()
    while not ledger.readiness.checks()["ready"]:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.05)
    evaluator = Evaluator(ledger, Queries(ledger, wait_seconds=5.0))
    pick = random.Random(11)
    found: list[Timed] = []
    for _ in range(BATCHES * (rounds + 1)):
        question = {
            "recipients": [str(recipient(pick.randrange(holders))) for _ in range(RECIPIENTS)],
            "workflow": WORKFLOW,
            "tenant": TENANT,
            "channels": list(CHANNELS),
        }
        body = json.dumps(question).encode()
        loop_before = loop_seconds(LOOP_TURNS)
        started = time.process_time()
        asked = parse_object(body)
        answer = await evaluator.many(
            parse_asked(asked, "recipients"), parse_recipients(asked["recipients"]), lambda error: str(error)
        )
        took = time.process_time() - started
        found.append(Timed(took, max(loop_before, loop_seconds(LOOP_TURNS))))
        if answer.count(b'"decided_by":{') < RECIPIENTS:
            raise RuntimeError("the answers name no deciding leaves")
    read = read_seconds(node, holders)
    await node.stop()
    return found[BATCHES:], read


def run(folder: Path, holders: int, rounds: int) -> None:
    """The line of batch evaluation."""
    data = folder / f"ledger-{holders}"
    prepare(data, holders)
    with our_server(data):
        pass  # The views are made once.
    found, read = asyncio.run(batch_seconds(data, holders, rounds))
    decisions = RECIPIENTS * len(CHANNELS)
    undisturbed = sorted(found, key=lambda timed: timed.loop_seconds)[: int(len(found) * UNDISTURBED_SHARE)]
    least = median([timed.seconds for timed in undisturbed])
    usual = median([timed.seconds for timed in found])
    show(
        f"batch evaluation, {RECIPIENTS:,} random recipients of {holders:,}, layers of environment, tenant and recipient, "
        f"{len(CHANNELS)} channels: {decisions / least:,.0f} channel decisions a second of processor time (bar 300,000) in "
        f"the third of the batches beside which an empty loop took least, {decisions / usual:,.0f} in all of them; "
        f"{read / usual:.0%} of it is the bare statement that reads the recipients' rows"
    )
