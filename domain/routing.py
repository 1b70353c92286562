"""Routing: a choice of channel types that, while it applies, every message has to keep to."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.json_value import JsonValue
from domain.layers import OWN_KINDS
from domain.question import ChannelRef
from domain.reason import Reason
from domain.resolve import Standing
from domain.rules_in_play import RulesInPlay
from domain.trace import TraceEntry, Verdict, entry_of


@dataclass(frozen=True, slots=True)
class Routing:
    """The routings in force, one a scope at most, and those that a lock silences."""

    rules: RulesInPlay
    in_force: dict[str, Standing]
    """By rule path."""

    silenced: tuple[TraceEntry, ...] = ()


def routing_in_force(unlocked: RulesInPlay, everything: RulesInPlay | None, channels: Iterable[ChannelRef]) -> Routing:
    """The routing that counts. `unlocked` are the rules that are looked at.

    `everything`, given while a rule in play is locked, has the recipient's own rules too: their routing counts even
    then, unless it would leave none of the workflow's `channels`.
    """
    if everything is None:
        return Routing(unlocked, _routings(unlocked))
    routings = _routings(everything)
    own = {path: one for path, one in routings.items() if everything.layers[one.layer].kind in OWN_KINDS}
    if not own or any(all(_allows(one.value, channel.type) for one in routings.values()) for channel in channels):
        return Routing(everything, routings)
    silenced = [
        entry_of(
            everything.layers[one.layer],
            Verdict.SILENCED,
            path,
            "/routing",
            one.value,
            detail="it would leave none of the workflow's channels",
        )
        for path, one in own.items()
    ]
    return Routing(unlocked, _routings(unlocked), tuple(silenced))


def routing_entries(routing: Routing, channel: ChannelRef) -> list[TraceEntry]:
    """The trace of the routings for one channel: those that apply must name its type."""
    entries = list(routing.silenced)
    for path, standing in routing.in_force.items():
        layer = routing.rules.layers[standing.layer]
        allows = _allows(standing.value, channel.type)
        verdict, reason = (Verdict.PASSES, None) if allows else (Verdict.NO, Reason.ROUTING_EXCLUDED)
        entries.append(entry_of(layer, verdict, path, "/routing", standing.value, reason))
    return entries


def _routings(rules: RulesInPlay) -> dict[str, Standing]:
    return {
        scope.path: rules.merged[scope.path]["/routing"] for scope in rules.scopes if "/routing" in rules.merged[scope.path]
    }


def applies(routing: JsonValue) -> bool:
    """Whether a routing is more than remembered."""
    return isinstance(routing, dict) and routing.get("applies") is True


def _allows(routing: JsonValue, channel_type: str) -> bool:
    if not applies(routing) or not isinstance(routing, dict):
        return True
    channels = routing.get("channels")
    return isinstance(channels, list) and channel_type in channels
