"""Batches, and the compiled plan that answers them: the same as asking one by one, and as the full evaluator."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.http.api import Api, Json, fresh, refused

RECIPIENTS_MAX = 1_000


def publish(api: Api, *events: Json) -> list[Json]:
    """Publish events in one request; all must be applied."""
    results = api.ok("POST", "/events", json={"events": list(events)})["results"]
    assert {result["outcome"] for result in results} == {"applied"}
    return list(results)


def replaced(holder: str, preferences: Json, set_name: str = "default") -> Json:
    return {"type": "PreferenceSetReplaced", "holder": holder, "set": set_name, "preferences": preferences}


def without_own(answer: Json) -> Json:
    """What is asked for one recipient and for many alike."""
    return {name: answer[name] for name in ("recipient", "decisions")}


def test_a_thousand_recipients_are_answered_as_if_one_by_one(api: Api) -> None:
    word, tenant = fresh("many"), fresh("tenant")
    users = [f"user:{word}-{at}" for at in range(RECIPIENTS_MAX)]
    choices: list[Json] = [
        {"channel_types": {"email": False}},
        {"workflows": {"w": {"channel_types": {"sms": False}}}},
        {"workflows": {"w": False}},
        {"channel_types": {"push": {"conditions": [{"variable": "data.n", "operator": "exists"}]}}},
        {},
    ]
    publish(api, *[replaced(user, choices[at % 5]) for at, user in enumerate(users) if at % 7])
    publish(
        api,
        replaced(f"tenant:{tenant}", {"channel_types": {"chat": False}}),
        *[replaced(user, {"channel_types": {"chat": True}}, f"tenant:{tenant}") for user in users[::3]],
    )
    question = {"workflow": "w", "tenant": tenant, "data": {"n": 1}, "at": "2026-03-03T14:02:00Z"}
    batch = api.ok("POST", "/evaluate/batch", json={**question, "recipients": users})
    assert [result["recipient"] for result in batch["results"]] == users
    for at in [*range(0, RECIPIENTS_MAX, 37), RECIPIENTS_MAX - 1]:
        single = api.ok("POST", "/evaluate", json={**question, "recipient": users[at]})
        assert batch["results"][at] == without_own(single)
        assert batch["position"] == single["position"]
    assert (batch["workflow"], batch["workflow_known"], batch["evaluated_at"]) == ("w", False, "2026-03-03T14:02:00.000Z")


def test_one_bad_recipient_fails_alone(api: Api) -> None:
    good = f"user:{fresh()}"
    api.put_set(good, {"channel_types": {"email": False}})
    bad: list[Json] = [
        "nobody", {"user": ""}, 5, None, True, [], {}, {"user": "a", "x": 1}, "user:" + "x" * 300, "environment", "tenant:t",
        {"object": {"collection": "c"}}, "user:a\u0007", 2**63 - 1, 0.5, {"user": {"deep": [1, [2]]}},
    ]  # fmt: skip
    recipients = [good, *bad, good]
    answer = api.ok("POST", "/evaluate/batch", json={"workflow": "w", "channels": ["email"], "recipients": recipients})
    first, *problems, last = answer["results"]
    assert first == last
    assert first["decisions"][0]["deliver"] is False
    for at, (recipient, result) in enumerate(zip(bad, problems, strict=True), start=1):
        assert result["recipient"] == recipient
        assert "decisions" not in result
        assert result["problem"]["status"] == 422
        assert result["problem"]["pointer"].startswith(f"/recipients/{at}")


@pytest.mark.parametrize("recipients", [[], None, "user:a", {"0": "user:a"}, ["user:a"] * (RECIPIENTS_MAX + 1)])
def test_a_batch_has_one_to_a_thousand_recipients(api: Api, recipients: Json) -> None:
    problem = refused(api.request("POST", "/evaluate/batch", json={"workflow": "w", "recipients": recipients}), "invalid")
    assert problem["pointer"] == "/recipients"
    refused(api.request("POST", "/evaluate/batch", json={"workflow": "w", "recipient": "user:a"}), "invalid")


def test_a_recipient_that_is_named_twice_is_answered_twice(api: Api) -> None:
    user = fresh()
    api.put_set(f"user:{user}", {"channel_types": {"email": False}})
    recipients: list[Json] = [f"user:{user}", {"user": user}, f"user:{user}"]
    answer = api.ok("POST", "/evaluate/batch", json={"workflow": "w", "recipients": recipients})
    assert answer["results"][0] == answer["results"][1] == answer["results"][2]


# Random sets, written through the API: the plan answers as the full evaluator does, for one and for many.

AGAIN = 50
"""How often a batch names everybody: the later answers come from what the earlier ones taught."""
CHANNELS = ["email", "sms", {"type": "push", "id": "c1"}, "in_app_feed"]
CONDITION = {"conditions": [{"variable": "data.n", "operator": "equal_to", "argument": "1"}]}

choices = st.sampled_from([True, False, False, CONDITION])
channel_types = st.dictionaries(st.sampled_from(["email", "sms", "push"]), choices, max_size=2)
rules = st.one_of(
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={
            "enabled": st.booleans(),
            "channel_types": channel_types,
            "channels": st.dictionaries(st.sampled_from(["c1", "c2"]), st.booleans(), max_size=1),
            "otherwise": st.booleans(),
            "routing": st.fixed_dictionaries({"applies": st.booleans(), "channels": st.just(["email", "sms"])}),
            "digest": st.just("daily"),
            "layering": st.sampled_from([{"self": "replace"}, {"channel_types": "replace"}]),
        },
    ),
)
own_sets = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "channel_types": channel_types,
        "otherwise": st.booleans(),
        "categories": st.dictionaries(st.sampled_from(["c", "d"]), rules, max_size=2),
        "workflows": st.dictionaries(st.sampled_from(["planned", "another"]), rules, max_size=2),
        "commercial": st.booleans(),
    },
)
locks = st.sampled_from([{}, {}, {}, {"workflows": {"planned": {"locked": True}}}, {"categories": {"c": {"locked": False}}}])
documents = st.fixed_dictionaries(
    {"name": st.just("W")},
    optional={
        "commercial": st.booleans(),
        "override": st.booleans(),
        "categories": st.lists(st.sampled_from(["c", "d"]), unique=True),
        "defaults": st.fixed_dictionaries({}, optional={"resource": rules, "user": rules}),
    },
)


def stripped(answer: Json) -> Json:
    """An explained answer without what only explaining adds."""
    for decision in answer["decisions"]:
        decision.pop("trace", None)
        for member in ("actor", "method"):
            (decision["decided_by"] or {}).pop(member, None)
    return answer["decisions"]


@given(
    own=st.lists(own_sets, min_size=2, max_size=4),
    in_tenant=own_sets,
    tenant_default=st.tuples(own_sets, locks),
    environment=st.one_of(st.just({}), own_sets),
    document=documents,
    category=st.one_of(st.none(), rules),
    policy=st.sampled_from([None, "knock", "courier", "novu"]),
    with_tenant=st.booleans(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_plan_answers_as_the_full_evaluator_does(
    api: Api,
    own: list[Json],
    in_tenant: Json,
    tenant_default: tuple[Json, Json],
    environment: Json,
    document: Json,
    category: Json,
    policy: str | None,
    with_tenant: bool,
) -> None:
    users, tenant = [f"user:{fresh()}" for _ in own], fresh("tenant")
    publish(
        api,
        replaced("environment", environment),
        replaced(f"tenant:{tenant}", {**tenant_default[0], **tenant_default[1]}),
        {"type": "WorkflowDefined", "key": "planned", "document": document},
        {
            "type": "CategoryDefined",
            "key": "c",
            "document": {"name": "C", **({} if category is None else {"default": category})},
        },
        *[replaced(user, preferences) for user, preferences in zip(users, own, strict=True)],
        replaced(users[0], in_tenant, f"tenant:{tenant}"),
    )
    question: dict[str, Any] = {"workflow": "planned", "channels": CHANNELS, "policy": policy, "data": {"n": 1}}
    if with_tenant:
        question["tenant"] = tenant
    everybody = [*users, "user:nobody"]
    batch = api.ok("POST", "/evaluate/batch", json={**question, "recipients": everybody * AGAIN})
    for at, user in enumerate(everybody):
        result, *again = batch["results"][at :: len(everybody)]
        assert again == [result] * (AGAIN - 1), f"a plan that has given many answers gives another one about {user}"
        plain = api.ok("POST", "/evaluate", json={**question, "recipient": user})
        explained = api.ok("POST", "/evaluate", json={**question, "recipient": user, "explain": True})
        past = api.ok("POST", "/evaluate", json={**question, "recipient": user, "as_of": plain["position"]})
        assert plain["decisions"] == stripped(explained), f"the plan and the full evaluator differ about {user}"
        assert result["decisions"] == plain["decisions"], f"the batch and the single question differ about {user}"
        assert past["decisions"] == plain["decisions"], f"the past and the present differ about {user} at one position"
    # What is everybody's goes again: other tests of this module ask in the same environment.
    publish(api, replaced("environment", {}))


def test_a_choice_of_a_channel_that_is_not_asked_for_is_not_overlooked(api: Api) -> None:
    """It speaks for its rule. Beside those who made none, and of whom the plan has answered many, it is easily missed."""
    flow, without, chooses = fresh("flow"), f"user:{fresh()}", f"user:{fresh()}"
    publish(
        api,
        replaced("environment", {"workflows": {flow: True}}),
        replaced(without, {"categories": {"another": False}}),
        replaced(chooses, {"workflows": {flow: {"channels": {"c9": True}}}}),
    )
    question = {"workflow": flow, "channels": ["email"]}
    both = [*[without] * RECIPIENTS_MAX, chooses][-RECIPIENTS_MAX:]
    *many, last = api.ok("POST", "/evaluate/batch", json={**question, "recipients": both})["results"]
    for _ in range(3):  # The first time the wording is learnt.
        api.ok("POST", "/evaluate", json={**question, "recipient": without})
    for user, result in ((without, many[-1]), (chooses, last)):
        (explained,) = stripped(api.ok("POST", "/evaluate", json={**question, "recipient": user, "explain": True}))
        (single,) = api.ok("POST", "/evaluate", json={**question, "recipient": user})["decisions"]
        assert result["decisions"] == [single] == [explained]
    assert (many[-1]["decisions"][0]["reason"], last["decisions"][0]["reason"]) == ("preference_allow", "default_allow")
    publish(api, replaced("environment", {}))


@pytest.mark.parametrize("explain", [False, True])
def test_a_batch_of_too_many_decisions_is_refused_with_what_to_do(api: Api, explain: bool) -> None:
    body: Json = {"workflow": "w", "channels": ["email"] * 21, "recipients": ["user:a"] * RECIPIENTS_MAX, "explain": explain}
    problem = refused(api.request("POST", "/evaluate/batch", json=body), "invalid")
    assert problem["pointer"] == "/recipients"
    assert f"send at most {380 if explain else 952} recipients at a time" in problem["detail"]


def test_a_thousand_recipients_are_explained_on_four_channels(api: Api) -> None:
    channels = ["email", "sms", "push", "chat"]
    body: Json = {"workflow": "w", "channels": channels, "recipients": ["user:a"] * RECIPIENTS_MAX, "explain": True}
    results = api.ok("POST", "/evaluate/batch", json=body)["results"]
    assert len(results) == RECIPIENTS_MAX
    assert all(len(result["decisions"]) == 4 for result in results)


def test_a_large_question_is_answered_as_a_small_one(api: Api) -> None:
    user = f"user:{fresh()}"
    condition = {"variable": "data.n", "operator": "equal_to", "argument": "1"}
    api.put_set(user, {"channel_types": {"email": {"conditions": [condition]}}})
    for data in ({"n": 1}, {"n": 1, "more": "x" * 20_000}):
        assert api.delivered(user, channels=["email", *["sms"] * 9], data=data) == {"email": True, "sms": True}
        assert api.delivered(user, channels=["email"], data={**data, "n": 2}) == {"email": False}
