import pytest

from services.http.knock.dialect import ROUTES
from services.http.owners import COURIER, KNOCK, NOVU, owner_of

BEARER = [(b"authorization", b"Bearer sk_1")]
API_KEY = [(b"authorization", b"ApiKey 1")]


@pytest.mark.parametrize(
    ("path", "headers", "owner"),
    [
        (b"/ledger/v1/keys", BEARER, None),
        (b"/ledger", [], None),
        (b"/v1/users/u/preferences", BEARER, KNOCK),
        (b"/v1/users/u/preferences", [], KNOCK),
        (b"/v1/tenants", BEARER, KNOCK),
        (b"/v1/tenants", API_KEY, NOVU),
        (b"/v1/nothing", [], KNOCK),
        (b"/v1/inbox/preferences", BEARER, NOVU),
        (b"/v1/subscribers/s", [], NOVU),
        (b"/v2/subscribers", BEARER, NOVU),
        (b"/v2", [], NOVU),
        (b"/users/u/preferences", BEARER, COURIER),
        (b"/v11/x", BEARER, COURIER),
        (b"/ledgers", [], COURIER),
    ],
)
def test_an_address_has_one_owner(path: bytes, headers: list[tuple[bytes, bytes]], owner: str | None) -> None:
    assert owner_of(path, headers) == owner


def test_no_two_routes_are_the_same_address() -> None:
    shapes = [(route.method, _shape(route.path)) for route in ROUTES.all]
    assert [shape for shape in shapes if shapes.count(shape) > 1] == []


def test_every_route_is_reached_at_its_own_address() -> None:
    for route in ROUTES.all:
        path = "/".join(_example(segment) for segment in route.path.split("/"))
        found = ROUTES.find(route.method, path)
        assert found is not None
        assert found[0] is route, f"{route.method} {route.path} is hidden by {found[0].path}"
        assert owner_of(path.encode(), BEARER) == KNOCK


def _shape(path: str) -> tuple[str, ...]:
    return tuple("*" if segment.startswith("{") and ":" not in segment else segment for segment in path.split("/"))


def _example(segment: str) -> str:
    name, _, fixed = segment.strip("{}").partition(":")
    return fixed or (f"some%2F{name}" if segment.startswith("{") else segment)
