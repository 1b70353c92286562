"""Evaluations end to end: what was written through the API decides what may be sent, and the answer says why."""

from typing import Any

import pytest

from tests.integration.http.api import Api, Json, fresh, refused, set_path
from tests.integration.http.test_preferences import DOCUMENTED

PRESETS = ["knock", "courier", "novu"]
CHANNEL = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.fixture
def user() -> str:
    return f"user:{fresh()}"


@pytest.fixture
def workflow() -> str:
    return fresh("workflow")


def test_the_documented_preferences_decide_as_documented(api: Api) -> None:
    written = api.put_set("user:jhammond", DOCUMENTED)
    answer = api.evaluate("user:jhammond", "dinosaurs-loose", channels=["email", "sms", "in_app_feed"])
    assert [(one["channel_type"], one["deliver"], one["reason"]) for one in answer["decisions"]] == [
        ("email", False, "channel_type_opt_out"),
        ("sms", False, "channel_type_opt_out"),
        ("in_app_feed", True, "preference_allow"),
    ]
    email, sms, in_app = (one["decided_by"] for one in answer["decisions"])
    assert email["path"] == "/workflows/dinosaurs-loose/channel_types/email"
    assert sms["path"] == "/channel_types/sms"
    for decided_by in (email, sms, in_app):
        assert (decided_by["holder"], decided_by["set"]) == ("user:jhammond", "default")
        assert (decided_by["event_id"], decided_by["position"]) == (written["event_id"], written["position"])
    assert (answer["recipient"], answer["workflow"], answer["workflow_known"]) == ("user:jhammond", "dinosaurs-loose", False)
    assert answer["position"] >= written["position"]
    # Seen in history, down to the leaf that decided.
    (entry,) = [entry for entry in api.history("user:jhammond") if entry["event_id"] == email["event_id"]]
    assert {"path": email["path"], "after": False} in entry["changes"]
    assert entry["recorded_at"] == email["recorded_at"]


def test_an_explained_decision_names_who_how_and_everything_that_was_looked_at(api: Api, user: str) -> None:
    api.put_set(user, DOCUMENTED, Prefledger_Actor="user:zoe", Prefledger_Method="preference-centre")
    answer = api.evaluate(user, "dinosaurs-loose", channels=["email"], explain=True)
    (decision,) = answer["decisions"]
    assert (decision["decided_by"]["actor"], decision["decided_by"]["method"]) == ("user:zoe", "preference-centre")
    looked_at = [(entry.get("path"), entry["verdict"]) for entry in decision["trace"]]
    assert ("/channel_types/email", "yes") in looked_at
    assert ("/workflows/dinosaurs-loose/channel_types/email", "no") in looked_at
    assert decision["trace"][-1]["verdict"] == "blocks"
    assert decision["trace"][-1]["reason"] == decision["reason"]


def test_who_said_nothing_is_sent_everything(api: Api, user: str, workflow: str) -> None:
    answer = api.evaluate(user, workflow)
    assert {one["channel_type"] for one in answer["decisions"]} == {
        "email", "sms", "push", "chat", "in_app_feed", "http", "tool",
    }  # fmt: skip
    for decision in answer["decisions"]:
        assert (decision["deliver"], decision["reason"], decision["decided_by"]) == (True, "default_allow", None)


@pytest.mark.parametrize(
    "recipient",
    [
        "object:projects:p1",
        {"object": {"collection": "projects", "id": "p1"}},
        {"object": {"id": "p1", "collection": "projects"}},
    ],
)
def test_an_object_is_a_recipient(api: Api, recipient: Json) -> None:
    api.put_set("object:projects:p1", {"channel_types": {"email": False}})
    answer = api.evaluate(recipient, channels=["email"])
    assert (answer["recipient"], answer["decisions"][0]["deliver"]) == ("object:projects:p1", False)


def test_a_user_can_be_named_as_an_object_too(api: Api, user: str) -> None:
    api.put_set(user, {"channel_types": {"email": False}})
    answer = api.evaluate({"user": user.removeprefix("user:")}, channels=["email"])
    assert (answer["recipient"], answer["decisions"][0]["deliver"]) == (user, False)


def test_the_catalogue_says_which_channels_a_workflow_has(api: Api, user: str, workflow: str) -> None:
    api.define("workflows", workflow, name="W", channels=["email", {"type": "sms", "id": CHANNEL}])
    api.put_set(user, {"channels": {CHANNEL: False}})
    answer = api.evaluate(user, workflow)
    assert answer["workflow_known"] is True
    assert [(one["channel_type"], one.get("channel"), one["deliver"], one["reason"]) for one in answer["decisions"]] == [
        ("email", None, True, "default_allow"),
        ("sms", CHANNEL, False, "channel_opt_out"),
    ]


def test_a_channel_by_its_id_beats_its_type(api: Api, user: str) -> None:
    api.put_set(user, {"channel_types": {"sms": False}, "channels": {CHANNEL: True}})
    channels = ["sms", {"type": "sms", "id": CHANNEL}, {"type": "sms", "id": "another"}]
    answer = api.evaluate(user, channels=channels)
    assert [one["deliver"] for one in answer["decisions"]] == [False, True, False]


def test_categories_come_from_the_catalogue_or_the_question(api: Api, user: str, workflow: str) -> None:
    category = fresh("category")
    api.define("workflows", workflow, name="W", categories=[category])
    api.put_set(user, {"categories": {category: {"channel_types": {"email": False}}, "other": False}})
    assert api.reasons(user, workflow, channels=["email", "sms"]) == {
        "email": "channel_type_opt_out", "sms": "default_allow",
    }  # fmt: skip
    assert api.delivered(user, workflow, channels=["email"], categories=[]) == {"email": True}
    assert api.reasons(user, workflow, channels=["email"], categories=["other"]) == {"email": "category_opt_out"}


# The gates.


def test_a_commercial_opt_out_stops_commercial_workflows_only(api: Api, user: str, workflow: str) -> None:
    api.define("workflows", workflow, name="Sale", commercial=True)
    api.put_set(user, {"commercial": False})
    assert set(api.reasons(user, workflow).values()) == {"commercial_opt_out"}
    assert all(api.delivered(user, "receipt").values())
    # The recipient's own word counts inside a tenant too, whatever the policy says about its default.
    for preset in PRESETS:
        assert not any(api.delivered(user, workflow, tenant="t", policy=preset).values()), preset


def test_a_workflow_that_overrides_preferences_is_sent_except_commercially(api: Api, user: str, workflow: str) -> None:
    api.put_set(user, {"enabled": False, "workflows": {workflow: False}, "commercial": False})
    assert not any(api.delivered(user, workflow).values())
    api.define("workflows", workflow, name="Recall", override=True)
    assert set(api.reasons(user, workflow).values()) == {"override"}
    api.define("workflows", workflow, name="Recall", override=True, commercial=True)
    assert set(api.reasons(user, workflow).values()) == {"commercial_opt_out"}


@pytest.mark.parametrize(
    ("suppress", "commercial", "ordinary"), [("all", False, False), ("commercial", False, True), ("none", True, True)]
)
def test_a_suppressed_recipient(api: Api, user: str, workflow: str, suppress: str, commercial: bool, ordinary: bool) -> None:
    api.define("workflows", workflow, name="Sale", commercial=True)
    api.put_set(user, {"channel_types": {"email": True}})
    forgotten = api.ok("DELETE", f"/holders/{user}", params={"suppress": suppress})
    assert set(api.delivered(user, workflow).values()) == {commercial}
    assert set(api.delivered(user).values()) == {ordinary}
    if not commercial:
        (decision,) = api.evaluate(user, workflow, channels=["email"])["decisions"]
        assert decision["reason"] == "suppressed"
        assert decision["decided_by"]["event_id"] == forgotten["event_id"]


NINE_TO_FIVE = {
    "enabled": True,
    "weekly": {"monday": {"enabled": True, "hours": [{"start": "09:00 AM", "end": "05:00 PM"}]}},
}


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-03-02T08:00:00Z", True),  # 09:00 in Copenhagen, a Monday
        ("2026-03-02T07:59:59Z", False),
        ("2026-03-02T16:00:59Z", True),
        ("2026-03-02T16:01:00Z", False),
        ("2026-03-02T10:00:00+02:00", True),
        ("2026-03-03T10:00:00Z", False),
    ],
)
def test_outside_the_schedule_only_what_waits_is_sent(api: Api, user: str, at: str, inside: bool) -> None:
    api.ok("PUT", f"/holders/{user}", json={"timezone": "Europe/Copenhagen"})
    api.put_set(user, {"schedule": NINE_TO_FIVE})
    answer = api.evaluate(user, at=at)
    delivered = {one["channel_type"]: one["deliver"] for one in answer["decisions"]}
    assert {delivered[name] for name in ("email", "sms", "push", "chat")} == {inside}
    assert {delivered[name] for name in ("in_app_feed", "http", "tool")} == {True}
    reasons = {one["reason"] for one in answer["decisions"] if not one["deliver"]}
    assert reasons == (set() if inside else {"outside_schedule"})


def test_a_locked_workflow_does_not_wait_for_the_schedule(api: Api, user: str, workflow: str) -> None:
    api.define("workflows", workflow, name="Alarm", defaults={"resource": {"enabled": True, "locked": True}})
    api.put_set(user, {"schedule": {"enabled": True, "weekly": {"monday": {"enabled": False}}}})
    assert api.reasons(user, workflow, channels=["email"]) == {"email": "required"}
    assert api.reasons(user, channels=["email"]) == {"email": "outside_schedule"}


def test_a_subscription_is_a_gate(api: Api, user: str, workflow: str) -> None:
    api.put_set(user, {"workflows": {workflow: False}}, "subscription:t:s")
    subscription = {"topic": "t", "id": "s"}
    assert set(api.reasons(user, workflow, subscription=subscription).values()) == {"subscription_opt_out"}
    assert all(api.delivered(user, workflow).values())
    assert all(api.delivered(user, workflow, subscription={"topic": "t", "id": "other"}).values())


def test_a_choice_of_channels_excludes_the_others(api: Api, user: str, workflow: str) -> None:
    category = fresh("category")
    api.define("workflows", workflow, name="W", categories=[category])
    api.put_set(user, {"categories": {category: {"enabled": True, "routing": {"applies": True, "channels": ["email"]}}}})
    assert api.reasons(user, workflow, channels=["email", "sms"]) == {
        "email": "preference_allow", "sms": "routing_excluded",
    }  # fmt: skip
    api.patch_set(user, {"categories": {category: {"routing": {"applies": False, "channels": ["email"]}}}})
    assert api.delivered(user, workflow, channels=["email", "sms"]) == {"email": True, "sms": True}


def test_what_is_locked_is_required(api: Api, user: str, workflow: str) -> None:
    category = fresh("category")
    api.define("categories", category, name="Account", default={"enabled": True, "locked": True})
    api.define("workflows", workflow, name="W", categories=[category])
    api.put_set(user, {"enabled": False, "channel_types": {"email": False}, "workflows": {workflow: False}})
    assert set(api.reasons(user, workflow).values()) == {"required"}
    tenant = fresh("tenant")
    api.put_set(f"tenant:{tenant}", {"categories": {category: {"locked": False}}})
    assert not any(api.delivered(user, workflow, tenant=tenant).values()), "a tenant could not lift the lock"


def test_defaults_of_the_catalogue_yield_to_a_choice(api: Api, user: str, workflow: str) -> None:
    category = fresh("category")
    api.define("categories", category, name="Tips", default={"enabled": False})
    api.define("workflows", workflow, name="W", categories=[category])
    assert set(api.reasons(user, workflow).values()) == {"category_default_opt_out"}
    api.put_set(user, {"categories": {category: True}})
    assert set(api.reasons(user, workflow).values()) == {"preference_allow"}
    other = fresh("workflow")
    api.define("workflows", other, name="W", defaults={"user": {"channel_types": {"sms": False}}})
    assert api.reasons(user, other, channels=["sms"]) == {"sms": "workflow_default_opt_out"}
    api.patch_set(user, {"workflows": {other: {"channel_types": {"sms": True}}}})
    assert api.reasons(user, other, channels=["sms"]) == {"sms": "preference_allow"}


def test_a_schedule_id_of_a_digest_is_told(api: Api, user: str, workflow: str) -> None:
    api.put_set(user, {"workflows": {workflow: {"digest": "daily"}}})
    (decision,) = api.evaluate(user, workflow, channels=["email"])["decisions"]
    assert (decision["deliver"], decision["digest"]) == (True, "daily")


# Conditions.


def condition(variable: str, operator: str, argument: Json = None) -> Json:
    return {"conditions": [{"variable": variable, "operator": operator, "argument": argument}]}


def test_a_condition_sees_the_data(api: Api, user: str) -> None:
    api.put_set(user, {"channel_types": {"sms": condition("data.amount", "greater_than", "100")}})
    assert api.delivered(user, channels=["sms"], data={"amount": 101}) == {"sms": True}
    assert api.reasons(user, channels=["sms"], data={"amount": 100}) == {"sms": "condition_not_met"}
    assert api.delivered(user, channels=["sms"]) == {"sms": False}


def test_a_condition_sees_recipient_actor_tenant_and_variables(api: Api, user: str) -> None:
    tenant = fresh("tenant")
    api.ok("PUT", f"/holders/{user}", json={"plan": "pro"})
    api.ok("PUT", f"/holders/tenant:{tenant}", json={"tier": "gold"})
    api.ok("PUT", "/holders/environment", json={"region": "eu"})
    api.put_set(
        user,
        {
            "channel_types": {
                "email": condition("recipient.plan", "equal_to", "pro"),
                "sms": condition("actor.id", "not_equal_to", "recipient.id"),
                "push": condition("tenant.tier", "equal_to", "gold"),
                "chat": condition("vars.region", "equal_to", "eu"),
            }
        },
    )
    asked: dict[str, Any] = {"channels": ["email", "sms", "push", "chat"]}
    own_id = user.removeprefix("user:")
    assert api.delivered(user, actor={"id": "someone"}, tenant=tenant, **asked) == {
        "email": True, "sms": True, "push": True, "chat": True,
    }  # fmt: skip
    assert api.delivered(user, actor={"id": own_id}, tenant="another", **asked) == {
        "email": True, "sms": False, "push": False, "chat": True,
    }  # fmt: skip
    api.ok("DELETE", "/catalogue/workflows/never-there", status=200)
    api.ok("PUT", "/holders/environment", json={})


def test_a_condition_sees_the_evaluated_instant(api: Api, user: str) -> None:
    api.put_set(user, {"channel_types": {"sms": condition("data.until", "is_timestamp_on_or_after_now")}})
    until = {"until": "2026-03-03T14:02:00Z"}
    assert api.delivered(user, channels=["sms"], data=until, at="2026-03-03T14:01:59.999Z") == {"sms": True}
    assert api.delivered(user, channels=["sms"], data=until, at="2026-03-03T14:02:00.001Z") == {"sms": False}


def test_json_logic_is_a_condition_too(api: Api, user: str, workflow: str) -> None:
    logic = {"==": [{"var": "payload.kind"}, "urgent"]}
    api.put_set(user, {"workflows": {workflow: {"condition": logic}}})
    assert api.stored(user)["workflows"][workflow]["condition"] == logic
    assert all(api.delivered(user, workflow, data={"kind": "urgent"}).values())
    assert not any(api.delivered(user, workflow, data={"kind": "quiet"}).values())


# Policies.


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (None, False), ("knock", False), ("courier", False), ("novu", True),
        ({"decide": "most_specific_wins", "own_default_in_tenant": "never"}, True),
        ({"decide": "every_rule_allows", "own_default_in_tenant": "never"}, False),
    ],
)  # fmt: skip
def test_the_policy_of_a_question(api: Api, user: str, workflow: str, policy: Json, allowed: bool) -> None:
    api.put_set(user, {"channel_types": {"email": False}, "workflows": {workflow: {"channel_types": {"email": True}}}})
    assert api.delivered(user, workflow, channels=["email"], policy=policy) == {"email": allowed}


@pytest.mark.parametrize(("policy", "allowed"), [(None, False), ("knock", True), ("courier", True), ("novu", True)])
def test_an_own_opt_out_inside_a_tenant_is_protected_unless_the_policy_says_otherwise(
    api: Api, user: str, policy: str | None, allowed: bool
) -> None:
    tenant = fresh("tenant")
    api.put_set(user, {"channel_types": {"email": False}})
    api.put_set(f"tenant:{tenant}", {"channel_types": {"email": True}})
    assert api.delivered(user, tenant=tenant, channels=["email"], policy=policy) == {"email": allowed}


def test_the_environments_policy_is_the_one_that_counts_and_can_be_changed(api: Api, user: str, workflow: str) -> None:
    assert api.get("/catalogue/policy")["policy"] == {
        "decide": "every_rule_allows", "own_default_in_tenant": "above_tenant_defaults",
    }  # fmt: skip
    api.put_set(user, {"channel_types": {"email": False}, "workflows": {workflow: {"channel_types": {"email": True}}}})
    assert api.delivered(user, workflow, channels=["email"]) == {"email": False}
    changed = {"decide": "most_specific_wins", "own_default_in_tenant": "never"}
    assert api.ok("PUT", "/catalogue/policy", json=changed)["policy"] == {**changed, "semantics": 1}
    assert api.delivered(user, workflow, channels=["email"]) == {"email": True}
    back = {"decide": "every_rule_allows", "own_default_in_tenant": "above_tenant_defaults"}
    api.ok("PUT", "/catalogue/policy", json=back)
    assert api.delivered(user, workflow, channels=["email"]) == {"email": False}


def test_a_catalogue_entry_that_was_removed_is_unknown_and_choices_about_it_stay(api: Api, user: str, workflow: str) -> None:
    api.define("workflows", workflow, name="W", channels=["email"])
    api.put_set(user, {"workflows": {workflow: False}})
    api.ok("DELETE", f"/catalogue/workflows/{workflow}")
    refused(api.request("GET", f"/catalogue/workflows/{workflow}"), "not-found")
    assert workflow not in api.get("/catalogue")["workflows"]
    answer = api.evaluate(user, workflow, channels=["email"])
    assert (answer["workflow_known"], answer["decisions"][0]["reason"]) == (False, "workflow_opt_out")
    again = api.define("workflows", workflow, name="W", channels=["sms"])
    assert again["version"] == 3
    assert api.reasons(user, workflow) == {"sms": "workflow_opt_out"}


@pytest.mark.parametrize("collection", ["workflows", "categories", "channels", "sections"])
def test_an_entry_is_defined_shown_and_guarded_by_its_version(api: Api, collection: str) -> None:
    key, kind = f"{fresh('entry')}%2Fx", {"categories": "category"}.get(collection, collection.removesuffix("s"))
    document: dict[str, Any] = {"name": "One", "data": {"a": {"b": [1, None]}}}
    if collection == "channels":
        document["type"] = "email"
    written = api.ok("PUT", f"/catalogue/{collection}/{key}", json=document)
    shown = api.request("GET", f"/catalogue/{collection}/{key}")
    assert shown.headers["etag"] == '"1"'
    assert shown.json()[kind] == written[kind] == document
    assert api.get("/catalogue")[collection][key.replace("%2F", "/")] == document
    stale = api.request("PUT", f"/catalogue/{collection}/{key}", json=document, headers={"If-Match": '"4"'})
    refused(stale, "version-mismatch")
    refused(api.request("PUT", f"/catalogue/{collection}/{key}", json={}), "invalid")
    refused(api.request("PUT", f"/catalogue/{collection}/{key}", json={"nonsense": 1}), "invalid")


def test_the_own_default_is_answered_for_at_once_after_it_was_written(api: Api, user: str) -> None:
    for deliver in (False, True) * 5:
        written = api.put_set(user, {"channel_types": {"email": deliver}})
        answer = api.evaluate(user, channels=["email"], min_position=written["position"])
        assert answer["decisions"][0]["deliver"] is deliver
        assert answer["decisions"][0]["decided_by"]["event_id"] == written["event_id"]


def test_shared_layers_that_change_are_seen_by_the_next_question(api: Api, user: str, workflow: str) -> None:
    tenant, parent = fresh("tenant"), fresh("parent")
    asked: dict[str, Any] = {"tenant": tenant, "channels": ["email"]}
    assert api.delivered(user, workflow, **asked) == {"email": True}
    api.put_set(f"tenant:{tenant}", {"channel_types": {"email": False}})
    assert api.delivered(user, workflow, **asked) == {"email": False}
    api.ok("DELETE", set_path(f"tenant:{tenant}"))
    assert api.delivered(user, workflow, **asked) == {"email": True}
    api.put_set(f"tenant:{parent}", {"channel_types": {"email": False}})
    assert api.delivered(user, workflow, **asked) == {"email": True}
    api.ok("PUT", f"/holders/tenant:{tenant}", json={"parent": parent})
    assert api.delivered(user, workflow, **asked) == {"email": False}
    api.ok("DELETE", f"/holders/tenant:{tenant}")
    assert api.delivered(user, workflow, **asked) == {"email": True}
    api.define("workflows", workflow, name="W", defaults={"resource": {"enabled": False}})
    assert api.delivered(user, workflow, **asked) == {"email": False}


def asked(**members: Json) -> Json:
    return {"recipient": "user:a", "workflow": "w", **members}


# fmt: off
NOT_A_QUESTION: list[tuple[Json, str]] = [
    ([], ""), ({}, "/workflow"), ({"recipient": "user:a"}, "/workflow"), ({"workflow": "w"}, "/recipient"),
    (asked(workflow=""), "/workflow"), (asked(workflow=3), "/workflow"),
    (asked(recipient="jhammond"), "/recipient"), (asked(recipient="environment"), "/recipient"),
    (asked(recipient="tenant:t"), "/recipient"), (asked(recipient={"tenant": "t"}), "/recipient"),
    (asked(recipient={"user": ""}), "/recipient/user"), (asked(recipient=5), "/recipient"),
    (asked(recipient={"user": "a", "object": {}}), "/recipient"), (asked(recipient={"object": {"id": "c"}}), "/recipient"),
    (asked(channels=[]), "/channels"), (asked(channels=["fax"]), "/channels/0"), (asked(channels="email"), "/channels"),
    (asked(channels=[{"type": "email", "name": "x"}]), "/channels/0"), (asked(channels=["email"] * 101), "/channels"),
    (asked(channels=[{"type": "email", "id": ""}]), "/channels/0/id"),
    (asked(categories="c"), "/categories"), (asked(categories=[1]), "/categories/0"),
    (asked(categories=["c"] * 101), "/categories"), (asked(tenant=1), "/tenant"), (asked(tenant=""), "/tenant"),
    (asked(context=["a"]), "/context"), (asked(context="a:b"), "/context"), (asked(context=[1]), "/context"),
    (asked(subscription={"topic": "t"}), "/subscription"), (asked(subscription="t:s"), "/subscription"),
    (asked(subscription={"topic": "t", "id": ""}), "/subscription/id"),
    (asked(data=[]), "/data"), (asked(actor="a"), "/actor"), (asked(policy="acme"), "/policy"),
    (asked(policy={"decide": "every_rule_allows"}), "/policy"), (asked(policy=[]), "/policy"),
    (asked(at="yesterday"), "/at"), (asked(at=5), "/at"), (asked(at="2026-03-03T14:02:00"), "/at"),
    (asked(at="0001-01-01T00:00:00+14:00"), "/at"), (asked(at="9999-12-31T23:59:59-14:00"), "/at"),
    (asked(as_of=7), "/as_of"), (asked(as_of="x"), "/as_of"), (asked(as_of="2026-13-01T00:00:00Z"), "/as_of"),
    (asked(min_position="x"), "/min_position"), (asked(max_staleness="1"), "/max_staleness"),
    (asked(max_staleness=-1), "/max_staleness"), (asked(max_staleness=True), "/max_staleness"),
    (asked(explain="yes"), "/explain"), (asked(colour="red"), "/colour"), (asked(recipients=[]), "/recipients"),
]
# fmt: on


@pytest.mark.parametrize(("body", "pointer"), NOT_A_QUESTION, ids=lambda value: str(value)[:60])
def test_a_question_that_makes_no_sense_is_refused(api: Api, body: Json, pointer: str) -> None:
    problem = refused(api.request("POST", "/evaluate", json=body), "invalid")
    assert problem["pointer"] == pointer
    if isinstance(body, dict) and "recipient" in body and pointer != "/recipients":
        batch = {**body, "recipients": [body["recipient"]]}
        del batch["recipient"]
        response = api.request("POST", "/evaluate/batch", json=batch)
        if pointer.startswith("/recipient"):
            assert response.json()["results"][0]["problem"]["pointer"].startswith("/recipients/0")
        else:
            assert refused(response, "invalid")["pointer"] == pointer


def test_parameters_in_the_address_are_refused_not_ignored(api: Api) -> None:
    body = {"recipient": "user:a", "workflow": "w"}
    refused(api.request("POST", "/evaluate", json=body, params={"as_of": "2020-01-01T00:00:00Z"}), "bad-request")
    refused(api.request("POST", "/evaluate/batch", json=body, params={"explain": "true"}), "bad-request")


def test_the_first_and_the_last_instant(api: Api, user: str) -> None:
    for at in ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"):
        answer = api.evaluate(user, at=at)
        assert answer["evaluated_at"] == at
        assert api.evaluate(user, at=at, explain=True)["evaluated_at"] == at
