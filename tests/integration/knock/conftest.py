"""One server process for all of these tests; what each writes belongs to holders of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from knockapi import AsyncKnock, Knock

from tests.server_process import ServerProcess

_numbers = count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("knock") / "data") as process:
        yield process


@pytest.fixture(params=[False, True], ids=["loose", "strict"])
def knock(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Knock]:
    with Knock(
        base_url=server.url, api_key=server.admin_key, max_retries=0, _strict_response_validation=request.param
    ) as client:
        yield client


@pytest.fixture
async def async_knock(server: ServerProcess) -> AsyncIterator[AsyncKnock]:
    async with AsyncKnock(base_url=server.url, api_key=server.admin_key, max_retries=0) as client:
        yield client


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    """The bare wire, with the operator's key."""
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def new_id() -> Callable[[str], str]:
    """Ids that no other test uses."""
    return lambda kind: f"{kind}-{next(_numbers)}"


@pytest.fixture
def new_key(http: httpx.Client) -> Callable[..., str]:
    def issue(kind: str = "secret", *scopes: str) -> str:
        body = {"name": "test", "kind": kind, "scopes": list(scopes) or ["read", "publish", "evaluate"]}
        answer = http.post("/ledger/v1/keys", json=body)
        answer.raise_for_status()
        key: str = answer.json()["key"]
        return key

    return issue


def history(http: httpx.Client, holder: str) -> list[dict[str, Any]]:
    answer = http.get(f"/ledger/v1/holders/{holder}/history")
    answer.raise_for_status()
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries
