"""Everything that a node says of its ledger, to be compared with what another says of the same."""

import json
import time
from dataclasses import dataclass
from typing import Any, Final

from tests.integration.http.api import Api, set_path

HANG_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02

Json = Any


@dataclass(frozen=True)
class Told:
    """The whole feed, the sets of every user in it, and the digest of a rebuild that agreed with the live views."""

    feed: list[Json]
    sets: dict[str, Json]
    position: str
    digest: str

    def applied(self) -> list[Json]:
        """The feed's applied rows, in order."""
        return [row for row in self.feed if row["outcome"] == "applied"]


def feed_of(api: Api) -> list[Json]:
    """Every record's row."""
    response = api.request("GET", "/events")
    assert response.status_code == 200, response.text[:1000]
    return [json.loads(line) for line in response.text.split("\n") if line]


def tell(api: Api) -> Told:
    """Ask for everything. Nothing may be written meanwhile."""
    feed = feed_of(api)
    users = sorted({row["holder"] for row in feed if (row["holder"] or "").startswith("user:")})
    sets = {user: {name: v for name, v in api.get(set_path(user)).items() if name != "stale_seconds"} for user in users}
    return Told(feed, sets, api.position(), rebuilt_digest(api))


def rebuilt_digest(api: Api, timeout_seconds: float = HANG_SECONDS) -> str:
    """Rebuild the views. Fails where they say something else than the live ones, which the node compares by itself."""
    api.ok("POST", "/rebuild", status=202)
    deadline = time.monotonic() + timeout_seconds
    while (found := api.get("/rebuild"))["phase"] not in ("done", "failed", "cancelled"):
        assert time.monotonic() < deadline, f"the rebuild does not end: {found}"
        time.sleep(POLL_SECONDS)
    assert found["phase"] == "done", f"the views are not those of a fresh fold: {found['trouble']}"
    digest: str = found["digest"]
    assert digest
    return digest
