"""Re-running a logged decision: the same question at its position and instant, and whether it still comes out the same."""

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from typing import Any

from domain.invalid import Invalid
from domain.json_value import JsonValue
from services.decisions.difference import ABSENT, Difference, first_difference
from services.decisions.line import Logged
from services.errors import Unprocessable
from services.evaluation.asked import parse_asked, parse_recipient, parse_recipients
from services.evaluation.evaluator import Evaluator

_ABOUT_THE_MOMENT = ("min_position", "max_staleness")
"""What a question says of when it may be answered, and not of what the answer is."""

_WORDING = ("title", "detail")
"""What a problem says to people, which another release may say better."""

_ABOUT_PERSONS = ("recipient", "data", "actor")
_FORGOTTEN: dict[str, Any] = {"forgotten": True}

Describe = Callable[[Invalid], JsonValue]


@dataclass(frozen=True, slots=True)
class Compared:
    """What was logged beside what comes out now. `same` is None where all of it was forgotten since."""

    same: bool | None
    difference: Difference | None
    question: dict[str, Any]
    logged: dict[str, Any]
    present: dict[str, Any]

    def shown(self) -> dict[str, Any]:
        """As an answer shows it."""
        difference = self.difference
        shown: dict[str, Any] = {"same": self.same, "difference": None}
        if difference is not None:
            sides = {"logged": difference.logged, "present": difference.present}
            told = {name: value for name, value in sides.items() if value is not ABSENT}
            shown["difference"] = {"pointer": difference.pointer, **told}
        return {**shown, "question": self.question, "logged": self.logged, "present": self.present}


async def ask_again(logged: Logged, evaluator: Evaluator, describe: Describe) -> bytes:
    """The answer that the logged question gets today about its own moment; `describe` as in a batch.

    Raises ServiceError; Unprocessable where this release no longer takes the question.
    """
    question: dict[str, Any] = {name: value for name, value in logged.question.items() if name not in _ABOUT_THE_MOMENT}
    question |= {"as_of": logged.answer["position"], "at": logged.answer["evaluated_at"]}
    try:
        if "recipients" in question:
            asked = parse_asked(question, "recipients")
            return await evaluator.many(asked, parse_recipients(question["recipients"]), describe)
        asked = parse_asked(question, "recipient")
        return await evaluator.one(asked, parse_recipient(question.get("recipient"), "/recipient"), 0)
    except Invalid as error:
        raise Unprocessable(f"this release does not take the logged question any more: {error}") from None


def holders_named(answer: dict[str, Any]) -> set[str]:
    """Every holder that an answer tells something of."""
    return set(_named(answer))


def compare(logged: Logged, present: dict[str, Any], forgotten: Set[str]) -> Compared:
    """Both answers about one question. What tells of a forgotten holder is left out of either."""
    hidden = {
        at
        for rows in (_rows(logged.answer), _rows(present))
        for at, row in enumerate(rows)
        if not forgotten.isdisjoint(_named(row))
    }
    before, now = _outcome(logged.answer, hidden), _outcome(present, hidden)
    difference = first_difference(_comparable(before), _comparable(now))
    is_told = len(hidden) < len(_rows(logged.answer))
    same = difference is None if is_told or difference is not None else None
    return Compared(same, difference, _question(logged.question, hidden), before, now)


def _rows(answer: dict[str, Any]) -> list[Any]:
    rows: list[Any] = answer.get("results", [answer])
    return rows


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[name] for name in ("recipient", "holder") if isinstance(value.get(name), str))
        for member in value.values():
            yield from _named(member)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)


def _outcome(answer: dict[str, Any], hidden: Set[int]) -> dict[str, Any]:
    """What was decided, without what names the answer or its age."""
    shared = {"workflow": answer["workflow"], "workflow_known": answer["workflow_known"]}
    if "results" in answer:
        return {**shared, "results": [_FORGOTTEN if at in hidden else row for at, row in enumerate(answer["results"])]}
    if hidden:
        return {**shared, **_FORGOTTEN}
    return {"recipient": answer["recipient"], **shared, "decisions": answer["decisions"]}


def _comparable(outcome: dict[str, Any]) -> dict[str, Any]:
    if "results" not in outcome:
        return outcome
    return {**outcome, "results": [_without_wording(row) for row in outcome["results"]]}


def _without_wording(row: dict[str, Any]) -> dict[str, Any]:
    if "problem" not in row:
        return row
    return {**row, "problem": {name: value for name, value in row["problem"].items() if name not in _WORDING}}


def _question(question: dict[str, Any], hidden: Set[int]) -> dict[str, Any]:
    """The question as it was asked; where a holder was forgotten since, without what may tell of it."""
    if not hidden:
        return question
    shown = {name: value for name, value in question.items() if name not in _ABOUT_PERSONS}
    if "recipients" in question:
        shown["recipients"] = [None if at in hidden else name for at, name in enumerate(question["recipients"])]
    return shown
