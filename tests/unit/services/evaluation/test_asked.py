"""Questions as they are asked: read as they were meant, and refused with a pointer to what can't be meant."""

from typing import Any

import pytest

from domain.holder import object_in, user
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.policy import Policy
from domain.question import ChannelRef
from services.evaluation.asked import Asked, parse_asked, parse_recipient, parse_recipients


def asked(**members: Any) -> Asked:
    return parse_asked({"recipient": "user:a", "workflow": "w", **members}, "recipient")


@pytest.mark.parametrize(
    ("value", "holder"),
    [
        ("user:a", user("a")),
        ("user:a:b", user("a:b")),
        ("user: ", user(" ")),
        ("object:c:d", object_in("c", "d")),
        ("object:c%3Ad:e", object_in("c:d", "e")),
        ({"user": "a:b"}, user("a:b")),
        ({"user": "a%3Ab"}, user("a%3Ab")),
        ({"object": {"collection": "c:d", "id": "e"}}, object_in("c:d", "e")),
    ],
)
def test_a_recipient_is_named_as_text_or_as_an_object(value: JsonValue, holder: object) -> None:
    assert parse_recipient(value, "/recipient") == holder


# fmt: off
NO_RECIPIENTS: list[JsonValue] = [
    None, 1, True, [], {}, "", "a", "user", "user:", "environment", "tenant:t", "object:a", "user:\x00", {"user": 1},
    {"user": ""}, {"user": "a", "id": "b"}, {"tenant": "t"}, {"object": "a"}, {"object": {"collection": "c"}},
    {"object": {"collection": "c", "id": "d", "x": 1}}, {"object": {"collection": "", "id": "d"}}, "user:" + "x" * 257,
]
# fmt: on


@pytest.mark.parametrize("value", NO_RECIPIENTS, ids=str)
def test_what_names_no_recipient_is_refused(value: JsonValue) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_recipient(value, "/recipients/3")
    assert refusal.value.pointer.startswith("/recipients/3")


def test_what_is_not_said_is_left_to_the_catalogue() -> None:
    question = asked()
    assert (question.channels, question.circle.categories, question.circle.policy) == (None, None, None)
    assert (question.data, question.actor, question.at_milliseconds) == ({}, None, None)
    assert question.circle.workflow == "w"


def test_null_is_absent() -> None:
    members = dict.fromkeys(("channels", "categories", "tenant", "context", "subscription", "data", "actor", "policy", "at"))
    assert asked(**members, as_of=None, min_position=None, max_staleness=None) == asked()


def test_no_category_is_something_else_than_not_said() -> None:
    assert asked(categories=[]).circle.categories == ()


def test_channels_are_types_or_concrete_ones() -> None:
    channels = asked(channels=["email", {"type": "sms", "id": "x"}, {"type": "push"}, {"type": "chat", "id": None}]).channels
    assert channels == (ChannelRef("email"), ChannelRef("sms", "x"), ChannelRef("push"), ChannelRef("chat"))


def test_a_policy_is_a_preset_or_both_answers() -> None:
    assert asked(policy="novu").circle.policy == Policy("most_specific_wins", "never")
    both = {"decide": "every_rule_allows", "own_default_in_tenant": "never"}
    assert asked(policy=both).circle.policy == asked(policy="courier").circle.policy


def test_the_context_of_one_tenant_is_that_tenants_set() -> None:
    assert str(asked(context=["tenant:t"]).circle.context) == "tenant:t"
    assert str(asked(context=["b:1", "a:2"]).circle.context) == "context:a:2,b:1"


@pytest.mark.parametrize(
    ("members", "plain"),
    [
        ({}, True), ({"tenant": "t", "data": {"a": 1}, "at": "2026-03-03T14:02:00Z", "min_position": "p"}, True),
        ({"explain": True}, False), ({"as_of": "p"}, False), ({"context": ["a:b"]}, False),
        ({"subscription": {"topic": "t", "id": "s"}}, False),
    ],
)  # fmt: skip
def test_what_a_compiled_plan_may_answer(members: dict[str, Any], plain: bool) -> None:
    assert asked(**members).is_plain is plain


def test_an_instant_is_kept_to_the_millisecond() -> None:
    assert asked(at="2026-03-03T14:02:00.123999Z").at_milliseconds == 1_772_546_520_123


@pytest.mark.parametrize("value", [None, [], {}, "user:a", [1] * 1_001])
def test_a_batch_has_one_to_a_thousand_recipients(value: JsonValue) -> None:
    with pytest.raises(Invalid, match="1 to 1000"):
        parse_recipients(value)


def test_recipients_of_a_batch_are_looked_at_one_by_one_later() -> None:
    assert parse_recipients(["nonsense", 5]) == ["nonsense", 5]


def test_a_member_of_the_other_kind_of_question_is_refused() -> None:
    with pytest.raises(Invalid, match="no such member"):
        parse_asked({"recipients": [], "recipient": "user:a", "workflow": "w"}, "recipients")


@pytest.mark.parametrize(
    ("channels", "body_bytes", "quick"),
    [(8, 16_384, True), (9, 100, False), (1, 16_385, False)],
)
def test_a_large_question_does_not_keep_others_waiting(channels: int, body_bytes: int, quick: bool) -> None:
    assert asked(channels=["email"] * channels).is_quick(body_bytes) is quick
    assert not asked(channels=["email"] * channels, explain=True).is_quick(body_bytes)


@pytest.mark.parametrize(("explain", "most"), [(False, 20_000), (True, 8_000)])
def test_a_batch_has_a_bound_of_decisions(explain: bool, most: int) -> None:
    question = asked(explain=explain)
    question.check_decisions(most // 20, 20)
    with pytest.raises(Invalid, match=f"may ask for {most}: send at most {most // 100} recipients at a time") as caught:
        question.check_decisions(most // 100 + 1, 100)
    assert caught.value.pointer == "/recipients"
