"""One node for all modules, an environment of it for each, and the operator's client of that."""

import itertools
from collections.abc import Iterator

import pytest

from tests.integration.http.api import Api
from tests.server_process import ServerProcess

MODULES_MAX = 28

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    environments = ",".join(f"module-{number}" for number in range(MODULES_MAX))
    settings = {"PREFLEDGER_ENVIRONMENTS": environments, "PREFLEDGER_DECISION_LOG": "1"}
    data = tmp_path_factory.mktemp("node") / "data"
    with ServerProcess(data, environment=settings) as process:
        yield process


@pytest.fixture(scope="module")
def server(shared_server: ServerProcess) -> ServerProcess:
    """The module's node. One that needs another has a fixture of this name, and one called `environment`."""
    return shared_server


@pytest.fixture(scope="module")
def environment() -> str | None:
    """An environment in which nobody else writes."""
    return f"module-{next(_numbers)}"


@pytest.fixture(scope="module")
def api(server: ServerProcess, environment: str | None) -> Iterator[Api]:
    client = Api(server, environment=environment)
    yield client
    client.close()
