"""Running the command line as a person or a script does, and what it came to."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from services.cli.main import main
from tests.server_process import ROOT, ServerProcess, command_environment

COMMAND = (sys.executable, "-P", "-m", "services.cli")
# Only a hang reaches it.
HANG_SECONDS = 60.0


@dataclass(frozen=True)
class Done:
    """A finished command. `out` is what a pipe would get, `err` what only a terminal shows."""

    status: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON document that was printed."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON documents that were printed, one a line: only a line feed ends one (ndjson.org)."""
        return [json.loads(line) for line in self.out.split("\n") if line]

    @property
    def sentence(self) -> str:
        """Why it was refused: the last line of standard error."""
        assert self.status != 0, f"this was not refused: {self.out}"
        assert self.out == "" or self.out.endswith("\n")
        return self.err.splitlines()[-1].removeprefix("Error: ")


def run(*words: str, given: bytes = b"", settings: Mapping[str, str] | None = None) -> Done:
    """One command in this process. Fails where a person would see a traceback."""
    forgotten = {name: None for name in os.environ if name.startswith("PREFLEDGER_")}
    done = CliRunner().invoke(main, words, input=given, env={**forgotten, **(settings or {})}, prog_name="prefledger")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout_bytes.decode(), done.stderr_bytes.decode())


def ask(server: ServerProcess, *words: str, given: bytes = b"", settings: Mapping[str, str] | None = None) -> Done:
    """One command that asks this server, with the operator's key."""
    return run(*words, given=given, settings={**connection(server), **(settings or {})})


def answer(server: ServerProcess, *words: str, given: bytes = b"") -> Any:
    """What a command that must succeed printed, as the JSON that it is."""
    done = ask(server, *words, given=given)
    assert done.status == 0, f"prefledger {' '.join(words)}: {done.err}"
    return done.value


def refused(server: ServerProcess, *words: str, given: bytes = b"", status: int = 1) -> str:
    """Why a command that must fail was refused. Status 1 is the node's no, 2 a mistyped command."""
    done = ask(server, *words, given=given)
    assert done.status == status, f"prefledger {' '.join(words)} ended with {done.status}: {done.out}{done.err}"
    return done.sentence


def connection(server: ServerProcess) -> dict[str, str]:
    """The variables that make the command line ask this server."""
    return {"PREFLEDGER_URL": server.url, "PREFLEDGER_KEY": server.admin_key}


def run_process(*words: str, given: bytes = b"", settings: Mapping[str, str] | None = None) -> Done:
    """One command in a process of its own, with pipes for its three streams."""
    done = subprocess.run(
        [*COMMAND, *words],
        input=given,
        capture_output=True,
        env=command_environment(settings),
        cwd=ROOT,
        timeout=HANG_SECONDS,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
