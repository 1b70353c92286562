"""Decisions as JSON text. What is the same for many recipients is made once; a recipient's own part is put in between."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from domain.evaluation import Decision
from domain.plan_rule import ORIGIN_NOBODY, ORIGIN_OWN_DEFAULT, ORIGIN_SHARED, PlanDecision
from domain.question import ChannelRef
from domain.reason import Reason
from domain.trace import Source
from projections.stored_item import EventReference, StoredItem

REMEMBERED_MAX = 1_024

Lookup = Callable[[Source], EventReference | None]
Detail = Callable[[EventReference], tuple[str | None, str | None]]


def text_of(value: object) -> str:
    """Any value as JSON text."""
    return msgspec.json.encode(value).decode()


def decided_text(holder: str, set_name: str, path: str, reference: EventReference) -> str:
    """A `decided_by` object. All but the holder, the set and the path is plain ASCII of our own making."""
    return (
        f'{{"holder":{text_of(holder)},"set":{text_of(set_name)},"path":{text_of(path)},"event_id":"{reference[0]}",'
        f'"position":"{reference[1]}","recorded_at":"{reference[2]}"}}'
    )


def _opening(channel: ChannelRef, deliver: bool, reason: Reason) -> str:
    channel_id = "" if channel.id is None else f',"channel":{text_of(channel.id)}'
    verdict = "true" if deliver else "false"
    return f'{{"channel_type":"{channel.type}"{channel_id},"deliver":{verdict},"reason":"{reason.value}","decided_by":'


class _Piece(NamedTuple):
    """One decision's text: all of it, or what stands before and after the holder, and the leaf that decided."""

    before: str
    after_holder: str
    from_default: bool
    path: str | None


class PlanRenderer:
    """The text of a plan's decisions."""

    def __init__(self, channels: Sequence[ChannelRef], lookup: Lookup, tenant_id: str | None) -> None:
        """`lookup` knows the shared leaves; it must not read from views that move on."""
        self._channels = channels
        self._lookup = lookup
        self._in_tenant = f"tenant:{tenant_id}"
        self._remembered: dict[int, tuple[tuple[PlanDecision, ...], list[_Piece]]] = {}

    def text(
        self, decisions: tuple[PlanDecision, ...], holder: str, own_default: StoredItem, own_in_tenant: StoredItem
    ) -> str:
        """The decisions of one recipient as a JSON array; `holder` is already JSON text."""
        known = self._remembered.get(id(decisions))
        pieces = known[1] if known is not None and known[0] is decisions else self._learn(decisions)
        parts: list[str] = []
        for before, after_holder, from_default, path in pieces:
            if path is None:
                parts.append(before)
                continue
            stored = own_default if from_default else own_in_tenant
            event_id, position, recorded_at = stored.events[stored.sources[path]]
            parts.append(
                f'{before}{holder}{after_holder}{event_id}","position":"{position}","recorded_at":"{recorded_at}"}}}}'
            )
        return ",".join(parts)

    def _learn(self, decisions: tuple[PlanDecision, ...]) -> list[_Piece]:
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        pieces = [self._piece(channel, decision) for channel, decision in zip(self._channels, decisions, strict=True)]
        # The tuple is kept beside the text: as long as it lives, its id is no other's.
        self._remembered[id(decisions)] = (decisions, pieces)
        return pieces

    def _piece(self, channel: ChannelRef, decision: PlanDecision) -> _Piece:
        opening = _opening(channel, decision.deliver, decision.reason)
        if decision.origin == ORIGIN_NOBODY:
            return _Piece(opening + "null}", "", False, None)
        if decision.origin == ORIGIN_SHARED or decision.path is None:
            return _Piece(opening + self._shared(decision.source) + "}", "", False, None)
        from_default = decision.origin == ORIGIN_OWN_DEFAULT
        set_name = "default" if from_default else self._in_tenant
        after = f',"set":{text_of(set_name)},"path":{text_of(decision.path)},"event_id":"'
        return _Piece(opening + '{"holder":', after, from_default, decision.path)

    def _shared(self, source: Source | None) -> str:
        reference = self._lookup(source) if source is not None else None
        if source is None or reference is None:
            return "null"
        return decided_text(source.holder, source.set_name, source.path, reference)


def decision_text(decision: Decision, lookup: Lookup, detail: Detail | None) -> str:
    """One decision of the full evaluator; with `detail`, explained."""
    source = decision.source
    reference = lookup(source) if source is not None else None
    decided = "null"
    if source is not None and reference is not None:
        decided = decided_text(source.holder, source.set_name, source.path, reference)
        if detail is not None:
            actor, method = detail(reference)
            decided = f'{decided[:-1]},"actor":{text_of(actor)},"method":{text_of(method)}}}'
    text = _opening(decision.channel, decision.deliver, decision.reason) + decided
    if decision.digest is not None:
        text += f',"digest":{text_of(decision.digest)}'
    if detail is not None:
        text += f',"trace":{text_of([entry.as_json() for entry in decision.trace])}'
    return text + "}"
