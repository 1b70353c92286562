"""What every command has in common: help, output for people and for programs, and nodes that can't be asked."""

import json
import os
import pty
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import uuid4

import click
import pytest

from services.cli.main import COMMANDS, main
from tests.integration.command_line import COMMAND, HANG_SECONDS, answer, ask, connection, refused, run, run_process
from tests.server_process import ROOT, ServerProcess, command_environment, free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("cli") / "data") as started:
        yield started


@pytest.fixture
def somebody() -> str:
    """A user that no other test writes."""
    return f"user:{uuid4().hex}"


# Help


def all_commands() -> Iterator[tuple[str, click.Command]]:
    def below(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield " ".join(words), command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                yield from below((*words, name), inner)

    return below(("prefledger",), main)


@pytest.mark.parametrize("name", [name for name, _ in all_commands()])
def test_help_ends_with_an_example(name: str) -> None:
    done = run(*name.split()[1:], "--help")
    assert done.status == 0
    _, _, examples = done.out.partition("Example:\n")
    lines = examples.strip().splitlines()
    assert lines, f"`{name} --help` shows no example"
    for line in lines:
        assert f"{name} " in f"{line} " or name == "prefledger", f"the example {line!r} is of another command"


@pytest.mark.parametrize(("name", "command"), [*all_commands()], ids=[name for name, _ in all_commands()])
def test_examples_are_commands_that_exist_with_options_that_exist(name: str, command: click.Command) -> None:
    _, _, examples = (command.epilog or "").partition("Example:\n")
    for line in examples.splitlines():
        words = shlex.split(line.split(" < ")[0].split(" > ")[0])
        words = words[words.index("prefledger") + 1 :]
        group: click.Command = main
        while isinstance(group, click.Group):
            found = group.get_command(click.Context(group), words[0])
            assert found is not None, f"{line!r} names a command that does not exist"
            group, words = found, words[1:]
        group.make_context("example", words)


def test_only_the_command_asked_for_is_loaded() -> None:
    code = "import sys; from services.cli.main import main; main.get_command(None, 'get'); print('fastapi' in sys.modules)"
    done = subprocess.run(
        [COMMAND[0], "-c", code], capture_output=True, text=True, cwd=ROOT, env=command_environment(), timeout=30, check=True
    )
    assert done.stdout.strip() == "False", "`prefledger get` loads a web framework before it asks anything"


def test_an_unknown_command_is_named() -> None:
    done = run("forget-everything")
    assert done.status == 2
    assert "No such command 'forget-everything'" in done.err


# Output, and nodes that can't be asked


def test_json_is_one_line_for_programs_and_many_for_people(server: ServerProcess, somebody: str) -> None:
    raw = ask(server, "get", somebody, "--json")
    assert len(raw.out.splitlines()) == 1
    people = ask(server, "get", somebody)
    assert len(people.out.splitlines()) > 1
    assert raw.value["holder"] == people.value["holder"] == somebody


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(server: ServerProcess, somebody: str) -> None:
    events = (
        json.dumps(
            {"type": "PreferenceSetMerged", "holder": somebody, "preferences": {"channel_types": {"sms": at % 2 == 0}}}
        )
        for at in range(900)
    )
    answer(server, "publish", "-", given="\n".join(events).encode())
    command = f"{shlex.join(COMMAND)} history {somebody} --all --json | head -n 1"
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=command_environment(connection(server)),
        timeout=HANG_SECONDS,
        check=True,
    )
    assert json.loads(done.stdout)["version"] == 900
    assert done.stderr == ""


def test_text_is_utf_8_whatever_the_locale(server: ServerProcess, somebody: str) -> None:
    settings = {**connection(server), "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    document = '{"categories": {"новости": {"enabled": false}}}'
    done = run_process("set", somebody, "-", given=document.encode(), settings=settings)
    assert (done.status, done.err) == (0, "")
    assert done.value["preferences"] == json.loads(document)


def test_bytes_that_are_no_text_are_refused_in_a_sentence(server: ServerProcess) -> None:
    broken = os.fsdecode(b"user:\xff")
    assert "not allowed" in refused(server, "get", broken, status=2)
    assert "not UTF-8" in refused(server, "history", "user:x", "--path", os.fsdecode(b"/\xff"))
    assert refused(server, "evaluate", "user:x", os.fsdecode(b"\xff"))
    assert ask(server, "set", "user:x", "{}", "--reason", os.fsdecode(b"\xff")).status in (0, 1)


def test_without_a_key_it_is_said_where_to_get_one(server: ServerProcess) -> None:
    done = run("get", "user:x", settings={"PREFLEDGER_URL": server.url})
    assert done.status == 1
    assert "PREFLEDGER_KEY" in done.sentence
    assert "prefledger serve" in done.sentence
    assert "prefledger keys issue" in done.sentence


def test_a_wrong_key_is_told_from_a_missing_one(server: ServerProcess) -> None:
    assert "not valid" in ask(server, "get", "user:x", settings={"PREFLEDGER_KEY": "sk_1_wrong"}).sentence
    assert "copy it again" in ask(server, "get", "user:x", settings={"PREFLEDGER_KEY": "sk_1\nwrong"}).sentence


def test_another_environment_than_the_nodes_is_named(server: ServerProcess) -> None:
    assert "serves no environment 'production'" in refused(server, "get", "user:x", "--environment", "production")
    assert answer(server, "get", "user:x", "--environment", "development")["holder"] == "user:x"


def test_a_node_that_is_not_there_is_told_with_the_remedy() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run("get", "user:x", "--url", url, settings={"PREFLEDGER_KEY": "any"})
    assert done.status == 1
    assert done.sentence.startswith(f"nothing answers at {url}")
    assert "prefledger serve" in done.sentence


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://127.0.0.1", "http://", "not an address"])
def test_an_address_that_is_none_is_shown_with_one_that_is(url: str) -> None:
    done = run("get", "user:x", settings={"PREFLEDGER_URL": url, "PREFLEDGER_KEY": "any"})
    assert done.status == 1
    assert "http://127.0.0.1:8080" in done.sentence


@contextmanager
def another_program(body: bytes, status: int) -> Iterator[str]:
    """Something else that speaks HTTP on a port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing: pytest's output is for failures."""

    with HTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{other.server_port}"
        finally:
            other.shutdown()
            thread.join()


@pytest.mark.parametrize(("body", "status"), [(b"<html>nginx</html>", 502), (b"[1]", 200), (b"", 404)])
def test_another_program_on_the_port_is_recognised(body: bytes, status: int) -> None:
    with another_program(body, status) as url:
        done = run("get", "user:x", "--url", url, settings={"PREFLEDGER_KEY": "any"})
    assert f"answered {status}" in done.sentence
    assert "check the address" in done.sentence


def test_a_proxy_named_in_the_environment_is_not_asked_for_a_node_on_this_machine(server: ServerProcess) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    assert ask(server, "get", "user:x", settings={"http_proxy": proxy, "HTTP_PROXY": proxy}).status == 0


def test_a_node_that_hangs_up_is_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        done = run("get", "user:x", "--url", url, settings={"PREFLEDGER_KEY": "any"})
        thread.join()
    assert "broke" in done.sentence


def test_a_progress_bar_is_drawn_on_a_terminal_and_nowhere_else(
    server: ServerProcess, somebody: str, tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(json.dumps({"type": "PreferenceSetDeleted", "holder": somebody}) + "\n")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "publish", str(file)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=command_environment({**connection(server), "TERM": "xterm"}),
        cwd=ROOT,
    ) as process:
        os.close(theirs)
        out, _ = process.communicate(timeout=HANG_SECONDS)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        shown = terminal.read(100_000)
    assert process.returncode == 0
    assert b"publishing" in shown
    assert json.loads(out)["outcomes"] == {"applied": 1}, "the bar got into the pipe"
    piped = run_process("publish", str(file), settings=connection(server))
    assert piped.err == ""


def test_the_list_of_commands_is_the_designs() -> None:
    assert set(COMMANDS) == {
        "serve", "init", "publish", "get", "set", "evaluate", "history", "provenance", "export", "report", "rebuild",
        "verify", "replay", "opt-outs", "parked", "keys", "log", "schemas", "settings",
    }  # fmt: skip
