"""Everything that the README shows is run: in order, on a fresh data folder, by a reader who exports what it says."""

import re
import shutil
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import pytest

from services.settings import Settings
from tests.docs.shell_blocks import Block, Printed, blocks_of, make_root, run_blocks, same
from tests.kafka_broker import KAFKA_VERSION
from tests.server_process import ROOT, ServerProcess, free_port

README = ROOT / "README.md"
SCREEN_LINES = 50
# Only a hang reaches it.
PRINT_SECONDS_MAX = 30.0
KEY_PLACEHOLDER = "the-admin-key-that-it-printed"

NOT_RUN = {
    "make serve": "the server of these tests stands in for it; its target is looked at below",
    "make test": "it runs this very test",
    "docker compose up --build --detach": "not every machine has a Docker engine; test_deployment.py reads the file",
}
"""Commands that only their existence is checked of, with the reason."""

RUNNING = ("Preference ledger", "Five-minute tour", "The command line")
STOPPED = ("Backup",)
KAFKA = ("With Kafka",)


def is_run(block: Block) -> bool:
    return not any(command in NOT_RUN for command in block.commands)


BLOCKS = blocks_of("README.md")
TOUR = [block for block in BLOCKS if block.heading in (*RUNNING, *STOPPED) and is_run(block)]
WITH_KAFKA = [block for block in BLOCKS if block.heading in KAFKA and is_run(block)]

Results = dict[Block, Printed]


def printed_key(server: ServerProcess) -> str:
    """The admin key that a new embedded ledger prints once, soon after it is ready."""
    deadline = time.monotonic() + PRINT_SECONDS_MAX
    while (found := re.search(r"Admin key +(\S+)", server.output())) is None:
        assert time.monotonic() < deadline, f"a new ledger printed no admin key, so nobody can use it: {server.output()}"
        time.sleep(0.05)
    return found[1]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Results:
    if shutil.which("curl") is None:
        pytest.fail("the README's commands need curl: install it", pytrace=False)
    root = make_root(tmp_path_factory.mktemp("readme"))
    with ServerProcess(root / "data", environment={"PREFLEDGER_ADMIN_KEY": ""}) as server:
        substitutes = {Settings().url: server.url, KEY_PLACEHOLDER: printed_key(server)}
        running = run_blocks([block for block in TOUR if block.heading in RUNNING], root, {}, substitutes)
    return running | run_blocks([block for block in TOUR if block.heading in STOPPED], root, {})


@pytest.fixture(scope="module")
def with_kafka(kafka_servers: str, tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = make_root(tmp_path_factory.mktemp("readme-kafka"))
    first, second = str(free_port()), str(free_port())
    substitutes = {"127.0.0.1:9092": kafka_servers, "8080": first, "8081": second}
    return run_blocks(WITH_KAFKA, root, {"PREFLEDGER_ENVIRONMENTS": f"readme-{uuid4().hex}"}, substitutes)


def check(block: Block, results: Results) -> None:
    printed = results[block]
    assert printed.as_told, f"{block}: a reader who types this sees:\n{printed.text}"
    if block.output is not None:
        assert same(block.output, printed.text), f"{block}: this prints something else than shown:\n{printed.text}"


@pytest.mark.parametrize("block", TOUR, ids=str)
def test_commands_do_and_print_what_the_page_says(block: Block, tour: Results) -> None:
    check(block, tour)


@pytest.mark.parametrize("block", WITH_KAFKA, ids=str)
def test_commands_with_kafka_do_and_print_what_the_page_says(block: Block, with_kafka: Results) -> None:
    check(block, with_kafka)


def test_every_command_is_run_or_listed_as_not_run() -> None:
    known = (*RUNNING, *STOPPED, *KAFKA)
    lost = [str(block) for block in BLOCKS if block.heading not in known and is_run(block)]
    assert not lost, f"no test runs {lost}: name their headings in this module"
    shown = {command for block in BLOCKS for command in block.commands}
    assert set(NOT_RUN) <= shown, "a command is excused from being run, and the page does not show it any more"


@pytest.mark.parametrize("block", [block for block in BLOCKS if not is_run(block)], ids=str)
def test_what_is_not_run_exists(block: Block) -> None:
    subprocess.run(["bash", "-n", "-c", block.text], check=True, timeout=30)
    for command in block.commands:
        program, *words = command.split()
        if program == "make":
            subprocess.run(["make", "-n", *words], cwd=ROOT, check=True, capture_output=True, timeout=30)
        elif program == "docker":
            assert (ROOT / "compose.yaml").exists()


def test_the_first_screen_has_the_two_commands_and_a_request_that_works() -> None:
    screen = "\n".join(README.read_text(encoding="utf-8").splitlines()[:SCREEN_LINES])
    for needed in ("\nmake serve\n", "\nmake test\n", "\ncurl "):
        assert needed in screen, f"a new user does not see {needed.strip()!r} on the first screen"


def test_the_kafka_named_is_the_one_that_the_tests_prove() -> None:
    named = re.findall(r"Apache Kafka (\d+\.\d+\.\d+)", README.read_text(encoding="utf-8"))
    assert named == [KAFKA_VERSION]


@pytest.mark.parametrize("page", ["README.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/*.md")))])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    lost = [target for target in targets if "://" not in target and not (ROOT / Path(page).parent / target).exists()]
    assert lost == []
