"""Comparing what a ledger tells with what the model says. Equality is JSON's: true is not 1."""

import json
from collections.abc import Iterable
from typing import Any

from tests.model.ledger_model import Ledger

Json = Any


def text_of(value: Json) -> str:
    """The same text for the same JSON."""
    return json.dumps(value, sort_keys=True)


def check_entry(told: Json, expected: Json, said: Json) -> None:
    """Fails where a line of the feed says something else than the model, or than its publisher."""
    if told.get("forgotten"):
        expected = {**expected, "changes": []}
    shown = {name: told[name] for name in [*expected, *({"why"} & told.keys())]}
    assert text_of(shown) == text_of(expected), f"record {told['position']} is told as\n{shown}, but is\n{expected}"
    if said is not None and not told.get("forgotten"):
        own = {name: told.get(name) for name in ("method", "occurred_at", "expected_version")}
        meant = {name: said.get(name, own[name]) for name in own}
        assert own == meant, f"record {told['position']} is told as {own}, and its publisher said {meant}"


def check_hidden(forgotten: Iterable[int], model: Ledger) -> None:
    """Fails unless exactly what was said before a holder was forgotten is shown without its content."""
    shown, hidden = set(forgotten), model.hidden()
    assert shown >= hidden, f"what forgotten holders said still stands in the feed, as at {sorted(hidden - shown)[:5]}"
    assert shown <= hidden, f"the feed hides what nobody wanted forgotten, as at {sorted(shown - hidden)[:5]}"
