"""Preference sets over HTTP: written, read back, merged, and named in every way that an id may be spelled."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.http.api import Api, assert_clear_refusal, fresh, refused, set_path

DOCUMENTED = {
    "channel_types": {"email": True, "sms": False},
    "workflows": {"dinosaurs-loose": {"channel_types": {"email": False, "in_app_feed": True, "sms": True}}},
}
"""The payload of Knock's own documentation."""

HOLDERS = ["user:{}", "object:projects:{}", "tenant:{}"]


@pytest.mark.parametrize("form", HOLDERS)
def test_a_set_is_read_back_as_it_was_put(api: Api, form: str) -> None:
    holder = form.format(fresh())
    written = api.put_set(holder, DOCUMENTED)
    read = api.get(set_path(holder))
    assert written["preferences"] == read["preferences"] == DOCUMENTED
    assert (read["holder"], read["set"], read["version"], written["outcome"]) == (holder, "default", 1, "applied")
    assert read["position"] == written["position"]


def test_the_environment_has_preferences_too(api: Api) -> None:
    assert api.put_set("environment", {"channel_types": {"tool": True}})["holder"] == "environment"
    assert api.stored("environment") == {"channel_types": {"tool": True}}
    api.ok("DELETE", set_path("environment"))


@pytest.mark.parametrize("holder", ["user:nobody", "object:projects:nothing", "tenant:nowhere"])
def test_a_holder_that_was_never_heard_of_has_an_empty_set(api: Api, holder: str) -> None:
    answer = api.get(set_path(holder))
    assert (answer["preferences"], answer["version"]) == ({}, 0)
    assert api.get(f"/holders/{holder}")["properties"] == {}
    assert api.get(f"/holders/{holder}/preferences")["sets"] == []
    assert api.history(holder) == []


def test_put_replaces_the_whole_set_and_delete_takes_it_away(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, DOCUMENTED)
    api.put_set(holder, {"commercial": False})
    assert api.stored(holder) == {"commercial": False}
    gone = api.ok("DELETE", set_path(holder))
    assert (gone["preferences"], gone["version"], gone["outcome"]) == ({}, 3, "applied")
    assert api.stored(holder) == {}
    assert api.get(f"/holders/{holder}/preferences")["sets"] == []


def test_sets_of_one_holder_never_collide(api: Api) -> None:
    holder = f"user:{fresh()}"
    names = ["default", "tenant:a", "tenant:default", "context:a:b", "subscription:a:b", "subscription:a:default"]
    for at, name in enumerate(names):
        api.put_set(holder, {"kept": {"at": at}}, name)
    assert [api.stored(holder, name)["kept"]["at"] for name in names] == list(range(len(names)))
    listed = api.get(f"/holders/{holder}/preferences")["sets"]
    assert {one["set"]: one["preferences"]["kept"]["at"] for one in listed} == {name: at for at, name in enumerate(names)}
    assert {one["version"] for one in listed} == {1}
    assert sorted(api.get(f"/holders/{holder}")["sets"]) == sorted(names)


@pytest.mark.parametrize(
    ("asked", "same_as"),
    [
        ("context:b:2,a:1", "context:a:1,b:2"),
        ("context:tenant:acme", "tenant:acme"),
        ("context:b%3A2%2Ca%3A1", "context:a:1,b:2"),
    ],
)
def test_names_of_one_set_are_one_set(api: Api, asked: str, same_as: str) -> None:
    holder = f"user:{fresh()}"
    assert api.put_set(holder, {"enabled": False}, asked)["set"] == same_as
    assert api.stored(holder, same_as) == {"enabled": False}


# fmt: off
IDS = [
    "a b", "a/b", "a%2Fb", "a%b", "$tenants", "a:b:c", ":", "..", ".", "*", "~1", "zoë", "🦖", "a+b", "a&b=c?d#e", "'\"\\",
    "x" * 256, "\u00a0", "null", "default", ";", "@", "a\u0301",
]
# fmt: on


@pytest.mark.parametrize("form", ["user:{}", "object:files:{}", "tenant:{}"])
@pytest.mark.parametrize("id_", IDS)
def test_an_id_may_hold_any_character_that_can_be_shown(api: Api, form: str, id_: str) -> None:
    path = form.format(quote(id_, safe=""))
    written = api.put_set(path, {"kept": {"id": id_}})
    assert written["holder"] == form.format(id_)
    assert api.stored(path) == {"kept": {"id": id_}}
    assert [entry["holder"] for entry in api.history(path)] == [form.format(id_)]
    if not form.startswith("tenant"):
        assert api.evaluate(form.format(id_))["recipient"] == form.format(id_)


def test_ids_that_look_alike_are_different_holders(api: Api) -> None:
    collection = fresh("c")
    pairs = [(f"{collection}", "b:c"), (f"{collection}%3Ab", "c"), (f"{collection}%253Ab", "c")]
    for at, (one, other) in enumerate(pairs):
        api.put_set(f"object:{one}:{other}", {"kept": {"at": at}})
    assert [api.stored(f"object:{one}:{other}")["kept"]["at"] for one, other in pairs] == [0, 1, 2]
    shown = [api.history(f"object:{one}:{other}")[0]["holder"] for one, other in pairs]
    assert shown == [f"object:{collection}:b:c", f"object:{collection}%3Ab:c", f"object:{collection}%253Ab:c"]
    # What an answer calls a holder names the same one in a body.
    assert [api.evaluate(name)["recipient"] for name in shown] == shown


@pytest.mark.parametrize("key", ["", "a/b", "~1", "~0", "conditions", "enabled", "all", "*", "~2", "zoë", "a b", "/"])
def test_a_key_of_a_rule_may_be_any_text(api: Api, key: str) -> None:
    holder = f"user:{fresh()}"
    tree = {
        "workflows": {key: {"channel_types": {"email": False}}},
        "categories": {key: {"enabled": False}},
        "channels": {key: True},
    }
    api.put_set(holder, tree)
    assert api.stored(holder) == tree
    assert api.patch_set(holder, {"workflows": {key: None}})["preferences"]["workflows"] == {}
    assert api.stored(holder)["categories"] == tree["categories"]


def test_a_workflow_by_a_strange_key_is_evaluated_by_its_own_rule(api: Api) -> None:
    holder = f"user:{fresh()}"
    keys = ["a/b", "~1", "conditions", "enabled", "all", "*", "workflows"]
    for off in keys:
        api.put_set(holder, {"workflows": {off: False}})
        blocked = [key for key in keys if not api.delivered(holder, key, channels=["email"])["email"]]
        assert blocked == [off], f"turning {off!r} off turned {blocked} off"


def test_absent_null_and_false_are_three_things(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"workflows": {"w": {"channel_types": {"email": False, "sms": None}, "enabled": None}}})
    assert api.stored(holder) == {"workflows": {"w": {"channel_types": {"email": False}}}}
    api.put_set(holder, {"kept": {"null": None, "false": False, "zero": 0, "empty": "", "list": [None]}})
    kept = api.stored(holder)["kept"]
    assert kept == {"null": None, "false": False, "zero": 0, "empty": "", "list": [None]}
    assert kept["false"] is False


def test_numbers_and_text_of_free_json_come_back_exactly(api: Api) -> None:
    holder = f"user:{fresh()}"
    kept = {
        "long": 2**63 - 1, "lowest": -(2**63), "half": 0.5, "tiny": 5e-324, "huge": 1.7976931348623157e308,
        "escapes": 'a"b\\c/d\n\t\u0001\u007f', "emoji": "🦖", "deep": {"a": {"b": {"c": [1, [2, {"d": []}]]}}},
    }  # fmt: skip
    api.put_set(holder, {"kept": kept})
    assert api.stored(holder)["kept"] == kept


def test_a_bare_boolean_is_short_for_enabled(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"workflows": {"w": False}, "categories": {"c": True}})
    assert api.stored(holder) == {"workflows": {"w": {"enabled": False}}, "categories": {"c": {"enabled": True}}}


# RFC 7396, appendix A: those of its cases in which both sides are objects, as every document of ours is.
# fmt: off
APPENDIX: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
# fmt: on


@pytest.mark.parametrize(("before", "patch", "after"), APPENDIX)
def test_patch_is_a_json_merge_patch_of_what_a_set_keeps(api: Api, before: Any, patch: Any, after: Any) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"commercial": True, "kept": before})
    assert api.patch_set(holder, {"kept": patch})["preferences"] == {"commercial": True, "kept": after}


@pytest.mark.parametrize(("before", "patch", "after"), APPENDIX)
def test_patch_is_a_json_merge_patch_of_properties(api: Api, before: Any, patch: Any, after: Any) -> None:
    holder = f"user:{fresh()}"
    api.ok("PUT", f"/holders/{holder}", json=before)
    assert api.ok("PATCH", f"/holders/{holder}", json=patch)["properties"] == after
    assert api.get(f"/holders/{holder}")["properties"] == after


# fmt: off
MERGES: list[tuple[str, Any, Any, Any]] = [
    ("a new channel type", {"channel_types": {"email": True}}, {"channel_types": {"sms": False}},
     {"channel_types": {"email": True, "sms": False}}),
    ("a channel type unset", {"channel_types": {"email": True, "sms": False}}, {"channel_types": {"sms": None}},
     {"channel_types": {"email": True}}),
    ("a member unset", {"channel_types": {"email": True}, "commercial": False}, {"channel_types": None},
     {"commercial": False}),
    ("a workflow unset", {"workflows": {"a": {"enabled": False}, "b": {"enabled": False}}}, {"workflows": {"a": None}},
     {"workflows": {"b": {"enabled": False}}}),
    ("what is not there unset", {"commercial": True}, {"workflows": None, "schedule": None}, {"commercial": True}),
    ("an object unset below leaves its shell", {}, {"channel_types": {"email": None}}, {"channel_types": {}}),
    ("a choice is replaced whole",
     {"channel_types": {"email": {"conditions": [{"variable": "data.a", "operator": "exists"}]}}},
     {"channel_types": {"email": False}}, {"channel_types": {"email": False}}),
    ("an empty patch", {"commercial": True}, {}, {"commercial": True}),
    ("a boolean clears the structure",
     {"workflows": {"w": {"channel_types": {"email": False}, "channels": {"c": False}, "digest": "daily"}}},
     {"workflows": {"w": True}}, {"workflows": {"w": {"digest": "daily", "enabled": True}}}),
    ("a boolean clears the condition",
     {"categories": {"c": {"condition": [{"variable": "data.a", "operator": "exists"}]}}},
     {"categories": {"c": False}}, {"categories": {"c": {"enabled": False}}}),
    ("a structure drops a stored true", {"workflows": {"w": True}}, {"workflows": {"w": {"channel_types": {"sms": False}}}},
     {"workflows": {"w": {"channel_types": {"sms": False}}}}),
    ("a condition drops a stored false", {"workflows": {"w": False}},
     {"workflows": {"w": {"conditions": [{"variable": "data.a", "operator": "exists"}]}}},
     {"workflows": {"w": {"condition": [{"variable": "data.a", "operator": "exists"}]}}}),
    ("a structure with enabled keeps enabled", {"workflows": {"w": False}},
     {"workflows": {"w": {"enabled": False, "channel_types": {"sms": True}}}},
     {"workflows": {"w": {"enabled": False, "channel_types": {"sms": True}}}}),
]
# fmt: on


@pytest.mark.parametrize(("before", "patch", "after"), [case[1:] for case in MERGES], ids=[case[0] for case in MERGES])
def test_a_patch_of_rules(api: Api, before: Any, patch: Any, after: Any) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, before)
    assert api.patch_set(holder, patch)["preferences"] == after
    assert api.stored(holder) == after


def test_a_structure_undoes_no_opt_out_that_it_does_not_speak_of(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"workflows": {"w": False}})
    after = api.patch_set(holder, {"workflows": {"w": {"channel_types": {"email": True}}}})["preferences"]
    choices = after["workflows"]["w"]["channel_types"]
    assert choices["email"] is True
    assert {channel for channel, choice in choices.items() if choice is False} == {
        "sms", "push", "chat", "in_app_feed", "http", "tool",
    }  # fmt: skip
    assert [channel for channel, deliver in api.delivered(holder).items() if deliver] == ["email"]


def test_an_empty_structure_says_nothing(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"workflows": {"w": False}})
    after = api.patch_set(holder, {"workflows": {"w": {"channel_types": {}}}})["preferences"]
    assert after["workflows"]["w"]["enabled"] is False
    assert not any(api.delivered(holder).values())


def test_a_patch_of_a_set_that_is_not_there_makes_it(api: Api) -> None:
    holder = f"user:{fresh()}"
    assert api.patch_set(holder, {"commercial": False}, "tenant:t")["version"] == 1
    assert api.stored(holder, "tenant:t") == {"commercial": False}


# fmt: off
NOT_A_SET: list[Any] = [
    {"unknown": 1}, {"channel_types": {"fax": True}}, {"channel_types": {"email": "yes"}}, {"channel_types": {"email": 1}},
    {"channel_types": []}, {"workflows": {"w": 1}}, {"workflows": []}, {"workflows": {"w": {"email": True}}},
    {"channel_types": {"email": {"conditions": []}}}, {"enabled": "true"}, {"enabled": 0}, {"commercial": 1},
    {"schedule": {"enabled": True, "weekly": {}}}, {"schedule": {"enabled": True, "weekly": {"monday": {"enabled": True,
     "hours": [{"start": "25:00", "end": "26:00"}]}}}}, {"routing": {"applies": True, "channels": ["fax"]}},
    {"layering": {"self": "append"}}, {"locked": True}, {"workflows": {"w": {"locked": True}}}, {"digest": 3},
    {"condition": [], "conditions": []}, {"workflows": {"w\u0007": True}}, {"channels": {"\ud7ff\u0085": True}},
    {"workflows": {"w": {"conditions": [{"variable": "data.a", "operator": "looks_like"}]}}}, [], "on", 1, True,
]
# fmt: on


@pytest.mark.parametrize("tree", NOT_A_SET, ids=str)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_is_no_preference_set_is_refused_and_nothing_is_appended(api: Api, method: str, tree: Any) -> None:
    before = api.records()
    problem = refused(api.request(method, set_path("user:refused"), json=tree), "invalid")
    assert problem["pointer"].startswith("/") or not isinstance(tree, dict)
    assert api.records() == before


def test_a_null_is_no_preference_set(api: Api) -> None:
    refused(api.request("PUT", set_path("user:refused"), content=b"null"), "invalid")


@pytest.mark.parametrize("holder", ["environment", "tenant:t"])
@pytest.mark.parametrize("set_name", ["tenant:t", "context:a:b", "subscription:a:b"])
def test_the_environment_and_tenants_have_one_set(api: Api, holder: str, set_name: str) -> None:
    refused(api.request("PUT", set_path(holder, set_name), json={"enabled": True}), "invalid")


@pytest.mark.parametrize("holder", ["environment", "tenant:locks"])
def test_who_speaks_for_others_may_lock(api: Api, holder: str) -> None:
    assert api.put_set(holder, {"workflows": {"locked-workflow": {"locked": True}}})["outcome"] == "applied"
    api.ok("DELETE", set_path(holder))


# fmt: off
NO_HOLDER = [
    "jhammond", "user", "user:", "users:a", "object:a", "object::b", "object:a:", "tenant:", "environment:", "environment:x",
    "USER:a", "user%3Aa", "user:%00", "user:%0A", "user:%7F", "user:%C2%85", "user:%FF", "user:%ED%A0%80",
    "user:" + "x" * 257, "user:" + "y" * 10_000,
]
NO_SET = [
    "defaults", "default:x", "tenant", "tenant:", "tenant:%00", "context:", "context:a", "context:a:b,", "context:a:b%2Fc",
    "context:" + ",".join(f"k:{at}" for at in range(6)), "subscription:a", "subscription::b", "subscription:a:", "all", "*",
    "tenant:%FE", "tenant:" + "x" * 257,
]
# fmt: on


@pytest.mark.parametrize("holder", NO_HOLDER, ids=lambda holder: holder[:30])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_names_no_holder_is_refused(api: Api, method: str, holder: str) -> None:
    before = api.records()
    assert_clear_refusal(api.request(method, set_path(holder), json={} if method == "PUT" else None))
    assert_clear_refusal(api.request("GET", f"/holders/{holder}"))
    assert_clear_refusal(api.request("GET", f"/holders/{holder}/history"))
    assert api.records() == before


@pytest.mark.parametrize("set_name", NO_SET, ids=lambda name: name[:30])
def test_what_names_no_set_is_refused(api: Api, set_name: str) -> None:
    before = api.records()
    refused(api.request("GET", set_path("user:a", set_name)), "invalid")
    refused(api.request("PUT", set_path("user:a", set_name), json={}), "invalid")
    assert api.records() == before


def test_a_separating_colon_that_was_encoded_is_explained(api: Api) -> None:
    problem = refused(api.request("GET", set_path("user%3Ajhammond")), "invalid")
    assert "user:ID" in problem["detail"]


def test_a_set_does_not_grow_without_end(api: Api) -> None:
    holder = f"user:{fresh()}"
    api.put_set(holder, {"workflows": {f"w{at}": False for at in range(4_000)}})
    before = api.records()
    more = {"kept": {f"k{at}": at for at in range(2_000)}}
    problem = refused(api.request("PATCH", set_path(holder), json=more), "unprocessable")
    assert "6000 values" in problem["detail"]
    assert api.records() == before
    assert api.patch_set(holder, {"kept": {"k0": 0}})["outcome"] == "applied"
