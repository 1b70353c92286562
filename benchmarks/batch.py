"""Batch evaluation: channel decisions a second on one core, from the request's bytes to the answer's."""

import asyncio
import json
import random
import time
from pathlib import Path

from benchmarks.machine import median, show
from benchmarks.population import CHANNELS, ENVIRONMENT_NAME, SECRET, TENANT, WORKFLOW, recipient
from benchmarks.servers import our_server, prepare
from services.bootstrap import build_node
from services.evaluation.asked import parse_asked, parse_recipients
from services.evaluation.evaluator import Evaluator
from services.http.json_body import parse_object
from services.queries import Queries
from services.settings import Settings

RECIPIENTS = 1_000
BATCHES = 30


async def decisions_a_second(folder: Path, holders: int, rounds: int) -> list[float]:
    """Rounds of batches, each of recipients drawn anew, with three stored layers around every decision."""
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
    await node.stop()
    return found[1:]


def run(folder: Path, holders: int, rounds: int) -> None:
    """The line of batch evaluation."""
    data = folder / f"ledger-{holders}"
    prepare(data, holders)
    with our_server(data):
        pass  # The views are made once.
    found = asyncio.run(decisions_a_second(data, holders, rounds))
    show(
        f"batch evaluation, {RECIPIENTS:,} random recipients of {holders:,}, layers of environment, tenant and recipient, "
        f"{len(CHANNELS)} channels: {median(found):,.0f} channel decisions a second of processor time (bar 300,000)"
    )
