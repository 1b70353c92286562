"""A plan's answers for sets as they are stored: of most sets only the leaves that matter to the plan are looked at."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from domain.plan import Plan
from projections.stored_item import EMPTY, EventReference, decode_item
from services.evaluation.templates import PlanRenderer, Templates

ANSWERS_BEFORE_DECODER = 100
"""A decoder of its own costs a plan as much as it saves in so many answers; many plans never give as many."""

DECODED_PATHS_MAX = 64
"""Of more paths than that a whole set is decoded sooner: each of its leaves is held against each path."""


class _SeenItem(Protocol):
    """A `StoredItem`, but of its leaves only those that matter to a plan; what the plan never asks for is skipped."""

    leaves: msgspec.Struct
    sources: list[int]
    events: list[EventReference]


def _decoder(paths: Sequence[str]) -> Callable[[bytes], Any] | None:
    """What decodes a stored item so; None for too many paths, and for such as JSON can't have without escapes."""
    if len(paths) > DECODED_PATHS_MAX:
        return None
    members = [
        (f"leaf_{number}", Any | msgspec.UnsetType, msgspec.field(default=msgspec.UNSET, name=path))
        for number, path in enumerate(paths)
    ]
    try:
        leaves = msgspec.defstruct("SeenLeaves", members, frozen=True, gc=False)
    except ValueError:
        return None
    fields = [("leaves", leaves), ("sources", list[int]), ("events", list[EventReference])]
    return msgspec.json.Decoder(msgspec.defstruct("SeenItem", fields, frozen=True, gc=False, array_like=True)).decode


class PlanAnswers:
    """Answers as JSON text, each an object without its closing brace.

    People choose alike where it matters to one question: so the leaves that matter, decoded into a struct, are the key
    under which an answer's template is remembered. What that does not tell is decoded wholly and put to the plan. For
    use from several threads: what two of them learn at once is the same.
    """

    def __init__(self, plan: Plan, renderer: PlanRenderer, templates: Templates) -> None:
        self._plan = plan
        self._renderer = renderer
        self._templates = templates
        self._has_tried = False
        self._decode: Callable[[bytes], _SeenItem] | None = None
        self._answers_before_decoder = 0

    def of_usual_set(self, recipient: bytes, own_default: bytes | None) -> bytes | None:
        """The answer for a recipient with a default set at most, and no choice of a concrete channel in it.

        The recipient is named as JSON text. None where only `evaluate` can tell.
        """
        decode = self._decode
        if decode is None:
            self._count()
        if own_default is None or decode is None:
            return self.of_sets(recipient, own_default, None)
        seen = decode(own_default)
        try:
            template = self._templates.get(seen.leaves)
        except TypeError:  # A leaf that is no plain value: a condition, a schedule, a routing.
            return self.of_sets(recipient, own_default, None)
        if template is None:
            decisions = self._plan.decide(decode_item(own_default).leaves, EMPTY.leaves)
            if decisions is None:
                return None
            template = self._renderer.template(decisions)
            self._templates.learn(seen.leaves, template)
        if seen.sources or not seen.events:
            return template.of_sets(recipient, decode_item(own_default), EMPTY)
        return template.of_one_event(recipient, seen.events[0])

    def _count(self) -> None:
        self._answers_before_decoder += 1
        if self._answers_before_decoder >= ANSWERS_BEFORE_DECODER and not self._has_tried:
            self._has_tried = True
            self._decode = _decoder(self._plan.paths)

    def of_sets(self, recipient: bytes, own_default: bytes | None, own_in_tenant: bytes | None) -> bytes | None:
        """The same for a recipient with whatever sets."""
        default = EMPTY if own_default is None else decode_item(own_default)
        in_tenant = EMPTY if own_in_tenant is None else decode_item(own_in_tenant)
        decisions = self._plan.decide(default.leaves, in_tenant.leaves)
        return None if decisions is None else self._renderer.template(decisions).of_sets(recipient, default, in_tenant)
