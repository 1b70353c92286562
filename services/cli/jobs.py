"""Watching a job of a node to its end, with a progress bar on a terminal."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from services.cli.client import Client
from services.cli.output import note, on_terminal
from services.replay import RUNNING

POLL_SECONDS = 0.2
INTERRUPTED_STATUS = 130


def run_job(
    client: Client, context: click.Context, path: str, parameters: Mapping[str, str | None] | None = None
) -> dict[str, Any]:
    """Start the job at a path of the API and wait for its end. Ctrl-C gives it up, and ends the command."""
    with given_up_by_hand(client, context, path):
        return _watched(client, path, client.ask("POST", path, parameters=parameters).value)


@contextmanager
def given_up_by_hand(client: Client, context: click.Context, path: str) -> Iterator[None]:
    """Ctrl-C inside gives up the job at a path of the API, and ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        client.ask("DELETE", path)
        note("\nGiven up. The live views were never touched.")
        context.exit(INTERRUPTED_STATUS)


def _watched(client: Client, path: str, progress: dict[str, Any]) -> dict[str, Any]:
    with click.progressbar(length=1, label=progress["phase"], file=sys.stderr, hidden=not on_terminal()) as bar:
        while progress["phase"] in RUNNING:
            bar.label = progress["phase"]
            bar.length = max(1, progress["records_total"])
            bar.update(progress["records_folded"] - bar.pos)
            time.sleep(POLL_SECONDS)
            progress = client.ask("GET", path).value
    return progress
