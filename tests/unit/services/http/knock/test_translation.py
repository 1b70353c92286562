"""Sets into events and back, for sets that nobody thought of."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.document import Leaves
from domain.fold import patched
from domain.json_value import JsonValue
from services.http.knock.set_request import CHANNEL_TYPES, SHOWN, patch_of
from services.http.knock.set_view import shown_set

KEYS = st.text(min_size=1, max_size=6, alphabet="a/~*{}$ é:") | st.sampled_from(["enabled", "conditions", "all", "id"])
CONDITION = st.fixed_dictionaries(
    {"variable": st.just("data.x"), "operator": st.just("equal_to"), "argument": st.none() | st.text(max_size=3)}
)
CHOICE = st.booleans() | st.fixed_dictionaries({"conditions": st.lists(CONDITION, min_size=1, max_size=2)})
MARK = st.fixed_dictionaries({}, optional={"__strategy__": st.sampled_from(["merge", "replace"])})


def marked(choices: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda mark, rest: {**mark, **rest}, MARK, choices)


TYPES = marked(st.dictionaries(st.sampled_from(CHANNEL_TYPES), CHOICE, min_size=1, max_size=3))
CHANNELS = marked(st.dictionaries(KEYS, CHOICE, min_size=1, max_size=2))
STRUCTURE = st.builds(
    lambda mark, members: {**mark, **members},
    MARK,
    st.fixed_dictionaries(
        {"channel_types": TYPES}, optional={"channels": CHANNELS, "conditions": st.lists(CONDITION, max_size=2)}
    ),
)
RULES = st.dictionaries(KEYS, st.booleans() | STRUCTURE, min_size=1, max_size=3)
SETS = st.fixed_dictionaries(
    {},
    optional={
        "categories": RULES,
        "workflows": RULES,
        "channel_types": TYPES,
        "channels": CHANNELS,
        "commercial_subscribed": CHOICE,
    },
)
FOREIGN: Leaves = {
    "/schedule": {"enabled": True},
    "/channel_types/tool": False,
    "/otherwise": False,
    "/categories/a/routing": {"applies": True, "channels": ["email"]},
    "/workflows/a/digest": "weekly",
    "/workflows/a/kept/x": 1,
}
"""What other dialects say and Knock has no place for."""


def put(before: Leaves, request: JsonValue, how: str = "replace") -> Leaves:
    return patched(before, patch_of(request, default=how))


def shown(leaves: Leaves) -> dict[str, Any]:
    return {name: value for name, value in shown_set("default", leaves).items() if value is not None}


@settings(deadline=None)
@given(SETS, SETS)
def test_what_is_put_is_what_is_read_whatever_was_there(earlier: Any, request: Any) -> None:
    after = put(put({}, earlier), request)
    assert shown(after) == {"__typename": "PreferenceSet", "id": "default", **request}


@settings(deadline=None)
@given(SETS)
def test_putting_back_what_was_read_changes_nothing(request: Any) -> None:
    stored = put(FOREIGN, request)
    assert put(stored, shown_set("default", stored)) == stored


@settings(deadline=None)
@given(SETS, SETS, st.sampled_from(["merge", "replace"]))
def test_no_write_takes_away_what_knock_cannot_show(earlier: Any, request: Any, how: str) -> None:
    after = put({**put({}, earlier), **FOREIGN}, request, how)
    assert {path: after.get(path) for path in FOREIGN} == FOREIGN


@settings(deadline=None)
@given(SETS)
def test_nulls_in_a_merge_clear_as_an_empty_replace_does(request: Any) -> None:
    groups = ("categories", "workflows", "channel_types", "channels", "commercial_subscribed")
    stored = {**put({}, request), **FOREIGN}
    assert put(stored, dict.fromkeys(groups), "merge") == put(stored, {}) == FOREIGN


@settings(deadline=None)
@given(SETS)
def test_merging_a_set_into_itself_changes_nothing_that_is_shown(request: Any) -> None:
    stored = put({}, request)
    assert shown(put(stored, request, "merge")) == shown(stored)


def test_everything_that_a_replace_unsets_has_a_place_in_an_answer() -> None:
    values: dict[str, JsonValue] = {"condition": [], "layering": "replace"}
    for unset in SHOWN:
        keys = ["k" if key is None else key for key in unset.pattern]
        member = keys[-1] if keys[-1] in ("condition",) else ("layering" if "layering" in keys else "")
        if keys[-1] == "layering":
            keys.append("self")
        elif keys[-1] == "channels" and "layering" not in keys:
            keys.append("some-channel")
        path = "/" + "/".join(keys)
        assert len(shown({path: values.get(member, False)})) == 3, f"{path} is unset by a PUT, and no GET shows it"
