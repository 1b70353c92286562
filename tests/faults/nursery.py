"""Nodes that start at once: forked from a process that has imported the command line already, and nothing more.

A start from nothing is 2 s of imports, which a hundred starts would repeat a hundred times. A fork is a process like any
other: it runs the same command with the same variables, opens its files itself, and SIGKILL ends it as it ends any.
"""

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Final, Self

import httpx

from tests.server_process import ROOT, ServerProcess

ANSWER_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.005
POLL_SECONDS_MAX: Final = 0.1
"""A node that folds for long should not be asked all the while."""
MODULE: Final = "services.cli"


class Nursery:
    """Starts a server's command again and again, and kills it. The running node does not outlive this object."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=server.environment,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )

    def start(self, *, wait_ready: bool = True) -> None:
        """Start a node, of whichever server is this object's now, and wait until it is ready."""
        words = self.server.command[self.server.command.index(MODULE) + 1 :]
        order = {"words": words, "variables": self.server.environment, "output": str(self.server.output_path)}
        assert self._ask(order) == "started"
        if wait_ready:
            self.wait_ready()

    def wait_ready(self, timeout_seconds: float = ANSWER_SECONDS_MAX) -> None:
        """Wait until the node has folded what the log had when it started."""
        deadline, wait_seconds = time.monotonic() + timeout_seconds, POLL_SECONDS
        with httpx.Client(base_url=self.server.url, trust_env=False, verify=False) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/readyz").status_code == 200:
                        return
                time.sleep(wait_seconds)
                wait_seconds = min(2 * wait_seconds, POLL_SECONDS_MAX)
        raise AssertionError(f"the node did not become ready: {self.server.output()[-4_000:]}")

    def kill(self) -> None:
        """SIGKILL; returns when the node is gone. Fails if it had ended by itself."""
        assert self._ask({}) == str(-signal.SIGKILL), f"the node ended by itself: {self.server.output()[-4_000:]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.communicate(timeout=ANSWER_SECONDS_MAX)

    def _ask(self, order: Mapping[str, object]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def main(orders: IO[str]) -> None:
    """Do what each line orders: an empty order kills the node, any other starts one. The end of the lines kills it too."""
    import services.cli.main
    import services.server  # noqa: F401 - imported once, for every node that follows

    node = 0
    for line in orders:
        order = json.loads(line)
        if order:
            node = os.fork()
            if node == 0:
                _become_node(order["words"], order["variables"], order["output"])
            print("started", flush=True)
        else:
            print(_end(node), flush=True)
            node = 0
    if node:
        _end(node)


def _end(node: int) -> int:
    os.kill(node, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(node, 0)[1])


def _become_node(words: list[str], variables: dict[str, str], output: str) -> None:
    with open(os.devnull, "rb") as nothing, open(output, "ab") as said:
        os.dup2(nothing.fileno(), 0)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [MODULE, *words]
    try:
        runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(sys.stdin)
