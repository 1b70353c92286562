"""What goes to standard output (answers) and to standard error (everything said about them)."""

import json
import sys
from typing import Any

import click

from services.cli.client import Answer


def pretty(value: Any) -> str:
    """JSON for people: indented, in the order of the answer."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def show(answer: Answer, *, raw: bool) -> None:
    """Print an answer, for people or, raw, for programs."""
    show_text(answer.text if raw else pretty(answer.value))


def show_value(value: Any, *, raw: bool) -> None:
    """Print one part of an answer; raw, on one line."""
    show_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False) if raw else pretty(value))


def show_text(text: str) -> None:
    """Print text as UTF-8, whatever the locale says: it is what JSON is written in."""
    click.echo(text.encode())


def note(text: str) -> None:
    """Say something about the answer, where it does not get into a pipe."""
    click.echo(text, err=True)


def on_terminal() -> bool:
    """Whether somebody watches standard error: only then is there a progress bar."""
    return sys.stderr.isatty()
