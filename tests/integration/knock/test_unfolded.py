"""A node that never waits for its own fold: every answer must show what was written all the same."""

from collections.abc import Iterator

import httpx
import pytest
from knockapi import Knock

from tests.integration.knock.test_bulk import finished
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(
        tmp_path_factory.mktemp("hasty") / "data", environment={"PREFLEDGER_WAIT_SECONDS": "0.000001"}
    ) as server:
        yield server


@pytest.fixture
def knock(hasty: ServerProcess) -> Knock:
    return Knock(base_url=hasty.url, api_key=hasty.admin_key, max_retries=0, _strict_response_validation=True)


def test_answers_show_what_was_written_though_it_is_not_folded(knock: Knock) -> None:
    for number in range(20):
        user = f"user-{number}"
        put = knock.users.set_preferences(user, "default", workflows={"w": False})
        assert put.workflows == {"w": False}
        assert knock.users.update(user, name="x").name == "x"
        assert knock.users.update(f"new-{number}", name="y").name == "y"
        tenant = knock.tenants.set(f"tenant-{number}", settings={"preference_set": {"workflows": {"w": False}}})
        assert tenant.settings is not None
        assert tenant.settings.preference_set is not None
        assert tenant.settings.preference_set.workflows == {"w": False}
        assert knock.objects.set("c", f"o-{number}").id == f"o-{number}"


def test_a_bulk_operation_is_queued_and_carried_out(knock: Knock, hasty: ServerProcess) -> None:
    started = knock.users.bulk.set_preferences(preferences={"workflows": {"w": False}}, user_ids=["a", "b"])
    assert started.status in ("queued", "processing", "completed")
    with httpx.Client(base_url=hasty.url, headers=hasty.headers, trust_env=False) as http:
        assert finished(http, started.id)["success_count"] == 2
