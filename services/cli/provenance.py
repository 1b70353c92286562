"""`prefledger provenance`: where each value of a preference set comes from."""

from typing import Any

import click

from services.cli.addresses import set_path
from services.cli.client import Client
from services.cli.options import asks_node, example, json_option
from services.cli.output import note, show_value

PAGE_MAX = 1_000
EVENTS_MAX = 100_000
"""Events that the command holds in memory before it asks for a narrower question."""


@click.command(
    short_help="Show where the values of a set come from.",
    epilog=example(
        "prefledger provenance user:jhammond default /channel_types/email",
        "prefledger provenance user:jhammond tenant:acme --as-of 2026-03-03T14:02:00Z",
    ),
)
@click.argument("holder")
@click.argument("set_name", metavar="[SET]", default="default")
@click.argument("path", metavar="[PATH]", default="")
@click.option("--as-of", metavar="WHEN", help="As it was then: a position, or an instant like 2026-03-03T14:02:00Z.")
@json_option
@asks_node
def provenance(client: Client, holder: str, set_name: str, path: str, as_of: str | None, raw: bool) -> None:
    """Show for each value of a set the event that gave it, and those before, back to the first: who, how and when.

    PATH is a JSON Pointer; every value at or below it is told of, also those that were taken away. One JSON document a
    value; `decides` marks the event that counts.
    """
    parameters = {"path": path or None, "as_of": as_of, "limit": str(PAGE_MAX)}
    leaves = _leaves(client, f"{set_path(holder, set_name)}/provenance", parameters)
    for _, leaf in sorted(leaves.items()):
        show_value(leaf, raw=raw)
    if not leaves:
        note("Nothing was ever said there, or the holder was forgotten since.")


def _leaves(client: Client, address: str, parameters: dict[str, str | None]) -> dict[str, dict[str, Any]]:
    """Every leaf with all its events; those of a leaf may come in several pages."""
    leaves: dict[str, dict[str, Any]] = {}
    cursor: str | None = None
    events = 0
    while True:
        page = client.ask("GET", address, parameters={**parameters, "cursor": cursor}).value
        for leaf in page["leaves"]:
            leaves.setdefault(leaf["path"], {**leaf, "events": []})["events"] += leaf["events"]
            events += len(leaf["events"])
        cursor = page["next_cursor"]
        if cursor is None:
            return leaves
        if events > EVENTS_MAX:
            raise click.ClickException(f"there are more than {EVENTS_MAX} changes: name a PATH")
