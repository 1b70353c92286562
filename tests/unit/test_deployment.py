"""The image and the compose file, read as a Docker engine would: what would break for a user is broken here first."""

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("domain", "schemas", "projections", "services")
NODES = ("node-a", "node-b")
LEDGER_SERVICES = (*NODES, "init")

Service = dict[str, Any]


@dataclass(frozen=True)
class Instruction:
    keyword: str
    arguments: str


def dockerfile() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    uncommented = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in uncommented.splitlines() if line.strip()]
    return [Instruction(keyword, " ".join(rest.split())) for keyword, _, rest in (line.partition(" ") for line in lines)]


def final_stage() -> dict[str, str]:
    """The last word of each instruction that counts in the finished image."""
    instructions = dockerfile()
    start = max(index for index, instruction in enumerate(instructions) if instruction.keyword == "FROM")
    return {instruction.keyword: instruction.arguments for instruction in instructions[start:]}


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in final_stage()["ENV"].split())


def health_command() -> list[str]:
    command = json.loads(final_stage()["HEALTHCHECK"].partition(" CMD ")[2])
    assert isinstance(command, list)
    return command


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def service(name: str) -> Service:
    found = compose()["services"][name]
    assert isinstance(found, dict)
    return found


def test_base_images_are_pinned() -> None:
    stages = [instruction.arguments.split() for instruction in dockerfile() if instruction.keyword == "FROM"]
    names = {stage[2] for stage in stages if len(stage) == 3}
    pulled = [stage[0] for stage in stages if stage[0] not in names]
    assert pulled, "the Dockerfile starts from nothing"
    for image in [*pulled, service("kafka")["image"]]:
        tag = image.partition(":")[2]
        assert re.match(r"[0-9]+\.[0-9]+|[^@]+@sha256:", tag), f"{image} can be another program tomorrow: pin a version"


def test_the_image_runs_a_python_that_the_packages_are_locked_for() -> None:
    version = re.search(r"^FROM python:3\.(\d+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    assert 11 <= int(version[1]) <= 14


def test_the_image_installs_only_locked_wheels() -> None:
    installs = [each.arguments for each in dockerfile() if each.keyword == "RUN" and "install " in each.arguments]
    pip = [arguments for arguments in installs if " pip " in arguments]
    assert pip, "the image installs no package at all"
    for arguments in pip:
        assert "--require-hashes" in arguments
        assert "--only-binary :all:" in arguments
        assert arguments.endswith("--requirement requirements.txt")


def test_the_image_holds_all_our_code_and_nothing_of_this_machine() -> None:
    copied = [
        instruction.arguments.split()[0]
        for instruction in dockerfile()
        if instruction.keyword == "COPY" and not instruction.arguments.startswith("--from")
    ]
    assert {*CODE_FOLDERS, "requirements.txt"} <= {*copied}
    for source in copied:
        assert (ROOT / source).exists(), f"docker build fails: there is no {source}"
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    rules = [line for line in kept if line and not line.startswith("#")]
    assert rules[0] == "*", "the build would be sent the data folder with its secret"
    assert {line[1:] for line in rules if line.startswith("!")} == {*copied}, "docker build lacks a file or gets too many"


def test_the_process_is_not_root_and_can_write_only_its_data() -> None:
    stage = final_stage()
    user = stage["USER"].partition(":")[0]
    assert user.isdigit(), "Kubernetes can check runAsNonRoot only for a number"
    assert int(user) > 0
    assert stage["VOLUME"] == image_environment()["PREFLEDGER_DATA"]


def test_the_image_starts_the_ledger_without_a_shell_between() -> None:
    stage = final_stage()
    assert json.loads(stage["ENTRYPOINT"]) == ["python", "-m", "services.cli"]
    assert json.loads(stage["CMD"]) == ["serve"]
    assert stage["STOPSIGNAL"] == "SIGTERM", "the ledger stops cleanly on SIGTERM"
    assert stage["EXPOSE"] == image_environment()["PREFLEDGER_PORT"]
    assert image_environment()["PREFLEDGER_HOST"] == "0.0.0.0", "a published port would reach nothing"


@pytest.mark.parametrize("source", ["Dockerfile", "compose.yaml"])
def test_every_setting_named_is_one_that_the_ledger_knows(source: str) -> None:
    from services.settings import Settings

    known: Mapping[str, str] = Settings.variables()
    named = {*re.findall(r"PREFLEDGER_[A-Z_]+", (ROOT / source).read_text(encoding="utf-8"))}
    assert named, f"{source} names no setting at all: this test has lost its subject"
    unknown = {name for name in named if name not in known}
    assert not unknown, f"{source} sets {unknown}, and the ledger refuses to start with a setting it does not know"


def test_compose_starts_the_kafka_that_the_tests_prove() -> None:
    from tests.kafka_broker import KAFKA_VERSION

    assert service("kafka")["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_kafka_keeps_its_log_in_a_volume() -> None:
    kafka = service("kafka")
    volume, _, target = kafka["volumes"][0].partition(":")
    assert volume in compose()["volumes"]
    log_folder = kafka["environment"]["KAFKA_LOG_DIRS"]
    assert log_folder.startswith(target + "/"), "the ledger would be gone after `docker compose down`"


def test_the_nodes_find_kafka_where_it_says_it_is() -> None:
    advertised = service("kafka")["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    for name in LEDGER_SERVICES:
        assert advertised == "PLAINTEXT://" + service(name)["environment"]["PREFLEDGER_KAFKA"]
    assert "ports" not in service("kafka"), "only nodes of the ledger write to the log"


def test_both_nodes_serve_the_same_ledger_from_views_of_their_own() -> None:
    first, second = (service(name) for name in NODES)
    assert first["environment"] == second["environment"] == service("init")["environment"]
    assert first["image"] == second["image"] == service("init")["image"]
    assert first["volumes"] != second["volumes"], "two nodes would fight for one views file"
    for node in (first, second):
        volume, _, target = node["volumes"][0].partition(":")
        assert volume in compose()["volumes"]
        assert target == image_environment()["PREFLEDGER_DATA"], "the views would be folded anew at every start"


def test_the_nodes_are_reached_from_this_machine_only() -> None:
    published = [service(name)["ports"] for name in NODES]
    assert published == [["127.0.0.1:8080:8080"], ["127.0.0.1:8081:8080"]]


def test_nodes_start_after_kafka_is_healthy_and_the_ledger_is_open() -> None:
    for name in NODES:
        needs = {other: need["condition"] for other, need in service(name)["depends_on"].items()}
        assert needs == {"kafka": "service_healthy", "init": "service_completed_successfully"}
        assert service(name)["command"] == ["serve"]
        assert "healthcheck" not in service(name), "the image's own check counts"
    assert service("init")["command"] == ["init"]
    assert service("init")["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert service("kafka")["healthcheck"]["test"]


def test_a_crashed_service_comes_back_and_init_runs_once() -> None:
    policies = {name: each["restart"] for name, each in compose()["services"].items()}
    assert policies == {"kafka": "unless-stopped", "init": "no", "node-a": "unless-stopped", "node-b": "unless-stopped"}


@pytest.mark.parametrize("name", LEDGER_SERVICES)
def test_a_ledger_container_cannot_change_itself_or_gain_rights(name: str) -> None:
    container = service(name)
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("variable", ["PREFLEDGER_SECRET", "PREFLEDGER_ADMIN_KEY"])
def test_secrets_come_from_outside_with_a_sentence_when_missing(variable: str) -> None:
    value = service("node-a")["environment"][variable]
    asked = re.fullmatch(r"\$\{" + variable + r":\?([^}]+)\}", value)
    assert asked is not None, f"{variable} has a value in the file, the same for everyone who uses it"
    assert "Set it to" in asked[1]


@contextmanager
def server_answering(status: int) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing: pytest's output is for failures."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def run_health_command(port: int) -> int:
    program, *arguments = health_command()
    assert program == "python"
    # A proxy in the environment must not be asked whether this node is ready.
    environment = {"PREFLEDGER_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, timeout=30, check=False)
    return done.returncode


def test_the_health_check_passes_when_the_node_is_ready() -> None:
    with server_answering(200) as (port, asked):
        assert run_health_command(port) == 0
    assert asked == ["/readyz"]


def test_the_health_check_fails_while_the_node_catches_up() -> None:
    with server_answering(503) as (port, _):
        assert run_health_command(port) == 1


def test_the_health_check_fails_when_nothing_listens() -> None:
    with server_answering(200) as (port, _):
        pass
    assert run_health_command(port) == 1
