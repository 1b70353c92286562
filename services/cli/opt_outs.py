"""`prefledger opt-outs`: how long a node took to honour opt-outs."""

from itertools import chain
from typing import Any

import click

from services.cli.client import Client
from services.cli.options import asks_node, example, json_option
from services.cli.output import note, show_value

PAGE_MAX = 1_000


@click.command(
    short_help="Show how long a node took to honour opt-outs.",
    epilog=example("prefledger opt-outs", "prefledger opt-outs --longer-than 60 --all --json > late.json"),
)
@click.option("--longer-than", metavar="SECONDS", type=float, help="The bound; two days if not given.")
@click.option("--all", "everything", is_flag=True, help="Show every late one, not only the first hundred.")
@json_option
@asks_node
def opt_outs(client: Client, longer_than: float | None, everything: bool, raw: bool) -> None:
    """Show since when a node measures, how many opt-outs it honoured, and which took longer than a bound.

    Of the one node that is asked: every node of a ledger has a clock of its own. The exit status is 0 either way.
    """
    pages = [_page(client, longer_than, PAGE_MAX if everything else None, None)]
    while everything and pages[-1]["next_cursor"] is not None:
        pages.append(_page(client, longer_than, PAGE_MAX, pages[-1]["next_cursor"]))
    shown = {**pages[0], "late": list(chain.from_iterable(page["late"] for page in pages))}
    shown["next_cursor"] = pages[-1]["next_cursor"]
    show_value(shown, raw=raw)
    if shown["next_cursor"] is not None:
        note("There are more: show them --all.")


def _page(client: Client, longer_than: float | None, limit: int | None, cursor: str | None) -> Any:
    parameters = {
        "longer_than_seconds": str(longer_than) if longer_than is not None else None,
        "limit": str(limit) if limit is not None else None,
        "cursor": cursor,
    }
    return client.ask("GET", "/opt-out-clock", parameters=parameters).value
