"""`prefledger history`: everything that was said of a holder."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from services.cli.addresses import holder_path
from services.cli.client import Client
from services.cli.options import asks_node, example, json_option
from services.cli.output import note, show_value

PAGE_MAX = 1_000


@click.command(
    short_help="Show what was said of a holder.",
    epilog=example(
        "prefledger history user:jhammond --path /channel_types/email",
        "prefledger history user:jhammond --all --json > history.ndjson",
        "prefledger history tenant:isla-nublar --members",
    ),
)
@click.argument("holder")
@click.option("--set", "set_name", metavar="SET", help="Only this set.")
@click.option("--members", is_flag=True, help="Of a tenant: also what users and objects want inside it.")
@click.option("--path", metavar="POINTER", help="Only changes at or below this JSON Pointer, as in /workflows.")
@click.option("--actor", help="Only what this actor said, as in user:jhammond.")
@click.option("--method", help="Only what came by this way, as in preference-centre.")
@click.option("--from", "from_", metavar="INSTANT", help="Recorded at or after this instant.")
@click.option("--to", metavar="INSTANT", help="Recorded at or before this instant.")
@click.option("--outcome", metavar="NAMES", help="applied, rejected, duplicate, parked; several with commas.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many entries to show.")
@click.option("--all", "everything", is_flag=True, help="Show every entry.")
@json_option
@asks_node
def history(
    client: Client,
    holder: str,
    set_name: str | None,
    members: bool,
    path: str | None,
    actor: str | None,
    method: str | None,
    from_: str | None,
    to: str | None,
    outcome: str | None,
    limit: int,
    everything: bool,
    raw: bool,
) -> None:
    """Show what was said of a holder, the newest first: one JSON document an entry, with --json one a line."""
    parameters = {
        "set": set_name, "path": path, "actor": actor, "method": method, "from": from_, "to": to, "outcome": outcome,
        "members": "true" if members else None,
    }  # fmt: skip
    entries = _entries(client, f"{holder_path(holder)}/history", parameters, PAGE_MAX if everything else limit)
    shown = entries if everything else islice(entries, limit)
    for entry in shown:
        show_value(entry, raw=raw)
    if not everything and next(entries, None) is not None:
        note("There is more: raise --limit, or show it --all.")


def _entries(client: Client, path: str, parameters: dict[str, str | None], wanted: int) -> Iterator[dict[str, Any]]:
    """Entries page by page. All pages belong to the position of the first."""
    cursor: str | None = None
    # One more than wanted tells whether there is more, without a second request.
    page_size = min(wanted + 1, PAGE_MAX)
    while True:
        page = client.ask("GET", path, parameters={**parameters, "limit": str(page_size), "cursor": cursor}).value
        yield from page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            return
