"""A node as its users run it: a process of its own, started, stopped and killed by a test."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

ROOT: Final = Path(__file__).parent.parent
ADMIN_KEY: Final = "operator-key-of-the-tests"
SECRET: Final = "a-secret-that-only-tests-use-and-that-every-node-shares"
STOP_SECONDS_MAX: Final = 30.0
KILL_SECONDS_MAX: Final = 10.0
POLL_SECONDS: Final = 0.02
REQUEST_SECONDS_MAX: Final = 5.0


class ServerFailed(Exception):
    """The process did not do what it was told. The text ends with what it said last."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def command_environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without its own PREFLEDGER_ variables, with those given, ready to run `services.cli`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFLEDGER_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(given or {})}


class ServerProcess:
    """`prefledger serve` on a data folder. Start it again after `stop` or `kill`: it keeps its port and its folder."""

    def __init__(
        self, data: Path, *, kafka: str | None = None, environment: Mapping[str, str] | None = None, port: int = 0
    ) -> None:
        """`environment` adds PREFLEDGER_ variables; an empty value takes one of this class's own away."""
        self.data = data
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_key = ADMIN_KEY
        variables = {"PREFLEDGER_ADMIN_KEY": ADMIN_KEY}
        self.command = [sys.executable, "-P", "-m", "services.cli", "serve"]
        self.command += ["--host", "127.0.0.1", "--port", str(self.port), "--data", str(data)]
        if kafka is not None:
            variables["PREFLEDGER_SECRET"] = SECRET
            self.command += ["--kafka", kafka]
        self.environment = command_environment({**variables, **(environment or {})})
        self.output_path = data.parent / f"{data.name}.output"
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request by the operator."""
        return {"Authorization": f"Bearer {self.admin_key}"}

    @property
    def pid(self) -> int:
        """The running process's id. Raises ServerFailed."""
        if self._process is None:
            raise ServerFailed("the server was not started")
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_seconds: float = 30, *, wait_ready: bool = True) -> Self:
        """Start, and wait until `/readyz` says yes; without `wait_ready`, until `/livez` does. Raises ServerFailed."""
        if self.is_running():
            raise ServerFailed("the server already runs")
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self.output_path.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                cwd=ROOT,
                start_new_session=True,
            )
        # When this process dies, however it dies, the pipe closes, and the shell kills the server.
        self._watcher = subprocess.Popen(
            ["sh", "-c", f"cat > /dev/null; kill -9 {self._process.pid}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.wait_for("/readyz" if wait_ready else "/livez", timeout_seconds)
        return self

    def wait_for(self, path: str, timeout_seconds: float = 30) -> None:
        """Wait until the path answers 200. Raises ServerFailed when the process ends or the time runs out."""
        deadline = time.monotonic() + timeout_seconds
        with httpx.Client(base_url=self.url, timeout=REQUEST_SECONDS_MAX, trust_env=False) as client:
            while time.monotonic() < deadline:
                if not self.is_running():
                    self._end(signal.SIGKILL, KILL_SECONDS_MAX)
                    raise ServerFailed(f"the server ended while {path} was awaited. {self._last_words()}")
                try:
                    if client.get(path).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(POLL_SECONDS)
        self.kill()
        raise ServerFailed(f"{path} did not answer 200 within {timeout_seconds:g} s. {self._last_words()}")

    def stop(self, timeout_seconds: float = STOP_SECONDS_MAX) -> int:
        """SIGTERM; the exit status. Raises ServerFailed when it does not end in time, and is killed then."""
        return self._end(signal.SIGTERM, timeout_seconds)

    def kill(self) -> None:
        """SIGKILL: no clean-up at all."""
        self._end(signal.SIGKILL, KILL_SECONDS_MAX)

    def output(self) -> str:
        """Everything that the process, and those before it on this folder, wrote to a terminal."""
        return self.output_path.read_text(errors="replace") if self.output_path.exists() else ""

    def __enter__(self) -> Self:
        return self if self.is_running() else self.start()

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is None:
            self.stop()
        else:
            self.kill()

    def _end(self, number: signal.Signals, timeout_seconds: float) -> int:
        # The watcher goes first: after the server's end its process id may be another's.
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.kill()
            watcher.communicate()
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(KILL_SECONDS_MAX)
            raise ServerFailed(f"the server did not stop within {timeout_seconds:g} s. {self._last_words()}") from None

    def _last_words(self) -> str:
        return f"Its last words:\n{self.output()[-4_000:]}"
