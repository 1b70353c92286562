"""Writers that go on whatever happens to their node, and the account that they keep of what they were told."""

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx

from tests.integration.http.api import PREFIX
from tests.server_process import ServerProcess

HOLDERS: Final = 4
BATCH_MAX: Final = 8
PAUSE_SECONDS: Final = 0.002
AFTER_A_FAILURE_SECONDS: Final = 0.02
ANSWER_SECONDS_MAX: Final = 20.0
JOIN_SECONDS_MAX: Final = 30.0

Json = Any


@dataclass(slots=True)
class Account:
    """What one writer has said and heard. Ids of events; `sent` has what each would leave behind."""

    sent: dict[str, Json] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The positions that the ledger answered."""
    versions: dict[str, int] = field(default_factory=dict)
    """The versions that it answered to events of batches; to a PUT it answers that of the set which it shows."""
    failures: int = 0
    refusals: list[str] = field(default_factory=list)
    """Answers that no kill explains."""


class Writer(threading.Thread):
    """Replaces whole sets of a few holders that all writers share, one by one and in batches, until told to end.

    After an answer that never came it does one of the two things that a publisher can do: send the same again, or not.
    """

    def __init__(self, server: ServerProcess, seed: int, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self.account = Account()
        self._server = server
        self._random = random.Random(seed)
        self._ending = ending

    def run(self) -> None:
        with httpx.Client(
            base_url=self._server.url + PREFIX,
            headers=self._server.headers,
            timeout=ANSWER_SECONDS_MAX,
            trust_env=False,
            verify=False,
        ) as client:
            while not self._ending.is_set():
                self._write(client)
                time.sleep(PAUSE_SECONDS)

    def _write(self, client: httpx.Client) -> None:
        if self._random.random() < 0.5:
            events = [self._event() for _ in range(self._random.randint(1, BATCH_MAX))]
            self._insist(client, "POST", "/events", {"events": events}, {})
        else:
            event = self._event()
            path = f"/holders/{event['holder']}/preferences/default"
            self._insist(client, "PUT", path, event["preferences"], {"Idempotency-Key": event["event_id"]})

    def _event(self) -> Json:
        event_id = str(uuid4())
        preferences = {"workflows": {event_id: {"enabled": self._random.random() < 0.5}}}
        holder = f"user:{self._random.randrange(HOLDERS)}"
        return {"type": "PreferenceSetReplaced", "event_id": event_id, "holder": holder, "preferences": preferences}

    def _insist(self, client: httpx.Client, method: str, path: str, body: Json, headers: dict[str, str]) -> None:
        for event in body.get("events", ()):
            self.account.sent[event["event_id"]] = event["preferences"]
        while not self._ending.is_set():
            try:
                response = client.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                self.account.failures += 1
                time.sleep(AFTER_A_FAILURE_SECONDS)
                if self._random.random() < 0.1:
                    return
                continue
            if response.status_code != 503:
                self._hear(response, body)
                return
            time.sleep(AFTER_A_FAILURE_SECONDS)

    def _hear(self, response: httpx.Response, body: Json) -> None:
        if response.status_code != 200:
            self.account.refusals.append(response.text)
            return
        answer = response.json()
        for result in answer.get("results", [answer]):
            if result["outcome"] == "applied":
                self.account.acknowledged[result["event_id"]] = result["position"]
                if "results" in answer:
                    self.account.versions[result["event_id"]] = result["version"]
                else:
                    self.account.sent[result["event_id"]] = body
            elif result["outcome"] != "failed" or result["problem"]["status"] != 503:
                self.account.refusals.append(response.text)


class Crowd:
    """Several writers at once."""

    def __init__(self, server: ServerProcess, count: int, seed: int) -> None:
        self._ending = threading.Event()
        self._writers = [Writer(server, seed + number, self._ending) for number in range(count)]

    def start(self) -> None:
        for writer in self._writers:
            writer.start()

    def end(self) -> Account:
        """Stop, and put all accounts together."""
        self._ending.set()
        whole = Account()
        for writer in self._writers:
            writer.join(JOIN_SECONDS_MAX)
            assert not writer.is_alive(), "a writer waits for ever for an answer"
            whole.sent |= writer.account.sent
            whole.acknowledged |= writer.account.acknowledged
            whole.versions |= writer.account.versions
            whole.failures += writer.account.failures
            whole.refusals += writer.account.refusals
        return whole
