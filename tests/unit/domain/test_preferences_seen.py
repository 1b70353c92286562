from domain.document import Leaves
from domain.facts import Facts
from domain.preferences_seen import recipient_preferences, seen, tenant_preferences

ON: Leaves = {
    "/categories/news/enabled": True,
    "/workflows/w/channel_types/email": False,
    "/commercial": False,
    "/schedule": {},
}


def test_a_set_is_seen_the_way_people_write_it() -> None:
    assert seen(ON) == {
        "categories": {"news": True},
        "workflows": {"w": {"channel_types": {"email": False}}},
        "commercial": False,
        "commercial_subscribed": False,
    }


def test_a_rule_that_says_more_than_on_or_off_stays_an_object() -> None:
    assert seen({"/workflows/w/enabled": True, "/workflows/w/locked": False}) == {
        "workflows": {"w": {"enabled": True, "locked": False}}
    }


def test_the_recipients_preferences_are_all_layers_together() -> None:
    facts = Facts(environment_default={"/channel_types/sms": False}, own_default={"/channel_types/email": True})
    assert recipient_preferences(facts, "user:u") == {"channel_types": {"sms": False, "email": True}}


def test_the_tenants_preferences_are_its_own_words() -> None:
    facts = Facts(environment_default={"/channel_types/sms": False}, tenants=(("tenant:acme", ON),))
    assert tenant_preferences(facts)["commercial_subscribed"] is False
    assert "channel_types" not in tenant_preferences(facts)
    assert tenant_preferences(Facts()) == {}
