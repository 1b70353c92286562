"""Random preference sets, catalogues and layers, small enough to speak about the same few things often."""

from dataclasses import replace

from hypothesis import strategies as st

from domain.facts import Facts, WorkflowFacts
from domain.json_value import JsonValue
from domain.policy import DECIDE, OWN_DEFAULT_IN_TENANT, Policy
from domain.preference_set import parse_preference_set
from domain.question import ChannelRef
from tests.unit.domain.questions import Tree

TYPES = ("email", "sms", "push", "in_app_feed")
IDS = ("one", "two", "a/b")
CATEGORIES = ("c1", "c2", "c3")
WORKFLOWS = ("w", "other")

CHANNELS = st.lists(
    st.builds(ChannelRef, st.sampled_from(TYPES[:3]), st.none() | st.sampled_from(IDS[:2])),
    min_size=1,
    max_size=4,
).map(tuple)

CONDITIONS: st.SearchStrategy[JsonValue] = st.sampled_from(["true", "false"]).map(
    lambda text: [{"variable": "data.yes", "operator": "equal_to", "argument": text}]
)
BOOLEANS: st.SearchStrategy[JsonValue] = st.booleans()
CHOICES = st.one_of(BOOLEANS, BOOLEANS, BOOLEANS, CONDITIONS.map(lambda conditions: {"conditions": conditions}))
ROUTINGS: st.SearchStrategy[JsonValue] = st.fixed_dictionaries(
    {"applies": st.booleans(), "channels": st.lists(st.sampled_from(TYPES), unique=True)}
)


def _members(choices: st.SearchStrategy[JsonValue]) -> dict[str, st.SearchStrategy[JsonValue]]:
    return {
        "enabled": BOOLEANS,
        "channel_types": st.dictionaries(st.sampled_from(TYPES), choices, max_size=3),
        "channels": st.dictionaries(st.sampled_from(IDS), choices, max_size=2),
    }


PLAIN_RULES: st.SearchStrategy[Tree] = st.fixed_dictionaries({}, optional=_members(BOOLEANS))
RULES: st.SearchStrategy[Tree] = st.fixed_dictionaries(
    {},
    optional={
        **_members(CHOICES),
        "condition": st.one_of(CONDITIONS, BOOLEANS),
        "otherwise": BOOLEANS,
        "locked": BOOLEANS,
        "routing": ROUTINGS,
        "digest": st.sampled_from(["daily", "weekly"]),
        "layering": st.dictionaries(
            st.sampled_from(["self", "channel_types", "channels"]), st.sampled_from(["merge", "replace"]), max_size=2
        ),
    },
)
SCHEDULES: st.SearchStrategy[JsonValue] = st.sampled_from(
    [{"enabled": False}, {"enabled": True, "weekly": {"monday": {"enabled": False}}}]
)


def _sets(rules: st.SearchStrategy[Tree], **members: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[Tree]:
    scoped = st.one_of(BOOLEANS, rules)
    return st.builds(
        lambda top, rest: {**top, **rest},
        rules,
        st.fixed_dictionaries(
            {},
            optional={
                "categories": st.dictionaries(st.sampled_from(CATEGORIES), scoped, max_size=3),
                "workflows": st.dictionaries(st.sampled_from(WORKFLOWS), scoped, max_size=2),
                **members,
            },
        ),
    )


PLAIN_SETS = _sets(PLAIN_RULES)
"""Nothing but booleans: what a plan must be able to answer."""
SETS = _sets(RULES, commercial=CHOICES, schedule=SCHEDULES)

POLICIES = st.builds(Policy, st.sampled_from(DECIDE), st.sampled_from(OWN_DEFAULT_IN_TENANT))
PLANNABLE_POLICIES = st.builds(Policy, st.just(DECIDE[0]), st.sampled_from(OWN_DEFAULT_IN_TENANT))


def _catalogue(draw: st.DrawFn, rules: st.SearchStrategy[Tree]) -> tuple[WorkflowFacts, dict[str, dict[str, JsonValue]]]:
    workflow = WorkflowFacts(
        key="w",
        categories=draw(st.lists(st.sampled_from(CATEGORIES), max_size=3).map(tuple)),
        channels=draw(st.just(()) | CHANNELS),
        commercial=draw(st.sampled_from([False, False, True])),
        override=draw(st.sampled_from([False, False, False, True])),
        resource_default=parse_preference_set(draw(rules)),
        user_default=parse_preference_set(draw(rules)),
    )
    categories = {
        key: {f"/default{path}": value for path, value in parse_preference_set(rule).items()}
        for key, rule in draw(st.dictionaries(st.sampled_from(CATEGORIES), rules, max_size=2)).items()
    }
    return workflow, categories


@st.composite
def _facts(
    draw: st.DrawFn,
    sets: st.SearchStrategy[Tree],
    rules: st.SearchStrategy[Tree],
    policies: st.SearchStrategy[Policy],
) -> Facts:
    workflow, categories = _catalogue(draw, rules)
    leaves = sets.map(parse_preference_set)
    tenants = draw(st.lists(leaves, max_size=3))
    return Facts(
        policy=draw(policies),
        workflow=draw(st.sampled_from([workflow, workflow, None])),
        categories=categories,
        environment_default=draw(leaves),
        tenants=[(f"tenant:t{depth}", said) for depth, said in enumerate(tenants)],
    )


SHARED_FACTS = _facts(SETS, RULES, POLICIES)
"""Everything but the recipient."""
PLAIN_SHARED_FACTS = _facts(PLAIN_SETS, PLAIN_RULES, PLANNABLE_POLICIES)


@st.composite
def _of_recipient(draw: st.DrawFn) -> Facts:
    leaves = SETS.map(parse_preference_set)
    return replace(draw(SHARED_FACTS), own_default=draw(leaves), own_in_tenant=draw(leaves))


FACTS = _of_recipient()
"""Everything, for some recipient."""
