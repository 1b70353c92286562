"""`prefledger rebuild`: a node's views made anew from the log, beside the live ones."""

import click

from services.cli.client import Client
from services.cli.jobs import run_job
from services.cli.options import asks_node, example, json_option
from services.cli.output import show_value
from services.replay import Phase


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
    progress = run_job(client, context, "/rebuild")
    show_value(progress, raw=raw)
    if progress["phase"] == Phase.NONE:
        raise click.ClickException("the node knows of no rebuild any more: it was started anew; run this again")
    if progress["phase"] != Phase.DONE:
        raise click.ClickException(f"the rebuild was {progress['phase']}: {progress['trouble'] or 'the live views go on'}")
