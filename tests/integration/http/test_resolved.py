"""The resolved view: all layers of a recipient as one set, with where each leaf was said."""

import pytest

from tests.integration.http.api import Api, fresh, refused, set_path

OWN = {"channel_types": {"email": False}}
TENANTS = {"channel_types": {"email": True, "sms": False}}
OWN_IN_TENANT = {"channel_types": {"push": False}}


@pytest.fixture
def in_tenant(api: Api) -> tuple[str, str]:
    """A user and a tenant that both speak of e-mail, and the user's own set inside the tenant."""
    user, tenant = f"user:{fresh()}", fresh("tenant")
    api.put_set(user, OWN)
    api.put_set(f"tenant:{tenant}", TENANTS)
    api.put_set(user, OWN_IN_TENANT, f"tenant:{tenant}")
    return user, tenant


def set_policy(api: Api, own_default: str) -> None:
    policy = {"decide": "every_rule_allows", "own_default_in_tenant": own_default}
    api.ok("PUT", "/catalogue/policy", json=policy)


@pytest.mark.parametrize(
    ("own_default", "email", "said_by"),
    [
        ("above_tenant_defaults", False, "user"),
        ("below_tenant_defaults", True, "tenant"),
        ("unless_tenant_speaks", True, "tenant"),
        ("never", True, "tenant"),
    ],
)
def test_the_policy_says_what_an_own_default_counts_inside_a_tenant(
    api: Api, in_tenant: tuple[str, str], own_default: str, email: bool, said_by: str
) -> None:
    user, tenant = in_tenant
    set_policy(api, own_default)
    view = api.get(set_path(user), resolved="true", tenant=tenant)
    assert view["preferences"]["channel_types"] == {"email": email, "sms": False, "push": False}
    assert view["origins"]["/channel_types/email"]["holder"].startswith(said_by)
    assert view["origins"]["/channel_types/push"] == {
        "holder": user, "set": f"tenant:{tenant}", "path": "/channel_types/push",
    }  # fmt: skip
    assert view["tenant"] == tenant
    assert "version" not in view
    # The same by the name of the set in the tenant, and in what an evaluation decides.
    assert api.get(set_path(user, f"tenant:{tenant}"), resolved="true")["preferences"] == view["preferences"]
    assert api.delivered(user, tenant=tenant, channels=["email", "sms", "push"]) == view["preferences"]["channel_types"]


@pytest.mark.parametrize(
    ("own_default", "counts"),
    [
        ("above_tenant_defaults", True), ("below_tenant_defaults", True), ("unless_tenant_speaks", True), ("never", False),
    ],
)  # fmt: skip
def test_a_tenant_that_says_nothing(api: Api, own_default: str, counts: bool) -> None:
    user, tenant = f"user:{fresh()}", fresh("tenant")
    api.put_set(user, OWN)
    set_policy(api, own_default)
    view = api.get(set_path(user), resolved="true", tenant=tenant)
    assert view["preferences"] == (OWN if counts else {})


def test_without_a_tenant_the_own_default_stands_over_the_environments(api: Api) -> None:
    user = f"user:{fresh()}"
    api.put_set("environment", {"channel_types": {"email": True, "chat": False}})
    api.put_set(user, OWN)
    view = api.get(set_path(user), resolved="true")
    assert view["preferences"]["channel_types"] == {"email": False, "chat": False}
    assert view["origins"]["/channel_types/chat"]["holder"] == "environment"
    api.ok("DELETE", set_path("environment"))


def test_a_tenants_ancestors_speak_before_it(api: Api) -> None:
    user, child, parent = f"user:{fresh()}", fresh("child"), fresh("parent")
    api.ok("PUT", f"/holders/tenant:{child}", json={"parent": parent})
    api.put_set(f"tenant:{parent}", {"channel_types": {"email": False, "sms": False}})
    api.put_set(f"tenant:{child}", {"channel_types": {"sms": True}})
    view = api.get(set_path(user), resolved="true", tenant=child)
    assert view["preferences"]["channel_types"] == {"email": False, "sms": True}
    assert view["origins"]["/channel_types/email"]["holder"] == f"tenant:{parent}"


def test_tenants_that_are_each_others_parents_end(api: Api) -> None:
    user, one, other = f"user:{fresh()}", fresh("one"), fresh("other")
    api.ok("PUT", f"/holders/tenant:{one}", json={"parent": other})
    api.ok("PUT", f"/holders/tenant:{other}", json={"parent": one})
    api.put_set(f"tenant:{other}", {"channel_types": {"sms": False}})
    assert api.delivered(user, tenant=one, channels=["sms"]) == {"sms": False}


def test_a_context_stands_in_for_the_default(api: Api) -> None:
    user = f"user:{fresh()}"
    api.put_set(user, OWN)
    api.put_set(user, {"channel_types": {"sms": False}}, "context:app:web")
    assert api.get(set_path(user, "context:app:web"), resolved="true")["preferences"] == {"channel_types": {"sms": False}}
    assert api.delivered(user, context=["app:web"], channels=["email", "sms"]) == {"email": True, "sms": False}


def test_the_view_has_an_etag_of_its_own(api: Api) -> None:
    user = f"user:{fresh()}"
    api.put_set(user, OWN)
    first = api.request("GET", set_path(user), params={"resolved": "true"}).headers["etag"]
    assert (
        api.request("GET", set_path(user), params={"resolved": "true"}, headers={"If-None-Match": first}).status_code == 304
    )
    api.put_set(user, {"channel_types": {"email": True}})
    assert api.request("GET", set_path(user), params={"resolved": "true"}).headers["etag"] != first
    refused(api.request("PUT", set_path(user), json={}, headers={"If-Match": first}), "bad-request")


def test_the_view_as_of_a_position(api: Api, in_tenant: tuple[str, str]) -> None:
    user, tenant = in_tenant
    set_policy(api, "never")
    now = api.get(set_path(user), resolved="true", tenant=tenant)
    set_policy(api, "above_tenant_defaults")
    api.put_set(f"tenant:{tenant}", {})
    past = api.get(set_path(user), resolved="true", tenant=tenant, as_of=now["position"])
    assert (past["preferences"], past["origins"]) == (now["preferences"], now["origins"])
    assert past["position"] == now["position"]


@pytest.mark.parametrize(
    ("set_name", "question"),
    [
        ("default", {"tenant": "t"}),
        ("default", {"tenant": "t", "resolved": "false"}),
        ("default", {"tenant": "", "resolved": "true"}),
        ("default", {"tenant": "x" * 257, "resolved": "true"}),
        ("tenant:a", {"tenant": "b", "resolved": "true"}),
        ("subscription:a:b", {"resolved": "true"}),
        ("default", {"resolved": "maybe"}),
    ],
)
def test_a_view_that_makes_no_sense_is_refused(api: Api, set_name: str, question: dict[str, str]) -> None:
    refused(api.request("GET", set_path("user:a", set_name), params=question), "invalid")
