"""History as files: whole, exact, in one piece after being cut off, and safe to open in a spreadsheet."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.command_line import answer, ask, refused
from tests.server_process import ServerProcess

EVENTS = 2_500
"""Three pages."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("export") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def busy(server: ServerProcess) -> str:
    """A holder with several pages of history."""
    holder = "user:busy"
    lines = (
        json.dumps(
            {"type": "PreferenceSetMerged", "holder": holder, "preferences": {"channel_types": {"email": bool(n % 2)}}}
        )
        for n in range(EVENTS)
    )
    answer(server, "publish", "-", given="\n".join(lines).encode())
    return holder


@pytest.fixture
def somebody() -> str:
    """A user that no other test writes."""
    return f"user:{uuid4().hex}"


def lines_of(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


@contextmanager
def breaking_after(server: ServerProcess, pages: int) -> Iterator[str]:
    """The address of a relay to the server that hangs up after so many answers."""
    answered = 0

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal answered
            answered += 1
            if answered > pages:
                self.close_connection = True
                return
            response = httpx.get(server.url + self.path, headers=server.headers, trust_env=False)
            self.send_response(response.status_code)
            self.send_header("Content-Length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as relay:
        thread = Thread(target=relay.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{relay.server_port}"
        finally:
            relay.shutdown()
            thread.join()


def test_an_export_is_the_history_entry_by_entry(server: ServerProcess, busy: str, tmp_path: Path) -> None:
    out = tmp_path / "busy.ndjson"
    done = ask(server, "export", busy, "--out", str(out))
    assert (done.status, done.out) == (0, ""), done.err
    entries = lines_of(out)
    assert len(entries) == EVENTS
    assert entries == ask(server, "history", busy, "--all", "--json").lines
    assert [path.name for path in tmp_path.iterdir()] == [out.name], "something was left beside the file"


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
def test_an_export_that_was_cut_off_goes_on_as_if_it_never_was(
    server: ServerProcess, busy: str, tmp_path: Path, format_: str
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    words = ("--format", format_, "--to", "2999-01-01T00:00:00Z")
    with breaking_after(server, 1) as url:
        broken = ask(server, "export", busy, "--out", str(cut), *words, settings={"PREFLEDGER_URL": url})
    assert broken.status == 1
    assert not cut.exists(), "half an export passes for a whole one"
    part = tmp_path / "cut.part"
    assert part.stat().st_size > 0
    with part.open("ab") as file:
        file.write(b"what was written after the last note, when the power went")
    answer(server, "set", busy, "--merge", '{"channel_types": {"push": false}}')
    resumed = ask(server, "export", busy, "--out", str(cut), *words)
    assert resumed.status == 0, resumed.err
    assert "Going on after 1000 entries." in resumed.err
    now = ask(server, "export", busy, "--out", str(whole), *words)
    assert int(now.err.split()[1]) == int(resumed.err.partition("Exported ")[2].split()[0]) + 1, (now.err, resumed.err)
    # The one that was cut off belongs to the position of its first page, and so does not have what came later.
    if format_ == "ndjson":
        assert lines_of(cut) == lines_of(whole)[-len(lines_of(cut)) :]
        assert len({entry["position"] for entry in lines_of(cut)}) == len(lines_of(cut)) >= EVENTS
    else:
        assert whole.read_bytes().endswith(cut.read_bytes().partition(b"\r\n")[2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]


def test_a_part_of_another_export_is_not_gone_on_with(server: ServerProcess, busy: str, tmp_path: Path) -> None:
    out = str(tmp_path / "x")
    with breaking_after(server, 1) as url:
        ask(server, "export", busy, "--out", out, settings={"PREFLEDGER_URL": url})
    assert "belongs to another export" in refused(server, "export", busy, "--out", out, "--format", "csv")
    assert "belongs to another export" in refused(server, "export", "--all", "--out", out)
    (tmp_path / "x.part.json").write_text("{")
    assert "delete it" in refused(server, "export", busy, "--out", out)


def test_csv_has_a_row_for_each_change_and_no_formula(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    answer(
        server, "set", somebody, '{"channel_types": {"email": false}, "kept": {"x": null}}', "--reason", '=HYPERLINK("x")'
    )
    answer(server, "set", somebody, "--merge", '{"channel_types": {"email": true}}', "--actor", 'user:ann, the "first"')
    refused(server, "set", somebody, "{}", "--if-match", "9")
    out = tmp_path / "x.csv"
    assert ask(server, "export", somebody, "--format", "csv", "--out", str(out), "--outcome", "applied,rejected").status == 0
    with out.open(encoding="utf-8", newline="") as file:
        rejected, newest, *oldest = csv.DictReader(file)
    assert (rejected["outcome"], rejected["path"], rejected["before"], rejected["after"]) == ("rejected", "", "", "")
    assert (newest["actor"], newest["before"], newest["after"]) == ('user:ann, the "first"', "false", "true")
    assert {row["path"]: (row["before"], row["after"]) for row in oldest} == {
        "/channel_types/email": ("", "false"), "/kept/x": ("", "null"),
    }  # fmt: skip
    assert all(row["reason"] == '\'=HYPERLINK("x")' for row in oldest), "a spreadsheet would run what a person wrote"


def test_the_whole_environment_is_exported_by_actor_and_method(server: ServerProcess, tmp_path: Path) -> None:
    actor = f"user:{uuid4().hex}"
    for holder in ("user:one", "user:two"):
        answer(server, "set", holder, '{"channel_types": {"sms": false}}', "--actor", actor)
        answer(server, "set", holder, '{"channel_types": {"sms": true}}')
    out = tmp_path / "all.ndjson"
    assert ask(server, "export", "--all", "--actor", actor, "--method", "command-line", "--out", str(out)).status == 0
    assert [(entry["holder"], entry["actor"]) for entry in lines_of(out)] == [("user:two", actor), ("user:one", actor)]
    assert len(ask(server, "history", "user:one", "--actor", actor, "--json").lines) == 1
    assert ask(server, "history", "user:one", "--method", "carrier-pigeon", "--json").lines == []


def test_an_export_never_writes_over_a_file(server: ServerProcess, busy: str, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.write_text("mine")
    assert "exists already" in refused(server, "export", busy, "--out", str(out))
    assert out.read_text() == "mine"
    assert "can't be written" in refused(server, "export", busy, "--out", str(tmp_path / "no" / "folder" / "x"))
    refused(server, "export", "--out", str(tmp_path / "y"), status=2)
    refused(server, "export", busy, "--all", "--out", str(tmp_path / "y"), status=2)
