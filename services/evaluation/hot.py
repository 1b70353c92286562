"""The hot path: one plain question about one user, answered from a single statement. What it can't answer, it leaves.

It knows nothing of its own: plans decide, the renderer writes. It only leaves out what most questions do not need: a
transaction of its own, a parsed holder, and parsing again what the last question already said.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from domain.json_value import JsonValue
from projections.position import instant_text
from projections.stored_item import EMPTY, StoredItem, decode_item
from services.evaluation.asked import parse_asked
from services.evaluation.plans import Compiled, PlanKey, Plans
from services.evaluation.rendering import text_of
from services.identifiers import new_decision_id
from services.ledger import Ledger
from services.queries import Queries

SHAPES_MAX = 1_024
SHAPE_LENGTH_MAX = 1_000
"""Characters. What is longer is no usual question, and not worth remembering."""

_MEMBERS = frozenset({"workflow", "channels", "categories", "policy"})
_USER = "user:"
_NAME_LENGTH_MAX = len(_USER) + 256

# Two joins, not one with a list: SQLite would make a temporary index of the list for each question.
_READ = (
    "SELECT d.body, s.body FROM holders AS h "
    "LEFT JOIN items AS d ON d.holder_id = h.id AND d.item = 'set:default' "
    "LEFT JOIN items AS s ON s.holder_id = h.id AND s.item = 'suppression' WHERE h.stream = ?"
)


@dataclass(slots=True)
class _Shape:
    """What a question says beside its recipient, parsed once, and the plan that last answered it."""

    compiled: Compiled
    closing: str


class HotPath:
    """Answers what most questions are."""

    def __init__(self, ledger: Ledger, queries: Queries, plans: Plans) -> None:
        self._ledger = ledger
        self._queries = queries
        self._plans = plans
        self._shapes: dict[str, _Shape] = {}

    def answer(self, body: Mapping[str, JsonValue]) -> bytes | None:
        """The whole answer, or None where the question is not of the usual kind. Raises ServiceError, Invalid."""
        rest = dict(body)
        recipient = rest.pop("recipient", None)
        if not isinstance(recipient, str) or not is_plain_user(recipient):
            return None
        self._ledger.readiness.check_answer()
        held = self._ledger.views.reader.held
        checkpoint = held.checkpoint()
        if checkpoint is None:
            return None
        wording = repr(rest)
        shape = self._shapes.get(wording)
        if shape is None or shape.compiled.environment_offset != checkpoint.environment_offset:
            if not rest.keys() <= _MEMBERS:
                return None
            shape = self._learn(wording, rest)
            if shape.compiled.environment_offset != checkpoint.environment_offset:
                return None  # The projector went on in between: the general way takes it from there.
        row = held.connection.execute(_READ, (self._ledger.secrets.stream_key_of(recipient),)).fetchone()
        if row is None:
            return self._decided(shape, recipient, checkpoint.position, EMPTY)
        if row[1] is not None and decode_item(row[1]).leaves:
            return None
        stored = EMPTY if row[0] is None else decode_item(row[0])
        return self._decided(shape, recipient, checkpoint.position, stored)

    def _decided(self, shape: _Shape, recipient: str, position: str, stored: StoredItem) -> bytes | None:
        plan = shape.compiled.plan
        decisions = plan.decide(stored.leaves, EMPTY.leaves) if plan is not None else None
        if decisions is None:
            return None
        holder = text_of(recipient)
        text = shape.compiled.renderer.text(decisions, holder, stored, EMPTY)
        stale_seconds = self._ledger.readiness.stale_seconds()
        return (
            f'{{"recipient":{holder},"decisions":[{text}],{shape.closing},"position":"{position}",'
            f'"evaluated_at":"{instant_text(time.time_ns() // 1_000_000)}","decision_id":"{new_decision_id()}",'
            f'"stale_seconds":{stale_seconds or 0.0}}}'
        ).encode()

    def _learn(self, wording: str, rest: Mapping[str, JsonValue]) -> _Shape:
        asked = parse_asked(rest, "recipient")
        key = PlanKey(asked.circle, asked.channels)
        compiled = self._ledger.views.reader.read_now(
            lambda connection: self._plans.standing(key, self._queries.now(connection))
        )
        known = "true" if compiled.workflow is not None else "false"
        shape = _Shape(compiled, f'"workflow":{text_of(asked.circle.workflow)},"workflow_known":{known}')
        if len(wording) <= SHAPE_LENGTH_MAX:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            self._shapes[wording] = shape
        return shape


def is_plain_user(recipient: str) -> bool:
    """Whether the text is a user's name that needs no closer look: printable text is what ids may hold, and less."""
    return recipient.startswith(_USER) and len(_USER) < len(recipient) <= _NAME_LENGTH_MAX and recipient.isprintable()
