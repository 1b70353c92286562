"""`prefledger keys`: the API keys of an environment."""

import json
from urllib.parse import quote

import click

from services.cli.client import Client
from services.cli.options import asks_node, example, json_option
from services.cli.output import note, show, show_value
from services.keys import Scope

SCOPES = [scope.value for scope in Scope]


@click.group(
    short_help="Issue, list and revoke API keys.",
    epilog=example("prefledger keys issue checkout --scope publish --scope read"),
)
def keys() -> None:
    """Issue, list and revoke API keys. It takes a key with the scope `admin`."""


@keys.command(name="issue", epilog=example("prefledger keys issue checkout --scope publish --scope read"))
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; repeat it.",
)
@click.option("--public", is_flag=True, help="A public key, which may stand in an app; it opens nothing by itself.")
@json_option
@asks_node
def issue(client: Client, name: str, scopes: tuple[str, ...], public: bool, raw: bool) -> None:
    """Issue a key. Its secret is shown this once; the ledger keeps it hashed, and sealed under its own secret."""
    body = {"name": name, "scopes": list(scopes), "kind": "public" if public else "secret"}
    show(client.ask("POST", "/keys", body=json.dumps(body).encode()), raw=raw)
    note("Keep the key now: it is never shown again.")


@keys.command(name="list", epilog=example("prefledger keys list"))
@json_option
@asks_node
def list_(client: Client, raw: bool) -> None:
    """List the keys, revoked ones too, without their secrets."""
    for key in client.ask("GET", "/keys").value["keys"]:
        show_value(key, raw=raw)


@keys.command(name="revoke", epilog=example("prefledger keys revoke 5d41402abc4b"))
@click.argument("key_id", metavar="ID")
@json_option
@asks_node
def revoke(client: Client, key_id: str, raw: bool) -> None:
    """Revoke a key for ever. ID is the middle part of the key, as `keys list` shows it."""
    show(client.ask("DELETE", f"/keys/{quote(key_id, safe='')}"), raw=raw)
