"""Whether a choice or a condition holds, in the circumstances of one question."""

from collections.abc import Callable
from typing import NamedTuple

from domain.condition import Surroundings, conditions_hold
from domain.effort import EFFORT_MAX, Effort
from domain.facts import Facts, categories_in_play
from domain.holder import HolderKind
from domain.json_logic import STEPS_MAX, logic_holds
from domain.json_value import JsonValue
from domain.preferences_seen import recipient_preferences, tenant_preferences
from domain.question import Question


class Answer(NamedTuple):
    """Yes or no; whether it hung on a condition; and what about it did not hold."""

    holds: bool
    conditional: bool = False
    detail: str | None = None


YES = Answer(holds=True)
NO = Answer(holds=False)


class Circumstances:
    """What conditions see, and the work that they may take together.

    It is put together when the first condition is met: most questions meet none. A leaf is worked out once, however many
    channels ask for it.
    """

    def __init__(self, question: Question, facts: Facts) -> None:
        self._question = question
        self._facts = facts
        self._surroundings: Surroundings | None = None
        self._effort = Effort()
        self._answered: dict[int, tuple[JsonValue, Answer]] = {}

    def choice(self, leaf: JsonValue) -> Answer:
        """What a choice says: true, false, or `{"conditions": [...]}`."""
        if isinstance(leaf, bool):
            return YES if leaf else NO
        return self._once(leaf.get("conditions") if isinstance(leaf, dict) else None, self._conditions)

    def condition(self, leaf: JsonValue) -> Answer:
        """Whether a rule's condition holds: a list of conditions, or anything else as JSON logic."""
        return self._once(leaf, self._conditions if isinstance(leaf, list) else self._logic)

    def _once(self, leaf: JsonValue, work_out: Callable[[JsonValue], Answer]) -> Answer:
        if not isinstance(leaf, (list, dict)):
            return work_out(leaf)
        known = self._answered.get(id(leaf))
        # The leaf is kept beside its answer: as long as it lives, its id is no other's.
        if known is None or known[0] is not leaf:
            known = self._answered[id(leaf)] = (leaf, work_out(leaf))
        return known[1]

    def _logic(self, logic: JsonValue) -> Answer:
        effort = Effort(STEPS_MAX, self._effort)
        variables = self._see().variables
        data: dict[str, JsonValue] = {**variables, "payload": variables["data"]}
        if logic_holds(logic, data, effort):
            return Answer(holds=True, conditional=True)
        detail = "the logic does not give true"
        if effort.exceeded:
            detail = f"the logic takes more than {STEPS_MAX} steps, or all conditions together more than {EFFORT_MAX}"
        return Answer(holds=False, conditional=True, detail=detail)

    def _conditions(self, conditions: JsonValue) -> Answer:
        if not isinstance(conditions, list):
            return Answer(holds=False, conditional=True, detail="this can't be read as conditions")
        outcome = conditions_hold(conditions, self._see(), self._effort)
        if outcome.failed is None:
            return Answer(holds=True, conditional=True)
        detail = f"condition {outcome.failed + 1} of {len(conditions)} does not hold"
        if self._effort.exceeded:
            detail += f": the conditions of this answer take more than {EFFORT_MAX} steps"
        return Answer(holds=False, conditional=True, detail=detail)

    def _see(self) -> Surroundings:
        if self._surroundings is None:
            self._surroundings = Surroundings(_variables(self._question, self._facts), self._question.at)
        return self._surroundings


def _variables(question: Question, facts: Facts) -> dict[str, JsonValue]:
    # Identity comes last: a property called `id` must not pass for it.
    recipient: dict[str, JsonValue] = {**facts.recipient, "id": question.recipient.id}
    if question.recipient.kind is HolderKind.OBJECT:
        recipient["collection"] = question.recipient.collection
    recipient["preferences"] = recipient_preferences(facts, str(question.recipient))
    variables: dict[str, JsonValue] = {
        "data": question.data,
        "recipient": recipient,
        "vars": dict(facts.variables),
        "workflow": _workflow(question, facts),
    }
    if question.actor is not None:
        variables["actor"] = question.actor
    if facts.tenants:
        settings = facts.tenant.get("settings")
        known = settings if isinstance(settings, dict) else {}
        variables["tenant"] = {
            **facts.tenant,
            "id": facts.tenants[-1][0].partition(":")[2],
            "settings": {**known, "preferences": tenant_preferences(facts)},
        }
    return variables


def _workflow(question: Question, facts: Facts) -> JsonValue:
    categories: list[JsonValue] = [*categories_in_play(question.categories, facts.workflow)]
    shown: dict[str, JsonValue] = {"id": question.workflow, "key": question.workflow, "categories": categories}
    if facts.workflow is not None:
        shown["name"] = facts.workflow.name
        shown["commercial"] = facts.workflow.commercial
        shown["override_preferences"] = facts.workflow.override
    return shown
