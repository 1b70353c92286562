"""The text of a plan's answers. What is the same for many recipients is written once, with holes for what is theirs."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec

from domain.plan_rule import ORIGIN_OWN_DEFAULT, ORIGIN_OWN_IN_TENANT, PlanDecision
from domain.question import ChannelRef
from domain.trace import Source
from projections.stored_item import EventReference, StoredItem, source_of
from services.evaluation.rendering import Lookup, decided_text, event_members, opening_text, text_of

REMEMBERED_BYTES_MAX = 64 * 1024 * 1024
"""Of all plans of a ledger together. Four channels have up to 6,561 patterns and 1,300 texts, in some 6 MB."""

ENTRY_BYTES = 1_000
"""Counted for what is remembered beside its text: the leaves, the decisions, and their places in dictionaries."""

# JSON text has no raw control character: neither a name nor an event can be taken for a hole.
_RECIPIENT = b"\0"
_EVENT = b"\1"


class OwnLeaf(NamedTuple):
    """A leaf of the recipient's own that decided."""

    in_default: bool
    """Whether it is the default set's; else it is of the set inside the tenant."""

    path: str


class Template(NamedTuple):
    """One recipient's answer, an object without its closing brace: more members may follow.

    It has a hole wherever the recipient is named, as JSON text, and one for the event of each of `own`.
    """

    text: bytes
    own: tuple[OwnLeaf, ...]
    decisions: tuple[PlanDecision, ...]

    def of_one_event(self, recipient: bytes, reference: EventReference) -> bytes:
        """The answer where one event gave every own leaf its value."""
        return self.text.replace(_RECIPIENT, recipient).replace(_EVENT, event_members(reference).encode())

    def of_sets(self, recipient: bytes, own_default: StoredItem, own_in_tenant: StoredItem) -> bytes:
        """The answer where each own leaf may have an event of its own."""
        if not self.own:
            return self.text.replace(_RECIPIENT, recipient)
        pieces = self.text.replace(_RECIPIENT, recipient).split(_EVENT)
        events = [
            event_members(source_of(own_default if leaf.in_default else own_in_tenant, leaf.path)).encode()
            for leaf in self.own
        ]
        return b"".join((*chain.from_iterable(zip(pieces, events, strict=False)), pieces[-1]))


class Templates(dict[msgspec.Struct | int, Template]):
    """The templates of one plan, by the leaves that matter to it, or by the identity of a tuple of decisions."""

    def __init__(self, memory: "Memory") -> None:
        super().__init__()
        self._memory = memory

    def learn(self, key: msgspec.Struct | int, template: Template) -> None:
        """Remember one."""
        self._memory.take(ENTRY_BYTES + (len(template.text) if isinstance(key, int) else 0))
        self[key] = template


class Memory:
    """What the plans of a ledger remember together. When it is full all is forgotten: what is used comes back at once.

    What a plan remembers goes with it. For use from several threads.
    """

    def __init__(self, bytes_max: int = REMEMBERED_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._plans: WeakValueDictionary[int, Templates] = WeakValueDictionary()

    def templates(self) -> Templates:
        """For a new plan."""
        templates = Templates(self)
        self._plans[id(templates)] = templates
        return templates

    def take(self, count: int) -> None:
        """Make room for so many bytes."""
        self._bytes += count
        if self._bytes > self._bytes_max:
            self._bytes = count
            for templates in list(self._plans.values()):
                templates.clear()


class _Piece(NamedTuple):
    """One channel's decision as text with holes, comma and all."""

    text: bytes
    own: OwnLeaf | None = None


class PlanRenderer:
    """Makes the templates of one plan."""

    def __init__(self, channels: Sequence[ChannelRef], lookup: Lookup, tenant_id: str | None, templates: Templates) -> None:
        """`lookup` knows the shared leaves; it must not read from views that move on."""
        self._channels = channels
        self._lookup = lookup
        self._in_tenant = f"tenant:{tenant_id}"
        self._templates = templates
        self._pieces: dict[tuple[int, PlanDecision], _Piece] = {}

    def template(self, decisions: tuple[PlanDecision, ...]) -> Template:
        """The template of these decisions."""
        known = self._templates.get(id(decisions))
        # A template keeps its tuple: as long as it is remembered, the tuple's identity is no other's.
        if known is not None and known.decisions is decisions:
            return known
        template = self._make(decisions)
        self._templates.learn(id(decisions), template)
        return template

    def _make(self, decisions: tuple[PlanDecision, ...]) -> Template:
        pieces: list[_Piece] = []
        for numbered in enumerate(decisions):
            piece = self._pieces.get(numbered)
            if piece is None:
                piece = self._pieces[numbered] = self._piece(*numbered)
            pieces.append(piece)
        return Template(
            b'{"recipient":' + _RECIPIENT + b',"decisions":[' + b",".join([piece.text for piece in pieces]) + b"]",
            tuple(piece.own for piece in pieces if piece.own is not None),
            decisions,
        )

    def _piece(self, number: int, decision: PlanDecision) -> _Piece:
        opening = opening_text(self._channels[number], decision.deliver, decision.reason).encode()
        if decision.path is None or decision.origin not in (ORIGIN_OWN_DEFAULT, ORIGIN_OWN_IN_TENANT):
            return _Piece(opening + self._shared(decision.source).encode() + b"}")
        leaf = OwnLeaf(decision.origin == ORIGIN_OWN_DEFAULT, decision.path)
        where = f'"set":{text_of("default" if leaf.in_default else self._in_tenant)},"path":{text_of(leaf.path)}'
        return _Piece(b"".join((opening, b'{"holder":', _RECIPIENT, b",", where.encode(), b",", _EVENT, b"}}")), leaf)

    def _shared(self, source: Source | None) -> str:
        reference = self._lookup(source) if source is not None else None
        if source is None or reference is None:
            return "null"
        return decided_text(source.holder, source.set_name, source.path, reference)
