"""A decision is re-run from its own position and instant and comes back the same, whatever was written since."""

from typing import Any

import pytest
import rfc8785

from tests.integration.http.api import Api, Json, fresh, refused, set_path

POLICIES: list[Json] = [None, "knock", "courier", "novu"]


class World:
    """A recipient, a tenant below another, and a workflow, with something said by everyone."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.user, self.workflow, self.category = f"user:{fresh()}", fresh("workflow"), fresh("category")
        self.tenant, self.parent = fresh("tenant"), fresh("parent")

    def settle(self) -> None:
        api = self.api
        api.define("categories", self.category, name="C", default={"enabled": True})
        api.define("workflows", self.workflow, name="W", categories=[self.category], commercial=True)
        api.ok("PUT", f"/holders/tenant:{self.tenant}", json={"parent": self.parent, "tier": "gold"})
        api.put_set(f"tenant:{self.parent}", {"channel_types": {"push": False}})
        api.put_set(f"tenant:{self.tenant}", {"workflows": {self.workflow: {"channel_types": {"chat": False}}}})
        api.ok("PUT", f"/holders/{self.user}", json={"timezone": "Europe/Copenhagen", "plan": "pro"})
        paid = {"conditions": [{"variable": "recipient.plan", "operator": "equal_to", "argument": "pro"}]}
        api.put_set(
            self.user,
            {
                "channel_types": {"email": False, "http": paid},
                "categories": {self.category: {"channel_types": {"sms": True}}},
                "schedule": {"enabled": True, "weekly": {"monday": {"enabled": True, "hours": []}}},
                "commercial": True,
            },
        )
        api.put_set(self.user, {"workflows": {self.workflow: {"digest": "daily"}}}, f"tenant:{self.tenant}")

    def upset(self) -> None:
        """Change everything that any answer was read from."""
        api = self.api
        api.put_set(self.user, {"enabled": False, "commercial": False})
        api.put_set(self.user, {"channel_types": {"sms": False}}, f"tenant:{self.tenant}")
        api.ok("PUT", f"/holders/{self.user}", json={"plan": "free"})
        api.put_set(f"tenant:{self.parent}", {"enabled": False, "locked": True})
        api.ok("DELETE", set_path(f"tenant:{self.tenant}"))
        api.ok("PUT", f"/holders/tenant:{self.tenant}", json={})
        api.put_set("environment", {"channel_types": {"email": False}})
        api.ok("DELETE", f"/catalogue/categories/{self.category}")
        api.define("workflows", self.workflow, name="Another", override=True)
        api.ok("PUT", "/catalogue/policy", json={"decide": "most_specific_wins", "own_default_in_tenant": "never"})

    def put_back(self) -> None:
        self.api.ok("DELETE", set_path("environment"))
        policy = {"decide": "every_rule_allows", "own_default_in_tenant": "above_tenant_defaults"}
        self.api.ok("PUT", "/catalogue/policy", json=policy)

    def questions(self) -> list[dict[str, Json]]:
        asked: list[dict[str, Json]] = [
            {"recipient": self.user, "workflow": self.workflow},
            {"recipient": self.user, "workflow": self.workflow, "tenant": self.tenant},
            {"recipient": self.user, "workflow": self.workflow, "at": "2026-03-02T10:00:00Z", "channels": ["email", "sms"]},
            {"recipient": self.user, "workflow": "unheard-of", "categories": [self.category], "tenant": self.tenant},
            {"recipient": "user:nobody", "workflow": self.workflow, "tenant": self.tenant},
        ]
        return [{**question, "policy": policy} for question in asked for policy in POLICIES]


def canonical(answer: Json) -> bytes:
    """What must come back: the decisions, with the trace in each, in RFC 8785 form."""
    text: bytes = rfc8785.dumps(answer["decisions"])
    return text


@pytest.fixture
def world(api: Api) -> Any:
    world = World(api)
    world.settle()
    yield world
    world.put_back()


def test_a_decision_comes_back_byte_for_byte_after_everything_has_changed(api: Api, world: World) -> None:
    questions = world.questions()
    plain = [api.ok("POST", "/evaluate", json=question) for question in questions]
    explained = [api.ok("POST", "/evaluate", json={**question, "explain": True}) for question in questions]
    world.upset()
    for question, first, first_explained in zip(questions, plain, explained, strict=True):
        for answer, explain in ((first, False), (first_explained, True)):
            again = {**question, "as_of": answer["position"], "at": answer["evaluated_at"], "explain": explain}
            replayed = api.ok("POST", "/evaluate", json=again)
            assert canonical(replayed) == canonical(answer), f"{question} is answered otherwise when it is asked again"
            assert replayed["position"] == answer["position"]
            assert replayed["evaluated_at"] == answer["evaluated_at"]
            assert replayed["workflow_known"] == answer["workflow_known"]
    changed = [api.ok("POST", "/evaluate", json=question) for question in questions]
    differ = sum(canonical(now) != canonical(then) for now, then in zip(changed, plain, strict=True))
    assert differ > len(questions) // 2, "the later changes changed too little to prove anything"


def test_a_batch_comes_back_byte_for_byte_too(api: Api, world: World) -> None:
    question = {
        "recipients": [world.user, "user:nobody"],
        "workflow": world.workflow,
        "tenant": world.tenant,
        "explain": True,
    }
    first = api.ok("POST", "/evaluate/batch", json=question)
    world.upset()
    again = {**question, "as_of": first["position"], "at": first["evaluated_at"]}
    assert rfc8785.dumps(api.ok("POST", "/evaluate/batch", json=again)["results"]) == rfc8785.dumps(first["results"])


def test_as_of_an_instant_answers_as_the_ledger_was_then(api: Api) -> None:
    user = f"user:{fresh()}"
    instants, answers = [], []
    for deliver in (False, True, False):
        written = api.put_set(user, {"channel_types": {"email": deliver}})
        (entry,) = api.history(user, limit=1)
        instants.append(entry["recorded_at"])
        answers.append(written["position"])
    for instant, position, deliver in zip(instants, answers, (False, True, False), strict=True):
        answer = api.evaluate(user, channels=["email"], as_of=instant)
        # Two records may share a millisecond; then the later one is the one that had been recorded by then.
        if instants.count(instant) == 1:
            assert answer["position"] == position
            assert answer["decisions"][0]["deliver"] is deliver
        assert isinstance(answer["settled"], bool)


def test_as_of_in_another_offset_is_the_same_instant(api: Api) -> None:
    user = f"user:{fresh()}"
    api.put_set(user, {"channel_types": {"email": False}})
    (entry,) = api.history(user)
    text: str = entry["recorded_at"]
    hour = (int(text[11:13]) + 2) % 24
    shifted = text if hour < 2 else f"{text[:11]}{hour:02d}{text[13:-1]}+02:00"
    assert api.delivered(user, channels=["email"], as_of=shifted) == {"email": False}


@pytest.mark.parametrize("as_of", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2001-09-09T01:46:40+05:30"])
def test_before_the_ledger_there_is_nothing_to_answer(api: Api, as_of: str) -> None:
    problem = refused(
        api.request("POST", "/evaluate", json={"recipient": "user:a", "workflow": "w", "as_of": as_of}), "unprocessable"
    )
    assert "no record yet" in problem["detail"]


def test_an_instant_to_come_is_answered_as_of_now_and_not_settled(api: Api) -> None:
    user = f"user:{fresh()}"
    written = api.put_set(user, {"channel_types": {"email": False}})
    answer = api.evaluate(user, channels=["email"], as_of="9999-12-31T23:59:59Z")
    assert (answer["settled"], answer["position"]) == (False, written["position"])
    assert answer["decisions"][0]["deliver"] is False


def test_a_decision_about_a_present_instant_carries_how_stale_it_may_be(api: Api) -> None:
    answer = api.evaluate("user:a")
    assert 0 <= answer["stale_seconds"] < 30
    assert "settled" not in answer
    api.evaluate("user:a", max_staleness=30)
    problem = refused(
        api.request("POST", "/evaluate", json={"recipient": "user:a", "workflow": "w", "max_staleness": 0}), "too-stale"
    )
    assert "at most 0" in problem["detail"]


def test_every_decision_has_an_id_of_its_own(api: Api) -> None:
    assert len({api.evaluate("user:a")["decision_id"] for _ in range(5)}) == 5
