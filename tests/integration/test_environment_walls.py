"""One environment's trouble stays its own; and what a node on a data folder makes, refuses to make, and shows."""

import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.command_line import run, run_process
from tests.server_process import ServerProcess

TWO = {"PREFLEDGER_ENVIRONMENTS": "staging,production"}
NO_ADMIN_KEY = {"PREFLEDGER_ADMIN_KEY": ""}
# Only a hang reaches it; well below the 60 seconds for which a banner waits for environments that are on their way.
BANNER_SECONDS_MAX = 30.0


def damaged(data: Path, *environments: str) -> None:
    """Make the ledgers, then overwrite the logs of these environments."""
    assert run("init", settings={**TWO, "PREFLEDGER_DATA": str(data)}).status == 0
    for environment in environments:
        (data / environment / "log.sqlite").write_bytes(b"no log" * 1_000)


def get(server: ServerProcess, path: str, key: str | None = None, **headers: str) -> httpx.Response:
    bearer = {"Authorization": f"Bearer {key}"} if key is not None else {}
    return httpx.get(server.url + path, headers={**bearer, **headers}, trust_env=False)


def banner(server: ServerProcess) -> str:
    """What the node printed, once it has printed all of it."""
    deadline = time.monotonic() + BANNER_SECONDS_MAX
    while "Try:" not in server.output():
        assert time.monotonic() < deadline, f"a person would wait in vain for the banner: {server.output()}"
        time.sleep(0.02)
    return server.output()


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A node whose environment staging has a damaged log."""
    data = tmp_path_factory.mktemp("half") / "data"
    damaged(data, "staging")
    with ServerProcess(data, environment={**TWO, **NO_ADMIN_KEY}) as server:
        yield server


def test_a_damaged_log_does_not_take_the_other_environments_traffic_away(half: ServerProcess) -> None:
    whole = get(half, "/readyz")
    assert (whole.status_code, whole.json()["ready"]) == (200, True)
    assert [get(half, f"/readyz/{name}").status_code for name in ("production", "staging", "nowhere")] == [200, 503, 404]
    assert get(half, "/readyz/production").json()["ready"] is True


def test_readiness_tells_nobody_of_files(half: ServerProcess) -> None:
    for path in ("/readyz", "/readyz/staging"):
        told = get(half, path).text
        assert "the node's own log says why" in told
        assert str(half.data) not in told
        assert "log.sqlite" not in told
    assert f"{half.data}/staging/log.sqlite is not a log file, or is damaged" in half.output(), "the operator is not told"


@pytest.mark.parametrize("key", ["sk_nobody_nothing", "pk_nobody_nothing"])
@pytest.mark.parametrize("path", ["/ledger/v1/holders", "/v1/users/x/preferences"])
def test_an_invalid_key_is_told_so_beside_an_environment_in_trouble(half: ServerProcess, key: str, path: str) -> None:
    refused = get(half, path, key)
    assert refused.status_code == 401, refused.text
    assert "log.sqlite" not in refused.text
    assert "it belongs to an environment that this node can't serve just now" in refused.text


def test_the_ready_environment_gets_its_first_key(half: ServerProcess) -> None:
    said = banner(half)
    assert "NOT READY           staging: " in said
    ((key, environment),) = re.findall(r"Admin key +(\S+)  \((\w+)\)", said)
    assert environment == "production"
    assert get(half, "/ledger/v1/holders", key).status_code == 200


def test_a_node_with_nothing_but_trouble_says_so_at_once(tmp_path: Path) -> None:
    damaged(tmp_path / "data", "staging", "production")
    with ServerProcess(tmp_path / "data", environment=TWO).start(wait_ready=False) as server:
        said = banner(server)
        assert [name for name in TWO["PREFLEDGER_ENVIRONMENTS"].split(",") if f"NOT READY           {name}: " in said] == [
            "staging", "production",
        ]  # fmt: skip
        assert get(server, "/readyz").status_code == 503
        # No environment is there to say that the key is wrong: it may be a good one.
        refused = get(server, "/ledger/v1/holders", "sk_nobody_nothing")
        assert (refused.status_code, "log.sqlite" in refused.text) == (503, False)


def test_each_environment_gets_a_first_key_once(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", environment={**TWO, **NO_ADMIN_KEY}) as server:
        keys = {environment: key for key, environment in re.findall(r"Admin key +(\S+)  \((\w+)\)", banner(server))}
        assert list(keys) == ["staging", "production"]
        for environment, other in (("staging", "production"), ("production", "staging")):
            key = keys[environment]
            assert get(server, "/ledger/v1/keys", key, **{"Prefledger-Environment": environment}).status_code == 200
            assert get(server, "/ledger/v1/keys", key, **{"Prefledger-Environment": other}).status_code == 403
    server.output_path.unlink()
    with server:
        assert "Admin key" not in banner(server), "a key of a ledger that has one already was issued"


def test_a_lost_first_key_is_replaced(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, environment=NO_ADMIN_KEY) as server:
        (lost,) = re.findall(r"Admin key +(\S+)", banner(server))
    with ServerProcess(data) as server:
        settings = {"PREFLEDGER_URL": server.url, "PREFLEDGER_KEY": server.admin_key}
        fresh = run("keys", "issue", "mine", "--scope", "admin", "--json", settings=settings).value["key"]
        assert run("keys", "revoke", lost.split("_")[1], settings=settings).status == 0
    with ServerProcess(data, environment=NO_ADMIN_KEY) as server:
        assert [get(server, "/ledger/v1/keys", key).status_code for key in (fresh, lost)] == [200, 401]


@pytest.mark.parametrize("left", ["log.sqlite", "views"])
def test_no_new_secret_is_made_for_a_ledger_that_has_lost_its_own(left: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data):
        pass
    (data / "secret").unlink()
    for file in (data / "development").iterdir():
        if not file.name.startswith(left):
            file.unlink()
    for done in (
        run_process("serve", "--port", "0", "--data", str(data)),
        run("init", settings={"PREFLEDGER_DATA": str(data)}),
    ):
        assert f"but not its secret: restore the file {data / 'secret'}" in done.sentence
        assert (done.status, "Traceback" in done.err) == (1, False)
        assert not (data / "secret").exists()


def test_another_secret_is_an_expected_trouble(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = ServerProcess(data)
    with server:
        pass
    server.output_path.unlink()
    (data / "secret").write_text("another-secret-of-more-than-thirty-two-characters\n")
    with server.start(wait_ready=False):
        said = banner(server)
        assert "NOT READY           development: the ledger of environment 'development' was opened with another" in said
        assert "Traceback" not in said
        environment: dict[str, Any] = get(server, "/readyz/development").json()
    assert environment["projector"] == "stopped"
    assert environment["trouble"] == "the projector has stopped; the node's own log says why"


def test_what_a_node_makes_is_its_owners_alone(tmp_path: Path) -> None:
    data, copy = tmp_path / "deep" / "data", tmp_path / "copy.sqlite"
    with ServerProcess(data, environment=TWO) as server:
        get(server, "/ledger/v1/holders", server.admin_key)
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in (data, *data.rglob("*"))}
    names = {path.name for path in found}
    assert {"secret", "lock", "log.sqlite", "log.sqlite-wal", "views", "staging", "production"} <= names
    assert {path: oct(mode) for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}
    assert run("log", "backup", str(copy), settings={**TWO, "PREFLEDGER_DATA": str(data)}).status == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert run("init", settings={**TWO, "PREFLEDGER_DATA": str(tmp_path / "made")}).status == 0
    made = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "made", *(tmp_path / "made").rglob("*"))}
    assert {path: oct(mode) for path, mode in made.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}
