"""What was logged beside what comes out now: what counts as a difference, and what is shown of the forgotten."""

from typing import Any

from services.decisions.line import Logged
from services.decisions.rerun import Compared, compare, holders_named
from tests.unit.services.decisions.lines import new_id

Json = dict[str, Any]


def decision(deliver: bool, holder: str | None = None) -> Json:
    decided_by = None if holder is None else {"holder": holder, "set": "default", "path": "/enabled"}
    return {"channel_type": "email", "deliver": deliver, "reason": "r", "decided_by": decided_by}


def one(deliver: bool, holder: str | None = None, **more: Any) -> Json:
    answer = {"recipient": "user:a", "decisions": [decision(deliver, holder)], "workflow": "w", "workflow_known": True}
    return {**answer, "position": "P", "evaluated_at": "T", "decision_id": new_id(), "stale_seconds": 1.5, **more}


def batch(*rows: Json) -> Json:
    return {"results": list(rows), "workflow": "w", "workflow_known": True, "position": "P", "decision_id": new_id()}


def row(name: str, deliver: bool, holder: str | None = None) -> Json:
    return {"recipient": name, "decisions": [decision(deliver, holder)]}


def problem(detail: str, pointer: str = "/recipients/1") -> Json:
    return {"recipient": 5, "problem": {"type": "t", "title": detail, "status": 422, "detail": detail, "pointer": pointer}}


QUESTION = {"recipient": "user:a", "workflow": "w", "tenant": "t", "data": {"email": "a@example.com"}, "actor": {"id": "z"}}
BATCH = {"recipients": ["user:a", "user:b"], "workflow": "w", "data": {"email": "a@example.com"}}


def compared(before: Json, now: Json, *forgotten: str, question: Json = QUESTION) -> Compared:
    return compare(Logged(before["decision_id"], "0.1.0", "key:k", question, before), now, set(forgotten))


def test_an_id_and_an_age_of_their_own_are_no_difference() -> None:
    result = compared(one(True), one(True, stale_seconds=99, settled=False))
    assert (result.same, result.difference) == (True, None)
    assert result.logged == result.present == {
        "recipient": "user:a", "workflow": "w", "workflow_known": True, "decisions": [decision(True)],
    }  # fmt: skip
    assert result.question == QUESTION


def test_the_first_difference_is_named_by_its_place_in_both() -> None:
    result = compared(one(True), one(False, "user:a"))
    assert result.same is False
    assert result.shown()["difference"] == {"pointer": "/decisions/0/deliver", "logged": True, "present": False}


def test_a_side_without_a_value_is_left_out() -> None:
    more = one(True)
    more["decisions"] = [{**decision(True), "digest": "daily"}]
    assert compared(one(True), more).shown()["difference"] == {"pointer": "/decisions/0/digest", "present": "daily"}
    assert compared(more, one(True)).shown()["difference"] == {"pointer": "/decisions/0/digest", "logged": "daily"}


def test_a_workflow_that_is_no_longer_known_is_a_difference() -> None:
    difference = compared(one(True), one(True, workflow_known=False)).difference
    assert difference is not None
    assert difference.pointer == "/workflow_known"


def test_other_words_for_the_same_refusal_are_no_difference() -> None:
    result = compared(batch(row("user:a", True), problem("one way")), batch(row("user:a", True), problem("another")))
    assert result.same is True
    moved = compared(batch(problem("one way")), batch(problem("one way", "/recipients/1/user")))
    assert moved.same is False


def test_what_tells_of_the_forgotten_is_not_shown_and_not_judged() -> None:
    result = compared(one(False, "user:a"), one(True), "user:a")
    assert (result.same, result.difference) == (None, None)
    assert result.logged == result.present == {"workflow": "w", "workflow_known": True, "forgotten": True}
    assert result.question == {"workflow": "w", "tenant": "t"}
    by_tenant = compared(one(False, "tenant:t"), one(True), "tenant:t")
    assert by_tenant.same is None
    assert "a@example.com" not in str((result, by_tenant))


def test_in_a_batch_the_others_are_still_judged() -> None:
    before = batch(row("user:a", True), row("user:b", False, "user:b"))
    same = compared(before, batch(row("user:a", True), row("user:b", True)), "user:b", question=BATCH)
    assert (same.same, same.logged["results"][1]) == (True, {"forgotten": True})
    assert same.question == {"recipients": ["user:a", None], "workflow": "w"}
    differs = compared(before, batch(row("user:a", False), row("user:b", True)), "user:b", question=BATCH)
    assert differs.difference is not None
    assert differs.difference.pointer == "/results/0/decisions/0/deliver"
    nobody = compared(before, before, "user:a", "user:b", question=BATCH)
    assert nobody.same is None


def test_every_holder_that_an_answer_tells_of_is_named() -> None:
    answer = one(True, "tenant:t")
    answer["decisions"][0]["trace"] = [{"verdict": "no", "holder": "environment"}, {"verdict": "yes"}]
    assert holders_named(answer) == {"user:a", "tenant:t", "environment"}
    assert holders_named(batch(row("user:a", True), problem("x"))) == {"user:a"}
