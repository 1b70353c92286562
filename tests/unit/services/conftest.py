"""A whole embedded ledger inside the test's own process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.bootstrap import build_embedded_log
from services.ledger import Ledger
from services.secrets import Secrets
from services.settings import Settings

WAIT_SECONDS = 30.0


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    settings = Settings(data=tmp_path, environments=("test",))
    (tmp_path / "test").mkdir()
    secrets = Secrets("a secret of the tests, long enough to be one", "test")
    ledger = Ledger("test", build_embedded_log(settings, "test"), secrets, tmp_path / "test", settings)
    ledger.start()
    async with asyncio.timeout(WAIT_SECONDS):
        while not ledger.readiness.checks()["ready"]:  # noqa: ASYNC110 - what is asked is a state
            await asyncio.sleep(0.01)
    yield ledger
    await ledger.stop()
    kept = [path.name for path in ledger.views.folder.glob("views-*.sqlite")]
    assert kept == [ledger.views.path.name], "a node that stops leaves what it folded about people behind"
