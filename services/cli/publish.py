"""`prefledger publish`: a file of events into the ledger."""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from services.cli.client import Client, Refused
from services.cli.ndjson import EventFile, Line, open_events
from services.cli.options import asks_node, example, json_option
from services.cli.output import note, on_terminal, show_value

FAILURES_SHOWN_MAX = 20
_POINTER = re.compile(r"/events/(\d+)")


@dataclass(slots=True)
class Tally:
    """What became of the lines so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    position: str | None = None
    failures: int = 0

    def shown(self) -> dict[str, Any]:
        """The counts as they are printed. `position` is that of the last event."""
        return {"lines": self.outcomes.total(), "outcomes": dict(sorted(self.outcomes.items())), "position": self.position}


@click.command(
    short_help="Publish a file of events.",
    epilog=example("prefledger publish opt-outs.ndjson", "prefledger publish - < opt-outs.ndjson"),
)
@click.argument("file", metavar="FILE.ndjson")
@json_option
@asks_node
def publish(client: Client, file: str, raw: bool) -> None:
    """Publish events from a file, one JSON object a line, in batches of 1,000. `-` reads standard input.

    Running the same file again is safe: a line without an event_id gets one that follows from the file's content and
    the line's number. The first batch that is refused ends it, and nothing after that batch is sent.
    """
    tally = Tally()
    try:
        with open_events(file) as events:
            _publish_all(client, events, tally)
    except click.ClickException:
        if tally.outcomes:
            note(f"Published before: {tally.outcomes.total()} lines.")
        raise
    show_value(tally.shown(), raw=raw)
    if tally.failures:
        raise click.ClickException(f"{tally.failures} lines did not count; what was said above tells why")


def _publish_all(client: Client, events: EventFile, tally: Tally) -> None:
    with click.progressbar(length=events.lines, label="publishing", file=sys.stderr, hidden=not on_terminal()) as bar:
        for batch in events.batches():
            _publish(client, events.name, batch, tally)
            bar.update(batch[-1].number - bar.pos)
        bar.update(events.lines - bar.pos)


def _publish(client: Client, name: str, batch: Sequence[Line], tally: Tally) -> None:
    body = b'{"events":[' + b",".join(line.event for line in batch) + b"]}"
    try:
        results = client.ask("POST", "/events", body=body).value["results"]
    except Refused as refusal:
        raise click.ClickException(_refusal(name, batch, refusal)) from None
    for line, result in zip(batch, results, strict=True):
        _count(name, line, result, tally)
    stopped = next((at for at, result in enumerate(results) if _is_trouble(result)), None)
    if stopped is not None:
        # What comes after it may be about the same holder, and must not overtake it.
        raise click.ClickException(
            f"{name}, line {batch[stopped].number}: {results[stopped]['problem']['detail']}. "
            "Nothing after this batch was sent; run the same command again"
        )


def _refusal(name: str, batch: Sequence[Line], refusal: Refused) -> str:
    """Why a batch was refused as a whole, with the line of the file that is to blame where the node names it."""
    found = _POINTER.match(str(refusal.problem.get("pointer", "")))
    if found is None:
        return f"{name}, lines {batch[0].number} to {batch[-1].number} were not published: {refusal.message}"
    at = int(found[1])
    sentence = refusal.message.removeprefix(found[0])
    return (
        f"{name}, line {batch[at].number}: {sentence.lstrip(': ')}. "
        f"Nothing of lines {batch[0].number} to {batch[-1].number} was published"
    )


def _is_trouble(result: dict[str, Any]) -> bool:
    """Whether the log, not the event, is at fault."""
    return bool(result["outcome"] == "failed" and result["problem"]["status"] >= 500)


def _count(name: str, line: Line, result: dict[str, Any], tally: Tally) -> None:
    if result["outcome"] != "failed":
        tally.outcomes[result["outcome"]] += 1
        tally.position = result["position"]
        return
    problem = result["problem"]
    tally.outcomes[problem["type"].rpartition("#")[2]] += 1
    tally.failures += 1
    if _is_trouble(result):
        return
    if tally.failures <= FAILURES_SHOWN_MAX:
        note(f"{name}, line {line.number}: {problem['detail']}")
    elif tally.failures == FAILURES_SHOWN_MAX + 1:
        note("Further lines that did not count are not shown.")
