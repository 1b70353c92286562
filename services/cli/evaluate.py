"""`prefledger evaluate`: may this workflow reach this recipient, and if not, why?"""

import json
from typing import Any

import click

from services.cli.client import Client
from services.cli.options import asks_node, example, json_option
from services.cli.output import show


def _channel(text: str) -> str | dict[str, str]:
    channel_type, colon, channel_id = text.partition(":")
    return {"type": channel_type, "id": channel_id} if colon else text


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON ({error})", param_hint=option) from None


@click.command(
    short_help="Decide whether a message may be sent.",
    epilog=example(
        "prefledger evaluate user:jhammond dinosaurs-loose --channel email --channel sms",
        "prefledger evaluate user:jhammond dinosaurs-loose --tenant acme --explain",
    ),
)
@click.argument("recipient")
@click.argument("workflow")
@click.option(
    "--channel", "channels", multiple=True, metavar="TYPE[:ID]", help="A channel; repeat it. If none: the workflow's."
)
@click.option("--category", "categories", multiple=True, metavar="KEY", help="A category, instead of the catalogue's.")
@click.option("--tenant", metavar="ID", help="The tenant in play.")
@click.option("--data", metavar="JSON", help="The data that conditions look at.")
@click.option("--at", metavar="INSTANT", help="The evaluated instant; now, if not given.")
@click.option("--as-of", metavar="WHEN", help="As the ledger was then: a position, or an instant.")
@click.option("--min-position", metavar="POSITION", help="From this position or a later one.")
@click.option("--policy", metavar="NAME|JSON", help="A policy preset, or a policy; the environment's, if not given.")
@click.option("--explain", is_flag=True, help="Add the trace: everything that was looked at.")
@json_option
@asks_node
def evaluate(
    client: Client,
    recipient: str,
    workflow: str,
    channels: tuple[str, ...],
    categories: tuple[str, ...],
    data: str | None,
    policy: str | None,
    explain: bool,
    raw: bool,
    **rest: str | None,
) -> None:
    """Decide for each channel whether WORKFLOW may reach RECIPIENT (user:ID or object:COLLECTION:ID)."""
    question: dict[str, Any] = {"recipient": recipient, "workflow": workflow}
    question |= {name: value for name, value in rest.items() if value is not None}
    if channels:
        question["channels"] = [_channel(text) for text in channels]
    if categories:
        question["categories"] = list(categories)
    if data is not None:
        question["data"] = _json(data, "--data")
    if policy is not None:
        question["policy"] = _json(policy, "--policy") if policy.startswith("{") else policy
    if explain:
        question["explain"] = True
    show(client.ask("POST", "/evaluate", body=json.dumps(question).encode()), raw=raw)
