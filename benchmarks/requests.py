"""What the load generator asks: evaluations, and posts of events, of users at random."""

import json
import random

from benchmarks.load import connect, post
from benchmarks.machine import median
from benchmarks.population import CHANNELS, WORKFLOW, recipient
from benchmarks.servers import ADMIN_KEY

EVALUATE_PATH = "/ledger/v1/evaluate"
EVENTS_PATH = "/ledger/v1/events"


class Requests:
    """Requests of one run, the same ones for the same number of holders."""

    def __init__(self, holders: int) -> None:
        self._random = random.Random(7)
        self._holders = holders

    def evaluation(self) -> bytes:
        """One evaluation, of all four channels."""
        who = recipient(self._random.randrange(self._holders))
        body = {"recipient": str(who), "workflow": WORKFLOW, "channels": list(CHANNELS)}
        return post(EVALUATE_PATH, json.dumps(body).encode(), ADMIN_KEY)

    def events(self, count: int) -> bytes:
        """One post of so many changes."""
        events = [
            {
                "type": "PreferenceSetMerged",
                "holder": str(recipient(self._random.randrange(self._holders))),
                "preferences": {"channel_types": {self._random.choice(CHANNELS): self._random.random() < 0.5}},
            }
            for _ in range(count)
        ]
        return post(EVENTS_PATH, json.dumps({"events": events}).encode(), ADMIN_KEY)


async def answer_size(port: int, requests: Requests) -> int:
    """The size of a typical answer, in bytes."""
    (connection,) = await connect(port, 1)
    sizes = [len(await connection.ask(requests.evaluation())) for _ in range(50)]
    connection.close()
    return int(median(sizes))
