"""The hot path: a plain question about one user that differs from an earlier one in the recipient alone.

It knows nothing of its own: plans decide, templates write. It only leaves out what most questions do not need:
parsing again what the last question already said, a parsed holder, a transaction of its own.
"""

import re
import time
from collections.abc import Mapping

from domain.json_value import JsonValue
from projections.own_items import HAS_CHANNEL_CHOICES, HAS_SUPPRESSION
from projections.places import first_place
from projections.position import instant_text
from services.evaluation.asked import parse_asked
from services.evaluation.plain_names import PLAIN_NAME
from services.evaluation.plans import Compiled, PlanKey, Plans
from services.evaluation.rendering import text_of
from services.identifiers import new_decision_id
from services.ledger import Ledger
from services.queries import Queries

SHAPES_MAX = 1_024
SHAPE_BYTES_MAX = 1_000
"""What is longer is no usual question, and not worth remembering."""

_MEMBERS = frozenset({"recipient", "workflow", "channels", "categories", "policy"})

_RECIPIENT = re.compile(rf'"recipient"[ \t\r\n]*:[ \t\r\n]*("{PLAIN_NAME}")'.encode())

_READ = "SELECT stream, own_items, set_body FROM holders WHERE place = ?"


class _Shape:
    """What a question says beside its recipient, parsed once, and the plan that last answered it."""

    __slots__ = ("closing", "compiled", "key")

    def __init__(self, key: PlanKey) -> None:
        self.key = key
        self.compiled: Compiled | None = None
        self.closing = ""

    def compile(self, compiled: Compiled) -> None:
        """Answer with this plan from now on."""
        known = "true" if compiled.workflow is not None else "false"
        self.compiled = compiled
        self.closing = f'"workflow":{text_of(self.key.circle.workflow)},"workflow_known":{known}'


class HotPath:
    """Answers what most questions are."""

    def __init__(self, ledger: Ledger, queries: Queries, plans: Plans) -> None:
        self._ledger = ledger
        self._queries = queries
        self._plans = plans
        self._shapes: dict[bytes, _Shape] = {}

    def answer(self, body: bytes) -> bytes | None:
        """The whole answer to a question's bytes, or None where it must be looked at more closely. Raises ServiceError."""
        found = _RECIPIENT.search(body)
        if found is None:
            return None
        begin, end = found.span(1)
        # The bytes before and after are those of a question that was parsed: so they say the same.
        shape = self._shapes.get(body[:begin] + body[end:])
        if shape is None:
            return None
        ledger = self._ledger
        ledger.readiness.check_answer()
        held = ledger.views.reader.held
        checkpoint = held.checkpoint()
        if checkpoint is None:
            return None
        compiled = shape.compiled
        if compiled is None or compiled.environment_offset != checkpoint.environment_offset:
            compiled = self._compiled(shape)
            if compiled.environment_offset != checkpoint.environment_offset:
                return None  # The projector went on in between: the general way takes it from there.
        if compiled.answers is None:
            return None
        recipient = found.group(1)
        stream = ledger.secrets.stream_key_of(recipient[1:-1].decode("ascii"))
        row = held.connection.execute(_READ, (first_place(stream),)).fetchone() or (stream, 0, None)
        if row[0] != stream or row[1] & HAS_SUPPRESSION:
            return None  # Another holder has the place, or it takes more than a plan.
        if row[1] & HAS_CHANNEL_CHOICES:
            answer = compiled.answers.of_sets(recipient, row[2], None)
        else:
            answer = compiled.answers.of_usual_set(recipient, row[2])
        if answer is None:
            return None
        milliseconds = time.time_ns() // 1_000_000
        closing = (
            f',{shape.closing},"position":"{checkpoint.position}",'
            f'"evaluated_at":"{instant_text(milliseconds)}","decision_id":"{new_decision_id(milliseconds)}",'
            f'"stale_seconds":{ledger.readiness.stale_seconds() or 0.0}}}'
        )
        return answer + closing.encode()

    def learn(self, body: bytes, parsed: Mapping[str, JsonValue]) -> None:
        """Remember how a valid question is worded, so that the next one of the same wording need not be parsed."""
        found = _RECIPIENT.search(body)
        # With one mention of the word and no escapes, what was found is the question's own recipient and nothing else.
        if (
            found is None
            or len(body) > SHAPE_BYTES_MAX
            or b"\\" in body
            or body.count(b"recipient") != 1
            or not parsed.keys() <= _MEMBERS
        ):
            return
        asked = parse_asked(parsed, "recipient")
        begin, end = found.span(1)
        if len(self._shapes) >= SHAPES_MAX:
            self._shapes.clear()
        self._shapes[body[:begin] + body[end:]] = _Shape(PlanKey(asked.circle, asked.channels))

    def _compiled(self, shape: _Shape) -> Compiled:
        compiled = self._ledger.views.reader.read_now(
            lambda connection: self._plans.standing(shape.key, self._queries.now(connection))
        )
        shape.compile(compiled)
        return compiled
