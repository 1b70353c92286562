"""`prefledger evaluate`: may this workflow reach this recipient, and if not, why?"""

import json
from typing import Any
from urllib.parse import quote

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
        "prefledger evaluate --decision 01a20042-3eba-70db-8dbb-cf8008563333",
    ),
)
@click.argument("recipient", required=False)
@click.argument("workflow", required=False)
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
@click.option("--decision", metavar="ID", help="Ask what was asked then again, from the node's decision log, and compare.")
@json_option
@asks_node
def evaluate(
    client: Client,
    recipient: str | None,
    workflow: str | None,
    channels: tuple[str, ...],
    categories: tuple[str, ...],
    data: str | None,
    policy: str | None,
    explain: bool,
    decision: str | None,
    raw: bool,
    **rest: str | None,
) -> None:
    """Decide for each channel whether WORKFLOW may reach RECIPIENT (user:ID or object:COLLECTION:ID).

    With --decision nothing else is given: the answer with that id is looked up, and its question asked again about the
    same moment. The exit status is 1 if it does not come out the same.
    """
    if decision is not None:
        if any((recipient, workflow, channels, categories, data, policy, explain, *rest.values())):
            raise click.UsageError("--decision asks what was asked then: give no question beside it")
        _ask_again(client, decision, raw=raw)
        return
    for name, value in (("RECIPIENT", recipient), ("WORKFLOW", workflow)):
        if value is None:
            raise click.UsageError(f"Missing argument '{name}'.")
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


def _ask_again(client: Client, decision_id: str, *, raw: bool) -> None:
    rerun = client.ask("GET", f"/decisions/{quote(decision_id, safe='')}")
    show(rerun, raw=raw)
    if rerun.value["same"] is None:
        raise click.ClickException("whether it still comes out the same can't be told: the recipient was forgotten since")
    if not rerun.value["same"]:
        pointer = rerun.value["difference"]["pointer"]
        raise click.ClickException(f"it comes out differently now, first at {pointer or 'the whole answer'}")
