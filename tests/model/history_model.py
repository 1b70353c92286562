"""A ledger's past, folded from its history rows in the plainest way there is. Imports nothing of ours, on purpose."""

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
"""A history row: offset, stream, item, type, outcome, version, event_id, position, and its changes."""


@dataclass
class Item:
    """A version, and for each path its value and the event that gave it."""

    version: int = 0
    leaves: dict[str, tuple[Any, str]] = field(default_factory=dict)


def items_at(rows: list[Row], stream: bytes, offset: int) -> dict[str, Item]:
    """What the items of a stream were just after the record at an offset, as far as that may still be shown."""
    own = [row for row in rows if row["stream"] == stream and row["outcome"] == "applied"]
    if any(row["type"] == "HolderForgotten" and row["offset"] > offset for row in own):
        return {}
    items: dict[str, Item] = {}
    for row in own:
        if row["offset"] <= offset:
            _apply(row, items)
    return items


def _apply(row: Row, items: dict[str, Item]) -> None:
    if row["item"] is not None:
        items.setdefault(row["item"], Item()).version = row["version"]
    for name in {change.get("item") for change in row["changes"]} - {None}:
        items.setdefault(name, Item()).version += 1
    for change in row["changes"]:
        leaves = items[change.get("item", row["item"])].leaves
        if "after" in change:
            leaves[change["path"]] = (change["after"], row["position"])
        else:
            del leaves[change["path"]]
