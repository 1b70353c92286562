"""`prefledger get` and `prefledger set`: one preference set of one holder."""

import sys
from urllib.parse import quote

import click

from services.cli.addresses import set_path
from services.cli.client import Client
from services.cli.options import asks_node, example, json_option, settings_given
from services.cli.output import show


@click.command(
    name="get",
    short_help="Show a preference set.",
    epilog=example("prefledger get user:jhammond", "prefledger get user:jhammond tenant:acme --json"),
)
@click.argument("holder")
@click.argument("set_name", metavar="[SET]", default="default")
@click.option("--resolved", is_flag=True, help="Merge all layers, as an evaluation would.")
@click.option("--tenant", metavar="ID", help="With --resolved: the tenant in play.")
@click.option("--as-of", metavar="WHEN", help="As it was then: a position, or an instant like 2026-03-03T14:02:00Z.")
@click.option("--min-position", metavar="POSITION", help="From this position or a later one.")
@json_option
@asks_node
def get(
    client: Client,
    holder: str,
    set_name: str,
    resolved: bool,
    tenant: str | None,
    as_of: str | None,
    min_position: str | None,
    raw: bool,
) -> None:
    """Show a preference set. SET is `default` if not given, or tenant:ID, context:KEYS, subscription:TOPIC:ID.

    A holder that the ledger never heard of has an empty set.
    """
    parameters = {
        "resolved": "true" if resolved else None,
        "tenant": tenant,
        "as_of": as_of,
        "min_position": min_position,
    }
    show(client.ask("GET", set_path(holder, set_name), parameters=parameters), raw=raw)


@click.command(
    name="set",
    short_help="Change a preference set.",
    epilog=example(
        """prefledger set user:jhammond '{"channel_types": {"sms": false}}' --merge""",
        "prefledger set user:jhammond tenant:acme - < preferences.json",
    ),
)
@click.argument("holder")
@click.argument("words", nargs=-1, required=True, metavar="[SET] JSON|-")
@click.option("--merge", is_flag=True, help="Change what is named, keep the rest; null takes a value away (RFC 7396).")
@click.option("--if-match", type=click.IntRange(min=0), metavar="VERSION", help="Only if the set has this version still.")
@click.option("--reason", help="Why, for the history.")
@click.option("--actor", help="Who says it, for the history; the key, if not given.")
@json_option
@asks_node
def set_(
    client: Client,
    holder: str,
    words: tuple[str, ...],
    merge: bool,
    if_match: int | None,
    reason: str | None,
    actor: str | None,
    raw: bool,
) -> None:
    """Replace a preference set by a JSON document, or with --merge change parts of it. `-` reads standard input.

    SET is `default` if not given, or tenant:ID, context:KEYS, subscription:TOPIC:ID.
    """
    if len(words) > 2:
        raise click.UsageError(f"after the holder come a set and a document, not {len(words)} words; quote the JSON")
    set_name = words[0] if len(words) == 2 else "default"
    headers = {"Prefledger-Method": "command-line"}
    if actor is not None:
        headers["Prefledger-Actor"] = _header_text(actor)
    if reason is not None:
        headers["Prefledger-Reason"] = _header_text(reason)
    if if_match is not None:
        headers["If-Match"] = f'"{if_match}"'
    path = set_path(holder, set_name)
    show(client.ask("PATCH" if merge else "PUT", path, body=_document(words[-1]), headers=headers), raw=raw)


def _header_text(text: str) -> str:
    """Text as the API takes it in a header: percent-encoded, since a header itself is ASCII."""
    return quote(text.encode("utf-8", "surrogateescape"))


def _document(word: str) -> bytes:
    """The bytes to send; the node judges them. Raises click.ClickException for more than a node takes."""
    if word != "-":
        return word.encode("utf-8", "surrogateescape")
    bytes_max = settings_given().body_bytes_max
    body = sys.stdin.buffer.read(bytes_max + 1)
    if len(body) > bytes_max:
        raise click.ClickException(f"standard input has more than {bytes_max} bytes, which is the most that a node takes")
    return body
