"""`prefledger verify`: a node's live views against the log."""

import click

from services.cli.client import Client
from services.cli.jobs import run_job
from services.cli.options import asks_node, example, json_option
from services.cli.output import show_value
from services.replay import Phase


@click.command(
    short_help="Compare a node's live views with the log.",
    epilog=example("prefledger verify", "prefledger verify --json > verified.json"),
)
@click.option("--cancel", is_flag=True, help="Give up the verification that is under way.")
@json_option
@click.pass_context
@asks_node
def verify(client: Client, context: click.Context, cancel: bool, raw: bool) -> None:
    """Fold the log anew beside the live views, compare both row by row, and name the first difference.

    Nothing is swapped, and the node goes on answering. The exit status is 1 where they differ. Ctrl-C gives it up.
    """
    if cancel:
        show_value(client.ask("DELETE", "/verify").value, raw=raw)
        return
    progress = run_job(client, context, "/verify")
    show_value(progress, raw=raw)
    if progress["phase"] == Phase.NONE:
        raise click.ClickException("the node knows of no verification any more: it was started anew; run this again")
    if progress["phase"] != Phase.DONE:
        raise click.ClickException(
            f"the verification was {progress['phase']}, so it says nothing: {progress['trouble'] or 'run it again'}"
        )
    if not progress["same"]:
        raise click.ClickException(progress["difference"]["sentence"])
