"""The trace of a decision: what was looked at, in order, with the verdict of each; and what is read off it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from domain.json_value import JsonValue
from domain.layers import Layer
from domain.reason import Reason


class Verdict(StrEnum):
    """What looking at one thing came to. The closed list."""

    SPEAKS = "speaks"
    """This layer has a set, and its rules are looked at."""
    SILENT = "silent"
    """This says nothing about the question."""
    LEFT_OUT = "left_out"
    """The policy does not look at this here."""
    SILENCED = "silenced"
    """A lock keeps this from being looked at."""
    LOCKS = "locks"
    """This locks a rule in play: the recipient's own rules are not looked at."""
    LIFTS = "lifts"
    """This says that a rule is not locked, whatever weaker layers say."""
    REPLACES = "replaces"
    """This stands in place of what stronger layers say about the same."""
    OVERRULED = "overruled"
    """Something else stands in this one's place."""
    NOT_ASKED = "not_asked"
    """This would count, but the answer was clear before."""
    PASSES = "passes"
    """This could have stopped the message, and does not."""
    YES = "yes"
    """This says yes."""
    NO = "no"
    """This says no. The first of these is the reason."""
    DELIVERS = "delivers"
    """The end of the trace: the channel is allowed, for this reason."""
    BLOCKS = "blocks"
    """The end of the trace: the channel is not allowed, for this reason."""


class TraceEntry(NamedTuple):
    """One thing that was looked at. `layer` is the kind of layer, or what else was asked, such as `suppression`.

    `rank` orders the yeses, so that the one that gives the reason can be told: the strongest, then the most specific.
    """

    verdict: Verdict
    layer: str | None = None
    holder: str | None = None
    set_name: str | None = None
    path: str | None = None
    value: JsonValue = None
    reason: Reason | None = None
    detail: str | None = None
    rank: int = 0

    def as_json(self) -> dict[str, JsonValue]:
        """The entry as it is shown; what it does not have is left out."""
        shown: dict[str, JsonValue] = {
            "layer": self.layer,
            "holder": self.holder,
            "set": self.set_name,
            "path": self.path,
            "value": self.value,
            "verdict": self.verdict,
            "reason": self.reason,
            "detail": self.detail,
        }
        return {name: value for name, value in shown.items() if value is not None}


RANK_LOCK: Final = 1 << 40
RANK_OVERRIDE: Final = 1 << 41
"""Above every rule's rank: a yes that holds whatever the rules say is the reason."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the leaf that decided stands: in which layer, in whose set, and its pointer there."""

    layer: str
    holder: str
    set_name: str
    path: str


def entry_of(
    layer: Layer,
    verdict: Verdict,
    rule_path: str,
    member: str,
    value: JsonValue,
    reason: Reason | None = None,
    detail: str | None = None,
    rank: int = 0,
) -> TraceEntry:
    """An entry about one member of one layer's rule."""
    path = layer.path_of(rule_path, member)
    return TraceEntry(verdict, layer.kind, layer.holder, layer.set_name, path, value, reason, detail, rank)


def blocked(entries: Iterable[TraceEntry]) -> bool:
    """Whether something has said no."""
    return any(entry.verdict is Verdict.NO for entry in entries)


def conclusion(entries: Iterable[TraceEntry]) -> TraceEntry:
    """The last entry of a trace. The one place where a decision and its reason are made out.

    The first no blocks. If there is none, the yes of the highest rank gives the reason, and with no yes the default.
    """
    best = _NOBODY
    for entry in entries:
        if entry.verdict is Verdict.NO:
            return _ended(Verdict.BLOCKS, entry)
        if entry.rank > best.rank:
            best = entry
    return _ended(Verdict.DELIVERS, best)


_NOBODY: Final = TraceEntry(Verdict.SILENT, reason=Reason.DEFAULT_ALLOW)


def _ended(verdict: Verdict, entry: TraceEntry) -> TraceEntry:
    return TraceEntry(
        verdict, entry.layer, entry.holder, entry.set_name, entry.path, entry.value, entry.reason, entry.detail
    )


def source_of(entry: TraceEntry) -> Source | None:
    """Where the entry's leaf stands, if it is about one."""
    if entry.layer is None or entry.holder is None or entry.set_name is None or entry.path is None:
        return None
    return Source(entry.layer, entry.holder, entry.set_name, entry.path)
