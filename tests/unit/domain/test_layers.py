"""Which layers count for a question, in which order, and who may lock."""

import pytest

from domain.catalogue import EntryKind, parse_entry
from domain.facts import categories_in_play, channels_in_play, workflow_facts
from domain.layers import CATALOGUE_KINDS, LayerKind, catalogue_entry, stack
from domain.policy import OWN_DEFAULT_IN_TENANT, Decide, OwnDefaultInTenant, Policy
from domain.question import ChannelRef
from tests.unit.domain.questions import COURIER, KNOCK, NOVU, Tree, decide, delivered, facts_of, where

OFF: Tree = {"categories": {"c": False}}
ON: Tree = {"categories": {"c": True}}


def kinds(own_default: OwnDefaultInTenant, tenant: Tree, in_tenant: Tree) -> list[str]:
    facts = facts_of(
        policy=Policy("every_rule_allows", own_default), tenants=[("root", {}), ("acme", tenant)], in_tenant=in_tenant
    )
    return [layer.kind.value for layer in stack(facts, "user:jhammond")]


@pytest.mark.parametrize(
    ("own_default", "expected"),
    [
        ("above_tenant_defaults", ["tenant_default", "tenant_default", "own_default", "own_in_tenant"]),
        ("below_tenant_defaults", ["own_default", "tenant_default", "tenant_default", "own_in_tenant"]),
        ("unless_tenant_speaks", ["tenant_default", "tenant_default", "own_in_tenant"]),
        ("never", ["tenant_default", "tenant_default", "own_in_tenant"]),
    ],
)
def test_the_policy_places_the_own_default(own_default: OwnDefaultInTenant, expected: list[str]) -> None:
    assert kinds(own_default, ON, {}) == ["environment_default", *expected]


def test_unless_the_tenant_speaks_a_set_of_shells_is_no_word() -> None:
    counted = ["environment_default", "tenant_default", "tenant_default", "own_default", "own_in_tenant"]
    assert kinds("unless_tenant_speaks", {}, {}) == counted
    assert kinds("unless_tenant_speaks", {"categories": {}}, {"workflows": {"w": {}}}) == counted
    assert "own_default" not in kinds("unless_tenant_speaks", {}, OFF)


def test_without_a_tenant_there_are_no_tenant_layers_and_the_own_default_counts() -> None:
    for own_default in OWN_DEFAULT_IN_TENANT:
        facts = facts_of(policy=Policy("every_rule_allows", own_default), own=OFF, in_tenant=ON)
        assert [layer.kind.value for layer in stack(facts, "user:jhammond")] == ["environment_default", "own_default"]
        assert not decide(facts, categories=("c",)).deliver


def test_above_tenant_defaults_no_tenant_undoes_an_opt_out() -> None:
    facts = facts_of(tenants=[("acme", ON)], own=OFF)
    assert where(decide(facts, categories=("c",))) == "user:jhammond default /categories/c/enabled"


@pytest.mark.parametrize("policy", [Policy("every_rule_allows", "below_tenant_defaults"), KNOCK, COURIER])
def test_under_the_other_policies_the_tenant_has_the_word(policy: Policy) -> None:
    assert decide(facts_of(policy=policy, tenants=[("acme", ON)], own=OFF), categories=("c",)).deliver


@pytest.mark.parametrize("policy", [Policy("most_specific_wins", own_default) for own_default in OWN_DEFAULT_IN_TENANT])
def test_the_place_of_the_own_default_means_the_same_when_the_most_specific_rule_wins(policy: Policy) -> None:
    protects = policy.own_default_in_tenant == "above_tenant_defaults"
    decision = decide(facts_of(policy=policy, tenants=[("acme", ON)], own=OFF), categories=("c",))
    assert decision.deliver is not protects


def test_a_child_tenant_replaces_what_its_parent_says_and_inherits_the_rest() -> None:
    tenants: list[tuple[str, Tree]] = [
        ("root", {"channel_types": {"email": False, "sms": False}}),
        ("acme", {"channel_types": {"email": True}}),
    ]
    facts = facts_of(tenants=tenants)
    assert delivered(facts, "email", "sms") == ["email"]
    assert where(decide(facts, "sms")) == "tenant:root default /channel_types/sms"


def test_of_a_long_chain_the_tenant_and_its_three_nearest_ancestors_count() -> None:
    chain: list[tuple[str, Tree]] = [("root", {"channel_types": {"email": False}})]
    chain += [(f"t{depth}", {}) for depth in range(3)]
    assert delivered(facts_of(tenants=[*chain, ("acme", {})]), "email") == ["email"]
    assert delivered(facts_of(tenants=chain), "email") == []


def test_the_own_choice_in_a_tenant_is_the_strongest() -> None:
    decision = decide(facts_of(tenants=[("acme", ON)], own=ON, in_tenant=OFF), categories=("c",))
    assert where(decision) == "user:jhammond tenant:acme /categories/c/enabled"


def test_categories_given_with_the_question_beat_the_catalogues() -> None:
    facts = facts_of(workflow={"categories": ["c"]}, own=OFF)
    assert not decide(facts).deliver
    assert decide(facts, categories=()).deliver
    assert decide(facts, categories=("other",)).deliver


def test_an_unknown_workflow_is_evaluated_all_the_same() -> None:
    assert decide(facts_of(own={"workflows": {"w": False}})).reason == "workflow_opt_out"
    assert decide(facts_of(own={"enabled": False})).reason == "all_opt_out"
    assert decide(facts_of(own=OFF)).deliver
    assert decide(facts_of(own=OFF), categories=("c",)).reason == "category_opt_out"


def test_the_catalogues_defaults_are_the_weakest_word() -> None:
    off: Tree = {"default": {"enabled": False}}
    facts = facts_of(workflow={"categories": ["c"]}, categories={"c": off}, environment=ON)
    assert decide(facts).deliver
    facts = facts_of(workflow={"categories": ["c"], "defaults": {"resource": False, "user": True}})
    assert decide(facts).deliver


def test_a_yes_of_the_catalogue_is_nobodys_preference() -> None:
    decision = decide(facts_of(workflow={"defaults": {"resource": True}}))
    assert (decision.reason, where(decision)) == (
        "default_allow",
        "environment catalogue /workflows/w/defaults/resource/enabled",
    )


@pytest.mark.parametrize("key", ["plain", "a/b", "~1", "defaults"])
def test_a_decision_of_the_catalogue_leads_to_the_entry_and_its_leaf(key: str) -> None:
    facts = facts_of(categories={key: {"default": {"channel_types": {"email": False}}}})
    decision = decide(facts, categories=(key,))
    assert decision.reason == "category_default_opt_out"
    assert decision.source is not None
    item, leaf = catalogue_entry(decision.source.path)
    assert (item, leaf) == (f"category:{key}", "/default/channel_types/email")
    assert facts.categories[key][leaf] is False


def test_a_category_without_rules_and_no_workflow_make_no_catalogue_layer() -> None:
    facts = facts_of(categories={"c": {"name": "C"}})
    assert not [layer for layer in stack(facts, "user:jhammond", ("c",)) if layer.kind in CATALOGUE_KINDS]


def test_facts_of_a_workflow_are_read_from_its_entry() -> None:
    entry: Tree = {
        "name": "New comment",
        "categories": ["a", "b"],
        "channels": ["email", {"type": "sms", "id": "one"}],
        "commercial": True,
        "override": True,
        "defaults": {"resource": {"enabled": True, "locked": True}, "user": {"channel_types": {"email": False}}},
    }
    facts = workflow_facts("w", parse_entry(EntryKind.WORKFLOW, "w", entry))
    assert (facts.key, facts.name, facts.categories) == ("w", "New comment", ("a", "b"))
    assert facts.channels == (ChannelRef("email"), ChannelRef("sms", "one"))
    assert (facts.commercial, facts.override) == (True, True)
    assert facts.resource_default == {"/enabled": True, "/locked": True}
    assert facts.user_default == {"/channel_types/email": False}
    assert channels_in_play(facts) == facts.channels
    assert categories_in_play(None, facts) == ("a", "b")
    bare = workflow_facts("w", {})
    assert (bare.name, bare.categories, bare.channels, bare.commercial, bare.override) == (None, (), (), False, False)


def test_a_question_without_channels_asks_about_every_type_of_an_unknown_workflow() -> None:
    assert [channel.type for channel in channels_in_play(None)] == [
        "email",
        "sms",
        "push",
        "chat",
        "in_app_feed",
        "http",
        "tool",
    ]


# Locks.

LOCKED: Tree = {"categories": {"c": {"locked": True}}}
LIFTED: Tree = {"categories": {"c": {"locked": False}}}
BOTH: list[Decide] = ["every_rule_allows", "most_specific_wins"]


@pytest.mark.parametrize("decide_by", BOTH)
@pytest.mark.parametrize("own", [OFF, {"channel_types": {"email": False}}, {"workflows": {"w": False}}, {"enabled": False}])
def test_while_a_scope_is_locked_no_own_rule_is_looked_at_whatever_its_scope(decide_by: Decide, own: Tree) -> None:
    facts = facts_of(policy=Policy(decide_by, "above_tenant_defaults"), environment=LOCKED, tenants=[("acme", {})], own=own)
    decision = decide(facts, categories=("c",))
    assert (decision.deliver, decision.reason, where(decision)) == (
        True,
        "required",
        "environment default /categories/c/locked",
    )
    in_tenant = facts_of(environment=LOCKED, tenants=[("acme", {})], in_tenant=own)
    assert decide(in_tenant, categories=("c",)).reason == "required"


@pytest.mark.parametrize("locked", [{"locked": True}, {"workflows": {"w": {"locked": True}}}, LOCKED])
def test_every_scope_in_play_can_be_locked(locked: Tree) -> None:
    facts = facts_of(environment=locked, own={"channel_types": {"email": False}})
    assert decide(facts, categories=("c",)).reason == "required"


def test_a_lock_of_another_scope_locks_nothing_here() -> None:
    facts = facts_of(environment=LOCKED, own={"channel_types": {"email": False}})
    assert not decide(facts, categories=("other",)).deliver


def test_locked_is_not_forced_on() -> None:
    facts = facts_of(environment={"workflows": {"w": {"locked": True, "enabled": False}}}, own={"workflows": {"w": True}})
    decision = decide(facts)
    assert (decision.deliver, decision.reason) == (False, "workflow_opt_out")
    assert where(decision) == "environment default /workflows/w/enabled"


def test_a_stronger_layer_lifts_a_lock_and_an_absent_one_inherits_it() -> None:
    def reason(*tenants: Tree) -> str:
        chain = [(f"t{depth}", tree) for depth, tree in enumerate(tenants)]
        return decide(facts_of(environment=LOCKED, tenants=chain, own=OFF), categories=("c",)).reason

    assert reason() == "required"
    assert reason({}) == "required"
    assert reason(LIFTED) == "category_opt_out"
    assert reason(LIFTED, {}) == "category_opt_out"
    assert reason(LIFTED, LOCKED) == "required"


def test_the_recipient_neither_locks_nor_lifts() -> None:
    """Such a leaf can't be written; if the log holds one from elsewhere, it must not count."""
    facts = facts_of(environment=LOCKED, tenants=[("acme", {})], own=LIFTED, in_tenant=OFF)
    assert decide(facts, categories=("c",)).reason == "required"
    facts = facts_of(tenants=[("acme", {})], own={**LOCKED, "channel_types": {"email": False}}, in_tenant=LOCKED)
    assert decide(facts, categories=("c",)).reason == "channel_type_opt_out"


@pytest.mark.parametrize(
    ("resource", "user", "locks"), [(True, None, True), (None, True, True), (True, False, True), (False, None, False)]
)
def test_either_default_rule_of_a_workflow_locks(resource: bool | None, user: bool | None, locks: bool) -> None:
    defaults: Tree = {"resource": {"locked": resource}, "user": {"locked": user}}
    facts = facts_of(policy=NOVU, workflow={"defaults": defaults}, own={"channel_types": {"email": False}})
    assert decide(facts).deliver is locks


def test_the_environment_lifts_the_lock_of_a_workflows_default_rules() -> None:
    defaults: Tree = {"resource": {"locked": True}, "user": {"locked": True}}
    facts = facts_of(
        workflow={"defaults": defaults},
        environment={"workflows": {"w": {"locked": False}}},
        own={"channel_types": {"email": False}},
    )
    assert not decide(facts).deliver


def test_the_trace_names_the_layers_that_a_lock_silences_or_the_policy_leaves_out() -> None:
    facts = facts_of(policy=COURIER, environment=LOCKED, tenants=[("acme", {})], own=OFF, in_tenant=OFF)
    verdicts = {entry.layer: entry.verdict.value for entry in decide(facts, categories=("c",)).trace if entry.path is None}
    assert verdicts == {
        LayerKind.OWN_DEFAULT: "left_out",
        LayerKind.ENVIRONMENT: "speaks",
        LayerKind.TENANT: "silent",
        LayerKind.OWN_IN_TENANT: "silenced",
    }
