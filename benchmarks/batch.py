"""Batch evaluation: channel decisions a second on one core, from the request's bytes to the answer's."""

import asyncio
import json
import random
import time
from functools import partial
from pathlib import Path

from benchmarks.machine import median, show
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


async def decisions_a_second(folder: Path, holders: int, rounds: int) -> tuple[list[float], float]:
    """Rounds of batches, each of recipients drawn anew, with three stored layers around every decision.

    And the share of a batch that is spent on reading its rows.
    """
    node = build_node(Settings(data=folder, secret=SECRET))
    ledger = node.ledgers[ENVIRONMENT_NAME]
    node.start()
    while not ledger.readiness.checks()["ready"]:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.05)
    evaluator = Evaluator(ledger, Queries(ledger, wait_seconds=5.0))
    pick = random.Random(11)
    found: list[float] = []
    for _ in range(rounds + 1):
        bodies = [
            json.dumps(
                {
                    "recipients": [str(recipient(pick.randrange(holders))) for _ in range(RECIPIENTS)],
                    "workflow": WORKFLOW,
                    "tenant": TENANT,
                    "channels": list(CHANNELS),
                }
            ).encode()
            for _ in range(BATCHES)
        ]
        started = time.process_time()
        for body in bodies:
            asked = parse_object(body)
            answer = await evaluator.many(
                parse_asked(asked, "recipients"), parse_recipients(asked["recipients"]), lambda error: str(error)
            )
            if answer.count(b'"decided_by":{') < RECIPIENTS:
                raise RuntimeError("the answers name no deciding leaves")
        found.append(BATCHES * RECIPIENTS * len(CHANNELS) / (time.process_time() - started))
    batch_seconds = RECIPIENTS * len(CHANNELS) / median(found[1:])
    read_share = read_seconds(node, holders) / batch_seconds
    await node.stop()
    return found[1:], read_share


def run(folder: Path, holders: int, rounds: int) -> None:
    """The line of batch evaluation."""
    data = folder / f"ledger-{holders}"
    prepare(data, holders)
    with our_server(data):
        pass  # The views are made once.
    found, read_share = asyncio.run(decisions_a_second(data, holders, rounds))
    show(
        f"batch evaluation, {RECIPIENTS:,} random recipients of {holders:,}, layers of environment, tenant and recipient, "
        f"{len(CHANNELS)} channels: {median(found):,.0f} channel decisions a second of processor time (bar 300,000); "
        f"{read_share:.0%} of it is the bare statement that reads the recipients' rows"
    )
