"""Decisions as JSON text."""

from collections.abc import Callable

import msgspec

from domain.evaluation import Decision
from domain.question import ChannelRef
from domain.reason import Reason
from domain.trace import Source
from projections.stored_item import EventReference

Lookup = Callable[[Source], EventReference | None]
Detail = Callable[[EventReference], tuple[str | None, str | None]]


def text_of(value: object) -> str:
    """Any value as JSON text."""
    return msgspec.json.encode(value).decode()


def decided_text(holder: str, set_name: str, path: str, reference: EventReference) -> str:
    """A `decided_by` object."""
    named = f'"holder":{text_of(holder)},"set":{text_of(set_name)},"path":{text_of(path)}'
    return f"{{{named},{event_members(reference)}}}"


def event_members(reference: EventReference) -> str:
    """How a `decided_by` object names the event. All of it is plain ASCII of our own making."""
    return f'"event_id":"{reference[0]}","position":"{reference[1]}","recorded_at":"{reference[2]}"'


def opening_text(channel: ChannelRef, deliver: bool, reason: Reason) -> str:
    """A decision up to who decided it."""
    channel_id = "" if channel.id is None else f',"channel":{text_of(channel.id)}'
    verdict = "true" if deliver else "false"
    return f'{{"channel_type":"{channel.type}"{channel_id},"deliver":{verdict},"reason":"{reason.value}","decided_by":'


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
    text = opening_text(decision.channel, decision.deliver, decision.reason) + decided
    if decision.digest is not None:
        text += f',"digest":{text_of(decision.digest)}'
    if detail is not None:
        text += f',"trace":{text_of([entry.as_json() for entry in decision.trace])}'
    return text + "}"
