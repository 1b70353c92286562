"""An independent reading of the ledger: sets as they follow from the changes in its feed. Imports nothing of ours.

Written from the documentation alone: `GET /events` gives one JSON object a line; `changes` hold JSON Pointers with what
stood before and what stands after, a side on which there was nothing being absent.
"""

import copy
from typing import Any

Json = Any


def keys_of(pointer: str) -> list[str]:
    """The keys of a JSON Pointer (RFC 6901, section 4)."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


class Folded:
    """What every set of every holder says, record by record."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], dict[str, Json]] = {}
        self._versions: dict[tuple[str, str], int] = {}
        self.positions: list[str] = []

    def apply(self, entry: dict[str, Json]) -> None:
        """Fold one line of the feed. Raises AssertionError where what it says was before was not."""
        self.positions.append(entry["position"])
        if entry["outcome"] != "applied" or entry["set"] is None:
            return
        place = (entry["holder"], entry["set"])
        self._versions[place] = self._versions.get(place, 0) + 1
        assert entry["version"] == self._versions[place], f"{place} went to version {entry['version']}"
        document = self._documents.setdefault(place, {})
        # What gives way goes first: a leaf may come to stand where objects stood.
        for change in entry["changes"]:
            if "before" in change:
                assert _taken(document, keys_of(change["path"])) == change["before"], f"{place} {change}"
        for change in entry["changes"]:
            if "after" in change:
                _put(document, keys_of(change["path"]), change["after"])

    def preferences(self, holder: str, set_name: str = "default") -> dict[str, Json]:
        """A set as it stands now."""
        return copy.deepcopy(self._documents.get((holder, set_name), {}))

    def version(self, holder: str, set_name: str = "default") -> int:
        """A set's version as it stands now."""
        return self._versions.get((holder, set_name), 0)


def _taken(document: dict[str, Json], keys: list[str]) -> Json:
    """Take a leaf away, and the objects that it leaves empty."""
    above: list[tuple[dict[str, Json], str]] = []
    node = document
    for key in keys[:-1]:
        above.append((node, key))
        node = node[key]
    value = node.pop(keys[-1])
    while above and not node:
        node, key = above.pop()
        del node[key]
    return value


def _put(document: dict[str, Json], keys: list[str], value: Json) -> None:
    node = document
    for key in keys[:-1]:
        node = node.setdefault(key, {})
    node[keys[-1]] = value
