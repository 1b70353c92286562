"""The commands that a Markdown page shows, run as a reader would, and what they print, compared with what the page shows.

A fence that opens with ```sh holds commands; the fence after it that has the word `output` holds what they print.
The word `fails` beside `sh` says that the last command is refused. In outputs a line of three dots stands for any lines.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from tempfile import mkdtemp
from typing import Any, Final

from tests.server_process import ROOT, command_environment

RUN_SECONDS_MAX: Final = 300.0
READY_POLLS_MAX: Final = 300
ANY_LINES: Final = "..."

_FENCE = re.compile(r"^```(.*)$")
_HEADING = re.compile(r"^#+ (.*)$")

VARYING: Final = (
    (re.compile(r'("request_id": ?)"[^"]+"'), r'\g<1>"<request id>"'),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<instant>"),
    (re.compile(r"\b[sp]k_[0-9a-f]{12}_[\w-]{43}(?![\w-])"), "<key>"),
    (re.compile(r"(?<![\w-])A[\w-]{30}(?![\w-])"), "<position>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<key id>"),
    (re.compile(r'("stale_seconds": ?)[\d.]+'), r"\g<1>0"),
    (re.compile(r'("records_(?:folded|total)": ?)\d+'), r"\g<1>0"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
)
"""What differs from run to run, and what stands for it in a comparison."""


@dataclass(frozen=True)
class Block:
    """Commands of a page, under which heading and in which line they stand, and what the page says they print."""

    page: str
    line: int
    heading: str
    text: str
    fails: bool
    output: str | None

    @property
    def commands(self) -> list[str]:
        """The lines that are not empty or comments."""
        lines = (line.partition("  # ")[0].strip() for line in self.text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]

    @property
    def serves(self) -> bool:
        """Whether it is a server that a reader starts in a terminal of its own."""
        return all(command.startswith("./prefledger serve") for command in self.commands)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class _Fence:
    line: int
    heading: str
    words: list[str]
    text: str


def blocks_of(page: str) -> list[Block]:
    """The shell blocks of a page below the root, in order."""
    fences = list(_fences((ROOT / page).read_text(encoding="utf-8")))
    blocks: list[Block] = []
    for at, fence in enumerate(fences):
        if fence.words[:1] == ["sh"]:
            follows = fences[at + 1] if at + 1 < len(fences) else None
            output = follows.text if follows is not None and "output" in follows.words else None
            blocks.append(Block(page, fence.line, fence.heading, fence.text, "fails" in fence.words, output))
    return blocks


def _fences(text: str) -> Iterable[_Fence]:
    heading = ""
    opened: tuple[int, list[str], list[str]] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        mark = _FENCE.match(line)
        if opened is None and mark:
            opened = number, mark[1].split(), []
        elif opened is not None and mark:
            yield _Fence(opened[0], heading, opened[1], "\n".join(opened[2]))
            opened = None
        elif opened is not None:
            opened[2].append(line)
        elif found := _HEADING.match(line):
            heading = found[1]
    if opened is not None:
        raise AssertionError(f"the fence of line {opened[0]} is not closed")


def make_root(folder: Path) -> Path:
    """A folder that looks like a fresh checkout after `make serve`, in which commands may leave files behind."""
    root = folder / "prefledger"
    root.mkdir(parents=True)
    for name in ("domain", "schemas", "projections", "services", "compose.yaml", "Dockerfile", "Makefile"):
        (root / name).symlink_to(ROOT / name)
    # The launcher goes by where it lies, so it is copied; it compares the locked packages with those installed.
    (root / "prefledger").write_bytes((ROOT / "prefledger").read_bytes())
    (root / "prefledger").chmod(0o755)
    environment = Path(sys.prefix)
    (root / ".venv").symlink_to(environment)
    installed = environment / "requirements.installed"
    if installed.exists():
        (root / "requirements.txt").symlink_to(installed)
    return root


@dataclass(frozen=True)
class Printed:
    """What a block printed, and whether its commands did what the page says: succeed, or be refused."""

    text: str
    as_told: bool


def run_blocks(
    blocks: Iterable[Block], root: Path, variables: Mapping[str, str], substitutes: Mapping[str, str] | None = None
) -> dict[Block, Printed]:
    """Run the blocks one after the other in one shell, as a reader who pastes them into one terminal.

    `substitutes` are replaced in the commands: what a reader's machine has in place of what the page names. A block that
    serves gets a terminal of its own, so to say, and ends with the last block.
    """
    ordered = list(blocks)
    outputs = Path(mkdtemp(dir=root.parent))
    scripts = [_script(block, outputs / str(at), substitutes or {}) for at, block in enumerate(ordered)]
    shell = subprocess.Popen(
        ["bash", "-c", "".join(scripts)],
        cwd=root,
        env=command_environment(variables),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        shell.wait(RUN_SECONDS_MAX)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    return {block: _printed(outputs / str(at)) for at, block in enumerate(ordered)}


def _script(block: Block, output: Path, substitutes: Mapping[str, str]) -> str:
    text = block.text
    for shown, real in substitutes.items():
        text = text.replace(shown, real)
    if block.serves:
        (port,) = re.findall(r"--port (\d+)", text)
        ready = f"curl -sf http://127.0.0.1:{port}/readyz >&2"
        text = f"{text} &\nfor _ in $(seq {READY_POLLS_MAX}); do {ready} && break; sleep 0.1; done\n{ready}"
    verdict = "[ $? != 0 ] || exit 1" if block.fails else "true"
    stops = "+e" if block.fails else "-e"
    return f"set -u {stops} -o pipefail; exec >{quote(str(output))} 2>&1\n{text}\n{verdict}\n>{quote(str(output))}.done\n"


def _printed(output: Path) -> Printed:
    text = output.read_text(errors="replace") if output.exists() else "a block before this one failed"
    return Printed(text, output.with_suffix(".done").exists())


def same(shown: str, printed: str) -> bool:
    """Whether a page's output is what was printed, but for what varies from run to run."""
    shown, printed = stable(shown).strip(), stable(printed).strip()
    documents = _documents(shown)
    if documents is not None:
        return documents == _documents(printed)
    return re.fullmatch(_pattern(shown), printed + "\n") is not None


def stable(text: str) -> str:
    """The text with what varies replaced by what it is."""
    for varying, name in VARYING:
        text = varying.sub(name, text)
    return text


def _documents(text: str) -> list[Any] | None:
    """The JSON documents that the text is made of; None where it is made of anything else."""
    decoder = json.JSONDecoder()
    documents: list[Any] = []
    at = 0
    while at < len(text):
        try:
            document, at = decoder.raw_decode(text, at)
        except ValueError:
            return None
        documents.append(document)
        at += len(text[at:]) - len(text[at:].lstrip())
    return documents


def _pattern(shown: str) -> str:
    lines = (line.rstrip() for line in shown.splitlines())
    return "".join(r"(?:.*\n)*?" if line.strip() == ANY_LINES else re.escape(line) + r"\n" for line in lines)
