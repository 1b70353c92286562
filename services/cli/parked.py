"""`prefledger parked`: records that the ledger has and that count for nothing."""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from services.cli.client import Client
from services.cli.options import asks_node, example, json_option
from services.cli.output import note, show, show_value

PAGE_MAX = 1_000
EVENT_BYTES_MAX = 2 * 1024 * 1024

record_argument = click.argument("offset", metavar="OFFSET", type=click.IntRange(min=0))


@click.group(short_help="Look after parked records.", epilog=example("prefledger parked list --state open"))
def parked() -> None:
    """Look after records that are parked: bytes that are no event, or events that can't be.

    To list and show them takes a key with the scope `audit`, to settle them one with `admin`.
    """


@parked.command(
    name="list", short_help="List the parked records.", epilog=example("prefledger parked list --state open --oldest")
)
@click.option("--state", type=click.Choice(["open", "replayed", "discarded"]), help="Only records of which this became.")
@click.option("--oldest", is_flag=True, help="The oldest first.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many to show.")
@click.option("--all", "everything", is_flag=True, help="Show every one.")
@json_option
@asks_node
def list_(client: Client, state: str | None, oldest: bool, limit: int, everything: bool, raw: bool) -> None:
    """List the parked records, the newest first: one JSON document a record, with --json one a line."""
    wanted = PAGE_MAX if everything else limit
    entries = _entries(client, {"state": state, "order": "oldest" if oldest else None}, wanted)
    for entry in entries if everything else islice(entries, limit):
        show_value(entry, raw=raw)
    if not everything and next(entries, None) is not None:
        note("There are more: raise --limit, or show them --all.")


@parked.command(
    name="show", short_help="Show a parked record with its bytes.", epilog=example("prefledger parked show 4711")
)
@record_argument
@json_option
@asks_node
def show_(client: Client, offset: int, raw: bool) -> None:
    """Show one parked record: its bytes in base64, and what the node's release makes of them."""
    show(client.ask("GET", f"/parked/{offset}"), raw=raw)


@parked.command(
    short_help="Say that a parked record will not be mended.",
    epilog=example('prefledger parked discard 4711 --reason "a test import"'),
)
@record_argument
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the history.")
@json_option
@asks_node
def discard(client: Client, offset: int, reason: str, raw: bool) -> None:
    """Say that a parked record was looked at and will not be mended. Its bytes stay in the log."""
    show(client.ask("POST", f"/parked/{offset}/discard", body=json.dumps({"reason": reason}).encode()), raw=raw)


@parked.command(
    short_help="Say anew what a parked record has left to say.",
    epilog=example("prefledger parked replay 4711", "prefledger parked replay 4711 --mended event.json"),
)
@record_argument
@click.option("--mended", metavar="FILE", help="The event that it should have been, as `publish` takes one; `-` for input.")
@json_option
@asks_node
def replay(client: Client, offset: int, mended: str | None, raw: bool) -> None:
    """Say anew what a parked record has left to say. Nothing that was said since is undone.

    What is left out for that reason is told as `superseded`.
    """
    body = b"{}" if mended is None else b'{"event":' + _event(mended) + b"}"
    show(client.ask("POST", f"/parked/{offset}/replay", body=body), raw=raw)


def _entries(client: Client, parameters: dict[str, str | None], wanted: int) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    # One more than wanted tells whether there is more, without a second request.
    page_size = min(wanted + 1, PAGE_MAX)
    while True:
        page = client.ask("GET", "/parked", parameters={**parameters, "limit": str(page_size), "cursor": cursor}).value
        yield from page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _event(file: str) -> bytes:
    """The file's one JSON document, as it is: the node reads it as strictly as any."""
    try:
        text = sys.stdin.buffer.read(EVENT_BYTES_MAX + 1) if file == "-" else Path(file).read_bytes()
        if len(text) > EVENT_BYTES_MAX:
            raise click.ClickException(f"{file} is larger than {EVENT_BYTES_MAX} bytes: that is no event")
        json.loads(text)
    except OSError as error:
        raise click.ClickException(f"{file} can't be read: {error.strerror or error}") from None
    except ValueError as error:
        raise click.ClickException(f"{file} is not one JSON document ({error})") from None
    return text
