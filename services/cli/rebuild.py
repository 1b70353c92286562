"""`prefledger rebuild`: a node's views made anew from the log, beside the live ones."""

import sys
import time
from typing import Any

import click

from services.cli.client import Client
from services.cli.options import asks_node, example, json_option
from services.cli.output import note, on_terminal, show_value
from services.rebuilder import Phase

POLL_SECONDS = 0.2
INTERRUPTED_STATUS = 130

_RUNNING = frozenset({Phase.FOLDING, Phase.COMPARING, Phase.SWAPPING})


@click.command(
    short_help="Make a node's views anew from the log.", epilog=example("prefledger rebuild", "prefledger rebuild --cancel")
)
@click.option("--cancel", is_flag=True, help="Give up the rebuild that is under way; the live views were never touched.")
@json_option
@click.pass_context
@asks_node
def rebuild(client: Client, context: click.Context, cancel: bool, raw: bool) -> None:
    """Make the node's views anew from the log, beside the live ones, and swap them in when both say the same.

    The node goes on answering meanwhile. Ctrl-C gives the rebuild up.
    """
    if cancel:
        show_value(client.ask("DELETE", "/rebuild").value, raw=raw)
        return
    try:
        progress = _watch(client, client.ask("POST", "/rebuild").value)
    except KeyboardInterrupt:
        client.ask("DELETE", "/rebuild")
        note("\nGiven up. The live views were never touched.")
        context.exit(INTERRUPTED_STATUS)
    show_value(progress, raw=raw)
    if progress["phase"] == Phase.NONE:
        raise click.ClickException("the node knows of no rebuild any more: it was started anew; run this again")
    if progress["phase"] != Phase.DONE:
        raise click.ClickException(f"the rebuild was {progress['phase']}: {progress['trouble'] or 'the live views go on'}")


def _watch(client: Client, progress: dict[str, Any]) -> dict[str, Any]:
    with click.progressbar(length=1, label=progress["phase"], file=sys.stderr, hidden=not on_terminal()) as bar:
        while progress["phase"] in _RUNNING:
            bar.label = progress["phase"]
            bar.length = max(1, progress["records_total"])
            bar.update(progress["records_folded"] - bar.pos)
            time.sleep(POLL_SECONDS)
            progress = client.ask("GET", "/rebuild").value
    return progress
