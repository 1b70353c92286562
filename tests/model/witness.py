"""The model beside a live ledger: it learns what publishers meant, reads the feed along, and compares."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.integration.http.api import Api
from tests.model.comparing import check_entry, check_hidden, text_of
from tests.model.document_model import leaves
from tests.model.ledger_model import Item, Ledger, Record, Stream, instant

Json = Any

OPENED: Json = {"type": "LedgerOpened", "holder": "environment"}
DEFAULT_POLICY: Json = {"decide": "every_rule_allows", "own_default_in_tenant": "above_tenant_defaults"}
EVALUATED_AT = "2026-03-03T14:05:00Z"
EVENT_MEMBERS = ("position", "version", "before", "after", "decides")


class Witness:
    """Every record of one ledger, folded by the model."""

    def __init__(self) -> None:
        self.model = Ledger()
        self.positions: list[str] = []
        self._by_id: dict[str, Json] = {}
        self._by_position: dict[str, Json] = {}
        self._by_offset: dict[int, Record] = {}

    def hear(self, event: Json) -> None:
        """An event on its way to a node. Its id is its own, or it was sent before just so."""
        self._by_id[event["event_id"]] = {"holder": "environment", **event}

    def hear_at(self, position: str, event: Json) -> None:
        """An event that a node has put at this position: one whose id is not its own."""
        self._by_position[position] = {"holder": "environment", **event}

    def see(self, offset: int, record: Record) -> None:
        """A record that was written into the log itself."""
        self._by_offset[offset] = record

    def take(self, lines: Iterable[Json]) -> None:
        """Read on in the feed. Fails where it is not what the model makes of the same records."""
        for line in lines:
            record = self._by_offset.pop(len(self.positions), None) or self._published(line)
            check_entry(line, self.model.take(record), record.said)
            self.positions.append(line["position"])

    def _published(self, line: Json) -> Record:
        """What was meant by a record that came through a node."""
        said = self._by_position.get(line["position"]) or self._by_id.get(line["event_id"])
        if not self.positions:
            said = OPENED
        assert said is not None, f"nobody said what stands at {line['position']}: {line}"
        return Record(said["holder"], milliseconds_of(line["recorded_at"]), line["event_id"], said)

    def check_whole(self, lines: Iterable[Json]) -> None:
        """The whole feed, read again: the same records, and what was forgotten is hidden."""
        told = [(line["position"], "forgotten" in line) for line in lines]
        assert [position for position, _ in told] == self.positions, "records went away, or came between older ones"
        check_hidden((at for at, (_, is_forgotten) in enumerate(told) if is_forgotten), self.model)

    def check_moment(self, api: Api, holder: str, offset: int, *, by_time: bool) -> Json:
        """Everything that a node tells of a holder as of a record, or as of its time; what it told, decisions too.

        Of decisions and resolved sets the model knows nothing but that they must be the same whenever they are asked for.
        """
        as_of = instant(self.model.recorded_at[offset]) if by_time else self.positions[offset]
        if by_time:
            offset = self.model.offset_at(self.model.recorded_at[offset])
        stream = self.model.at(holder, offset)
        sets = {name.removeprefix("set:"): item for name, item in sorted(stream.items.items()) if name.startswith("set:")}
        expected = {
            "": _described(stream, sets),
            "/preferences": {"sets": _shown(sets)},
            **{f"/preferences/{name}": {"preferences": i.document, "version": i.version} for name, i in sets.items()},
            **{f"/preferences/{name}/provenance": {"leaves": self._provenance(stream, name)} for name in sets},
        }
        told = {path: _ask(api, f"/holders/{holder}{path}", as_of) for path in expected}
        if holder == "environment":
            expected["/catalogue"], told["/catalogue"] = _catalogue(stream), _ask(api, "/catalogue", as_of)
        for path, members in expected.items():
            shown = {name: told[path][name] for name in [*members, "position"]}
            wanted = {**members, "position": self.positions[offset]}
            assert text_of(shown) == text_of(wanted), f"{holder}{path} as of record {offset}:\n{shown}\nis not\n{wanted}"
            assert ("settled" in told[path]) == by_time
        return {path: _timeless(answer) for path, answer in (told | _followed(api, holder, as_of)).items()}

    def _provenance(self, stream: Stream, set_name: str) -> list[Json]:
        """For each path of a set that ever had a value, the changes that it went through, newest first."""
        item = stream.items[f"set:{set_name}"]
        values = leaves(f"set:{set_name}", item.document)
        told = []
        for path, trail in sorted(item.trail.items()):
            events = [
                {
                    "position": self.positions[change["offset"]],
                    "version": change["version"],
                    **{side: change[side] for side in ("before", "after") if side in change},
                    "decides": change is trail[-1] and path in values,
                }
                for change in reversed(trail)
            ]
            told.append({"path": path, **({"value": values[path]} if path in values else {}), "events": events})
        return told


def _ask(api: Api, path: str, as_of: str) -> Json:
    """An answer; where it has pages, all of them, and of each event only what the model knows."""
    told = api.get(path, as_of=as_of)
    if not path.endswith("/provenance"):
        return told
    pages = [told]
    while pages[-1]["next_cursor"] is not None:
        pages.append(api.get(path, as_of=as_of, cursor=pages[-1]["next_cursor"]))
    found: dict[str, Json] = {}
    for leaf in (leaf for page in pages for leaf in page["leaves"]):
        events = [{name: event[name] for name in EVENT_MEMBERS if name in event} for event in leaf.pop("events")]
        found.setdefault(leaf["path"], {**leaf, "events": []})["events"] += events
    return {**told, "leaves": [found[path] for path in sorted(found)]}


def _timeless(answer: Json) -> Json:
    """An answer without what depends on when it was asked for."""
    return {name: value for name, value in answer.items() if name not in ("stale_seconds", "settled")}


def _followed(api: Api, holder: str, as_of: str) -> Json:
    """What follows from a holder's sets and those of others: the resolved set, and what is decided by it, and why."""
    resolved = api.get(f"/holders/{holder}/preferences/default", as_of=as_of, resolved="true", tenant="acme")
    if not holder.startswith(("user:", "object:")):
        return {"resolved": resolved}
    asked = {"recipient": holder, "workflow": "w", "tenant": "acme", "at": EVALUATED_AT, "as_of": as_of, "explain": True}
    answer = api.ok("POST", "/evaluate", json=asked)
    return {"resolved": resolved, "decided": {name: answer[name] for name in ("decisions", "position", "evaluated_at")}}


def _shown(sets: dict[str, Item]) -> Json:
    return [
        {"set": name, "preferences": item.document, "version": item.version} for name, item in sets.items() if item.document
    ]


def _described(stream: Stream, sets: Json) -> Json:
    return {
        "properties": stream.document("properties"),
        "version": stream.version("properties"),
        "suppress": stream.document("suppression").get("suppress", "none"),
        "sets": [name for name, item in sets.items() if item.document],
    }


def _catalogue(stream: Stream) -> Json:
    kinds = {"workflows": "workflow:", "categories": "category:", "channels": "channel:", "sections": "section:"}
    shown: Json = {
        name: {
            key.removeprefix(kind): item.document
            for key, item in stream.items.items()
            if key.startswith(kind) and item.document
        }
        for name, kind in kinds.items()
    }
    return {**shown, "policy": stream.document("policy") or DEFAULT_POLICY}


def milliseconds_of(text: str) -> int:
    """Unix milliseconds of an instant as the API writes it."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
