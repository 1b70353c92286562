"""What a parked event has left to say once it is replayed: whatever was said since stands."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.document import MISSING, Leaves, Unset, changes_between, same
from domain.evaluation import Decision, evaluate
from domain.event import (
    Body,
    HolderDescribed,
    HolderForgotten,
    PreferenceSetDeleted,
    PreferenceSetMerged,
    PreferenceSetReplaced,
    SetsAdopted,
    item_of,
)
from domain.facts import Facts
from domain.fold import fold
from domain.holder import DEFAULT_SET, SetId, tenant_set, user
from domain.json_value import JsonValue
from domain.policy import DECIDE, Policy
from domain.preference_set import Patch, parse_preference_patch, parse_preference_set, show_preference_set
from domain.question import ChannelRef
from domain.remainder import Later, Remainder, Since, remainder
from tests.unit.domain.preference_trees import PATCHES, PREFERENCE_SETS
from tests.unit.domain.questions import Tree, question_of
from tests.unit.domain.random_sets import SETS

DEFAULT, ACME = "set:default", tenant_set("acme")


def merge(tree: JsonValue, set_id: SetId = DEFAULT_SET) -> Body:
    return PreferenceSetMerged(set_id, parse_preference_patch(tree))


def put(tree: JsonValue, set_id: SetId = DEFAULT_SET) -> Body:
    return PreferenceSetReplaced(set_id, parse_preference_set(tree))


def after(body: Body, item: str, leaves: Leaves) -> Leaves:
    return fold(body, item_of(body), {item: leaves}).get(item, leaves)


def since(before: Leaves, bodies: Sequence[Body], item: str = DEFAULT) -> Since:
    """The item's history as the ledger has it, in which the parked event did not count."""
    later, leaves = [], before
    for body in bodies:
        next_leaves = after(body, item, leaves)
        later.append(Later(body, tuple(changes_between(leaves, next_leaves))))
        leaves = next_leaves
    history = Since(before, later)
    assert history.now == leaves, "what is compared is not what is stored"
    return history


def replayed(history: Since, left: Remainder, set_id: SetId = DEFAULT_SET) -> Leaves:
    """The item after the replay's event."""
    return after(PreferenceSetMerged(set_id, left.patch), f"set:{set_id}", history.now)


def outcome(before: Tree, parked: Body, *bodies: Body) -> tuple[Tree, list[str]]:
    """A default set after all of that and the replay, and what was superseded."""
    history = since(parse_preference_set(before), bodies)
    left = remainder(parked, DEFAULT, history)
    return show_preference_set(replayed(history, left)), [*left.superseded]


EMAIL_NO: Tree = {"channel_types": {"email": False}}
EMAIL_YES: Tree = {"channel_types": {"email": True}}
W_EMAIL_YES: Tree = {"workflows": {"w": {"channel_types": {"email": True}}}}
EMAIL = "/channel_types/email"
W_EMAIL = "/workflows/w/channel_types/email"

CASES: dict[str, tuple[Tree, Body, list[Body], Tree, list[str]]] = {
    "nothing was said since": ({}, merge(EMAIL_YES), [], EMAIL_YES, []),
    "something else was said since": (
        {}, merge(EMAIL_YES), [merge({"channel_types": {"sms": False}})],
        {"channel_types": {"email": True, "sms": False}}, [],
    ),
    "half of it was overtaken": (
        {}, merge({"channel_types": {"email": True, "sms": False}}), [merge(EMAIL_NO)],
        {"channel_types": {"email": False, "sms": False}}, [EMAIL],
    ),
    "changed and changed back": (EMAIL_NO, merge(EMAIL_YES), [merge(EMAIL_YES), merge(EMAIL_NO)], EMAIL_NO, [EMAIL]),
    "the opt-out was said again and changed nothing": (EMAIL_NO, merge(EMAIL_YES), [merge(EMAIL_NO)], EMAIL_NO, [EMAIL]),
    "the choice was taken away": (
        {}, merge(EMAIL_YES), [merge({"channel_types": {"email": None}})], {"channel_types": {}}, [EMAIL],
    ),
    "the whole set was replaced": (EMAIL_NO, merge(EMAIL_YES), [put({"digest": "d"})], {"digest": "d"}, [EMAIL]),
    "the same set was put again": (EMAIL_NO, merge(EMAIL_YES), [put(EMAIL_NO)], EMAIL_NO, [EMAIL]),
    "the set was deleted": (EMAIL_NO, merge(EMAIL_YES), [PreferenceSetDeleted(DEFAULT_SET)], {}, [EMAIL]),
    "the holder was forgotten": (EMAIL_NO, merge(EMAIL_YES), [HolderForgotten("none")], {}, [EMAIL]),
    "forgotten, and had said nothing": ({}, merge(EMAIL_YES), [HolderForgotten("none")], {}, [EMAIL]),
    "a bare no above it": (
        {}, merge(W_EMAIL_YES), [merge({"workflows": {"w": False}})], {"workflows": {"w": {"enabled": False}}}, [W_EMAIL],
    ),
    "its rule was unset": ({}, merge(W_EMAIL_YES), [merge({"workflows": {"w": None}})], {"workflows": {}}, [W_EMAIL]),
    "a no to all workflows": ({}, merge(W_EMAIL_YES), [merge({"enabled": False})], {"enabled": False}, [W_EMAIL]),
    "a no to the channel everywhere": ({}, merge(W_EMAIL_YES), [merge(EMAIL_NO)], EMAIL_NO, [W_EMAIL]),
    "a no to the channel everywhere, said again": (EMAIL_NO, merge(W_EMAIL_YES), [merge(EMAIL_NO)], EMAIL_NO, [W_EMAIL]),
    "a no to a category": (
        {}, merge(W_EMAIL_YES), [merge({"categories": {"c": False}})], {"categories": {"c": {"enabled": False}}}, [W_EMAIL],
    ),
    "a no to every other channel": ({}, merge(EMAIL_YES), [merge({"otherwise": False})], {"otherwise": False}, [EMAIL]),
    "a no to the type of a channel": (
        {}, merge({"channels": {"x": True}}), [merge(EMAIL_NO)], EMAIL_NO, ["/channels/x"],
    ),
    "an older no above it is not newer": (
        EMAIL_NO, merge(W_EMAIL_YES), [merge({"digest": "d"})], {**EMAIL_NO, **W_EMAIL_YES, "digest": "d"}, [],
    ),
    "a no that was taken back": (
        {}, merge(W_EMAIL_YES), [merge(EMAIL_NO), merge(EMAIL_YES)], {**EMAIL_YES, **W_EMAIL_YES}, [],
    ),
    "an old opt-out is not lost over a newer yes elsewhere": (
        {}, merge({"workflows": {"w": {"channel_types": {"email": False}}}}), [merge(EMAIL_YES)],
        {**EMAIL_YES, "workflows": {"w": {"channel_types": {"email": False}}}}, [],
    ),
    "an old bare no gives way to a newer yes to one channel, and to no more": (
        {}, merge({"workflows": {"w": False}}), [merge({"workflows": {"w": {"channel_types": {"sms": True}}}})],
        {"workflows": {"w": {"channel_types": {
            "email": False, "sms": True, "push": False, "chat": False, "in_app_feed": False, "http": False, "tool": False,
        }}}}, ["/workflows/w/enabled"],
    ),
    "a parked replace is no more than a merge": (
        {"channel_types": {"email": False, "sms": False}}, put({"channel_types": {"push": False}}),
        [merge({"digest": "d"})], {"channel_types": {"push": False}, "digest": "d"}, [],
    ),
    "a parked replace leaves what was said since": (
        {"channel_types": {"email": False}}, put({}), [merge({"channel_types": {"email": True}}), merge(EMAIL_NO)],
        EMAIL_NO, [EMAIL],
    ),
    "a parked delete takes what nobody spoke of since": (
        {"channel_types": {"email": False, "sms": False}}, PreferenceSetDeleted(DEFAULT_SET),
        [merge({"channel_types": {"sms": None}}), merge({"channel_types": {"sms": False}})],
        {"channel_types": {"sms": False}}, ["/channel_types/sms"],
    ),
    "adopted sets came where its set would have been": (
        {}, merge({"channel_types": {"email": True, "sms": False}}),
        [SetsAdopted(user("old"), ((DEFAULT_SET, parse_preference_set(EMAIL_NO)),))],
        {"channel_types": {"email": False, "sms": False}}, [EMAIL],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "parked", "later", "expected", "superseded"), CASES.values(), ids=CASES)
def test_what_is_left_to_say(before: Tree, parked: Body, later: list[Body], expected: Tree, superseded: list[str]) -> None:
    assert outcome(before, parked, *later) == (expected, superseded)


def test_a_newer_no_in_the_default_set_is_not_undone_by_an_old_yes_inside_a_tenant() -> None:
    default = since({}, [merge(EMAIL_NO)])
    left = remainder(merge({"channel_types": {"email": True, "sms": True}}, ACME), f"set:{ACME}", Since({}), [default])
    assert left == Remainder(Patch({"/channel_types/sms": True}), (EMAIL,))
    older = Since(parse_preference_set(EMAIL_NO))
    left = remainder(merge(EMAIL_YES, ACME), f"set:{ACME}", Since({}), [older])
    assert left.superseded == (), "that no was there before: the person said yes for this tenant all the same"


def test_properties_are_merged_leaf_by_leaf() -> None:
    parked = HolderDescribed(Patch({"/name": "Ann", "/phone": None, "/old": 1}), replaces=True)
    history = since({"/email": "x", "/old": 0}, [HolderDescribed(Patch({"/phone": "1"}))], "properties")
    left = remainder(parked, "properties", history)
    assert left == Remainder(Patch({"/name": "Ann", "/old": 1}, (Unset(("email",)),)), ("/phone",))


SET_IDS = (DEFAULT_SET, ACME)
YES_IF: JsonValue = {"conditions": [{"variable": "data.yes", "operator": "equal_to", "argument": "true"}]}
NO_IF: JsonValue = {"conditions": [{"variable": "data.yes", "operator": "equal_to", "argument": "false"}]}
CHOICES: st.SearchStrategy[JsonValue] = st.sampled_from([True, False, None, YES_IF, NO_IF])
RULES: st.SearchStrategy[JsonValue] = st.one_of(
    st.booleans(),
    st.fixed_dictionaries({"enabled": st.sampled_from([True, False, None])}),
    st.fixed_dictionaries({"condition": st.sampled_from([True, False, None])}),
    st.fixed_dictionaries({"otherwise": st.sampled_from([True, False, None])}),
    *[CHOICES.map(lambda choice: {"channel_types": {"email": choice}})] * 2,
    CHOICES.map(lambda choice: {"channel_types": {"sms": choice}}),
    CHOICES.map(lambda choice: {"channels": {"one": choice}}),
    st.none(),
)
STATEMENTS: st.SearchStrategy[Tree] = st.one_of(
    RULES.filter(lambda rule: isinstance(rule, dict)),
    st.builds(lambda key, rule: {"categories": {key: rule}}, st.sampled_from(["c1", "c2"]), RULES),
    RULES.map(lambda rule: {"workflows": {"w": rule}}),
)
"""Little is said at a time, and of the same few things, so that what is said meets."""


def stored(statements: Sequence[Tree]) -> Leaves:
    leaves: Leaves = {}
    for statement in statements:
        leaves = after(merge(statement), DEFAULT, leaves)
    return leaves


BEFORE = st.lists(STATEMENTS, max_size=3).map(stored)


def bodies(set_id: SetId) -> st.SearchStrategy[Body]:
    """Anything that may be said of one set."""
    merges = STATEMENTS.map(lambda tree: merge(tree, set_id))
    unset = PreferenceSetMerged(set_id, Patch({}, (Unset(("workflows", None, "channel_types", "email")),)))
    return st.one_of(
        *[merges] * 5,
        st.lists(STATEMENTS, max_size=2).map(lambda said: PreferenceSetReplaced(set_id, stored(said))),
        st.lists(STATEMENTS, max_size=2).map(lambda said: SetsAdopted(user("old"), ((set_id, stored(said)),))),
        st.sampled_from([PreferenceSetDeleted(set_id), HolderForgotten("none"), unset]),
    )


def histories(set_id: SetId) -> st.SearchStrategy[Since]:
    """A set, and what was said of it since the parked event."""
    return st.builds(since, BEFORE, st.lists(bodies(set_id), max_size=4), st.just(f"set:{set_id}"))


@settings(max_examples=300, deadline=None)
@given(bodies(DEFAULT_SET), histories(DEFAULT_SET))
def test_no_leaf_that_was_changed_since_is_touched(parked: Body, history: Since) -> None:
    result = replayed(history, remainder(parked, DEFAULT, history))
    for path in history.touched:
        assert same(result.get(path, MISSING), history.now.get(path, MISSING)), path


@settings(max_examples=100, deadline=None)
@given(SETS | PREFERENCE_SETS, SETS.map(put) | PATCHES.map(merge) | bodies(DEFAULT_SET))
def test_what_nobody_overtook_is_said_whole(tree: Tree, parked: Body) -> None:
    history = since(parse_preference_set(tree), [])
    left = remainder(parked, DEFAULT, history)
    assert left.superseded == ()
    assert replayed(history, left) == after(parked, DEFAULT, history.before)


@settings(max_examples=300, deadline=None)
@given(bodies(DEFAULT_SET), histories(DEFAULT_SET))
def test_what_is_left_out_is_told(parked: Body, history: Since) -> None:
    """Every leaf that the event meant to change is as it meant it afterwards, or is named."""
    left = remainder(parked, DEFAULT, history)
    result, meant = replayed(history, left), after(parked, DEFAULT, history.before)
    for change in changes_between(history.before, meant):
        is_shell = {} in (change.before, change.after)
        assert is_shell or change.path in left.superseded or same(result.get(change.path, MISSING), change.after)


CHANNELS = [ChannelRef("email"), ChannelRef("sms"), ChannelRef("email", "one")]


def decisions(default: Leaves, in_tenant: Leaves, decide: str) -> list[Decision]:
    facts = Facts(
        policy=Policy(decide, "above_tenant_defaults"),  # type: ignore[arg-type]
        tenants=[("tenant:acme", {})],
        own_default=default,
        own_in_tenant=in_tenant,
    )
    return evaluate(question_of(*CHANNELS, categories=("c1", "c2"), data={"yes": "true"}), facts)


def check_stopped_stays_stopped(parked: Body, set_id: SetId, default: Since, in_tenant: Since, decide: str) -> int:
    """If the leaf that stops a message now was said after the parked event, it goes on stopping it. How many did."""
    own, other = (default, in_tenant) if set_id == DEFAULT_SET else (in_tenant, default)
    result = replayed(own, remainder(parked, f"set:{set_id}", own, [other]), set_id)
    now = decisions(default.now, in_tenant.now, decide)
    then = decisions(*((result, in_tenant.now) if set_id == DEFAULT_SET else (default.now, result)), decide)
    said = {"default": default, "tenant:acme": in_tenant}
    stopped = 0
    for before, again in zip(now, then, strict=True):
        if before.source is not None and not before.deliver and before.source.path in said[before.source.set_name].spoken:
            stopped += 1
            assert not again.deliver, f"{before.channel}: {before.source} stopped it, and {again.source} lets it pass"
    return stopped


VALUES: tuple[JsonValue, ...] = (True, False, YES_IF, NO_IF)
EVERY_RULE: list[Tree] = [
    *[Tree({member: value}) for member in ("enabled", "condition", "otherwise") for value in (True, False)],
    *[Tree({"channel_types": {"email": value}}) for value in VALUES],
    *[Tree({"channels": {"one": value}}) for value in VALUES],
]
EVERY_STATEMENT: list[Tree] = [
    *EVERY_RULE,
    *[Tree({"categories": {"c1": rule}}) for rule in EVERY_RULE],
    *[Tree({"workflows": {"w": rule}}) for rule in EVERY_RULE],
    *[Tree({"workflows": {"w": value}}) for value in (True, False)],
]


@pytest.mark.parametrize("decide", DECIDE)
@pytest.mark.parametrize("said_in", SET_IDS, ids="said-in-{}".format)
@pytest.mark.parametrize("set_id", SET_IDS, ids="parked-in-{}".format)
def test_no_old_yes_undoes_a_newer_no_whatever_both_say(set_id: SetId, said_in: SetId, decide: str) -> None:
    """Every yes against every no, in the same set and in one that is asked before or after it."""
    stopped = 0
    for later in EVERY_STATEMENT:
        histories = [since({}, [merge(later, each)] if each == said_in else [], f"set:{each}") for each in SET_IDS]
        for statement in EVERY_STATEMENT:
            stopped += check_stopped_stays_stopped(merge(statement, set_id), set_id, histories[0], histories[1], decide)
    assert stopped > 2_000


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(SET_IDS), histories(DEFAULT_SET), histories(ACME), st.sampled_from(DECIDE))
def test_a_message_that_a_newer_no_stopped_stays_stopped(
    data: st.DataObject, set_id: SetId, default: Since, in_tenant: Since, decide: str
) -> None:
    check_stopped_stays_stopped(data.draw(bodies(set_id)), set_id, default, in_tenant, decide)
