"""Decisions as JSON text. What is the same for many recipients is made once; a recipient's own part is put in between."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from domain.evaluation import Decision
from domain.plan_rule import ORIGIN_OWN_DEFAULT, ORIGIN_OWN_IN_TENANT, PlanDecision
from domain.question import ChannelRef
from domain.reason import Reason
from domain.trace import Source
from projections.stored_item import EventReference, StoredItem, source_of

REMEMBERED_MAX = 2_048
"""Answers of different text. Four channels, each decided by one of two own leaves or by others', have some 1,300."""

Lookup = Callable[[Source], EventReference | None]
Detail = Callable[[EventReference], tuple[str | None, str | None]]


def text_of(value: object) -> str:
    """Any value as JSON text."""
    return msgspec.json.encode(value).decode()


def decided_text(holder: str, set_name: str, path: str, reference: EventReference) -> str:
    """A `decided_by` object."""
    return (
        f'{{"holder":{text_of(holder)},"set":{text_of(set_name)},"path":{text_of(path)},'
        f"{_event_members(reference).decode()}}}"
    )


def _opening(channel: ChannelRef, deliver: bool, reason: Reason) -> str:
    channel_id = "" if channel.id is None else f',"channel":{text_of(channel.id)}'
    verdict = "true" if deliver else "false"
    return f'{{"channel_type":"{channel.type}"{channel_id},"deliver":{verdict},"reason":"{reason.value}","decided_by":'


class _Piece(NamedTuple):
    """One channel's decision as text, comma and all."""

    before: bytes
    between: bytes = b""
    """Between the two holes of a decision of the recipient's own: who it is, and the event."""

    own: tuple[bool, str] | None = None
    """The leaf of its own that decided: whether the default set has it, and its path."""


class _Template(NamedTuple):
    """The text around a recipient's own part.

    Holes are left for, in this order: the recipient; then for each decision of a leaf of its own the recipient once more,
    and the event that gave the leaf its value.
    """

    parts: list[bytes]
    own: list[tuple[bool, str]]
    """The leaves of its own: whether the default set has it, and its path."""


class PlanRenderer:
    """The text of a plan's answers: recipient and decisions."""

    def __init__(self, channels: Sequence[ChannelRef], lookup: Lookup, tenant_id: str | None) -> None:
        """`lookup` knows the shared leaves; it must not read from views that move on."""
        self._channels = channels
        self._lookup = lookup
        self._in_tenant = f"tenant:{tenant_id}"
        self._remembered: dict[int, tuple[tuple[PlanDecision, ...], _Template]] = {}
        self._pieces: dict[tuple[int, PlanDecision], _Piece] = {}
        self._parts: dict[bytes, bytes] = {}

    def text(
        self, decisions: tuple[PlanDecision, ...], recipient: bytes, own_default: StoredItem, own_in_tenant: StoredItem
    ) -> bytes:
        """One recipient's answer: an object without its closing brace, for more members to follow.

        `recipient` is already JSON text.
        """
        known = self._remembered.get(id(decisions))
        parts, own = known[1] if known is not None and known[0] is decisions else self._learn(decisions)
        parts = parts.copy()
        parts[1] = recipient
        if own:
            parts[3::4] = [recipient] * len(own)
            if own_default.sources or own_in_tenant.leaves:
                parts[5::4] = [
                    _event_members(source_of(own_default if from_default else own_in_tenant, path))
                    for from_default, path in own
                ]
            else:
                parts[5::4] = [_event_members(own_default.events[0])] * len(own)
        return b"".join(parts)

    def _learn(self, decisions: tuple[PlanDecision, ...]) -> _Template:
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
            self._pieces.clear()
            self._parts.clear()
        template = self._template(decisions)
        # The tuple is kept beside the text: as long as it lives, its id is no other's.
        self._remembered[id(decisions)] = (decisions, template)
        return template

    def _template(self, decisions: tuple[PlanDecision, ...]) -> _Template:
        parts = [b'{"recipient":', b"", b',"decisions":[']
        own: list[tuple[bool, str]] = []
        for numbered in enumerate(decisions):
            piece = self._pieces.get(numbered)
            if piece is None:
                piece = self._pieces[numbered] = self._piece(*numbered)
            parts[-1] += piece.before
            if piece.own is not None:
                parts += [b"", piece.between, b"", b"}}"]
                own.append(piece.own)
        parts[-1] += b"]"
        # Templates have most parts in common: kept once, they stay in the processor's caches.
        shared = self._parts
        return _Template([shared.setdefault(part, part) for part in parts], own)

    def _piece(self, number: int, decision: PlanDecision) -> _Piece:
        opening = ("," if number else "") + _opening(self._channels[number], decision.deliver, decision.reason)
        if decision.path is None or decision.origin not in (ORIGIN_OWN_DEFAULT, ORIGIN_OWN_IN_TENANT):
            return _Piece(f"{opening}{self._shared(decision.source)}}}".encode())
        from_default = decision.origin == ORIGIN_OWN_DEFAULT
        set_name = "default" if from_default else self._in_tenant
        return _Piece(
            f'{opening}{{"holder":'.encode(),
            f',"set":{text_of(set_name)},"path":{text_of(decision.path)},'.encode(),
            (from_default, decision.path),
        )

    def _shared(self, source: Source | None) -> str:
        reference = self._lookup(source) if source is not None else None
        if source is None or reference is None:
            return "null"
        return decided_text(source.holder, source.set_name, source.path, reference)


def _event_members(reference: EventReference) -> bytes:
    """How a `decided_by` object names the event. All of it is plain ASCII of our own making."""
    return f'"event_id":"{reference[0]}","position":"{reference[1]}","recorded_at":"{reference[2]}"'.encode()


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
