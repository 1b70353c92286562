"""API keys: made once, known by a hash, and what each may do."""

from base64 import b64encode
from typing import Any

import pytest

from domain.event import ApiKeyIssued
from domain.invalid import Invalid
from services.errors import Forbidden
from services.keys import OPERATOR, ApiKey, Credential, Scope, hash_of, key_id_of, key_of, matches, new_key, parse_scopes
from services.secrets import Secrets

SECRETS = Secrets("a secret of the tests, long enough to be one", "production")


def leaves_of(issued: ApiKeyIssued, **more: Any) -> dict[str, Any]:
    """The key's item in the environment's stream."""
    return {
        "/name": issued.name,
        "/kind": issued.kind,
        "/scopes": list(issued.scopes),
        "/secret_hash": b64encode(issued.secret_hash).decode(),
        **{f"/{name}": value for name, value in more.items()},
    }


def known(issued: ApiKeyIssued, **more: Any) -> ApiKey:
    return key_of(f"key:{issued.key_id}", leaves_of(issued, **more))


def test_a_fresh_key_is_known_by_its_token_alone() -> None:
    fresh, other = (new_key(SECRETS, "k", "secret", frozenset({Scope.READ})) for _ in range(2))
    assert fresh.token != other.token
    assert key_id_of(fresh.token) == fresh.issued.key_id
    assert fresh.issued.secret_hash == hash_of(fresh.token)
    assert SECRETS.unseal(fresh.issued.key_id, fresh.issued.sealed_secret) == fresh.token
    assert matches(known(fresh.issued), fresh.token)
    assert not matches(known(fresh.issued), other.token)
    assert not matches(known(fresh.issued), fresh.token + "x")
    assert not matches(known(fresh.issued), "")


def test_a_key_has_room_for_no_guess() -> None:
    token = new_key(SECRETS, "k", "secret", frozenset({Scope.READ})).token
    assert len(token.split("_", 2)[2]) >= 43, "the secret has fewer than 256 bits"


def test_a_revoked_key_matches_nothing() -> None:
    fresh = new_key(SECRETS, "k", "secret", frozenset({Scope.ADMIN}))
    assert not matches(known(fresh.issued, revoked=True), fresh.token)


def test_a_key_that_was_revoked_before_it_was_issued_has_no_secret() -> None:
    key = key_of("key:early", {"/revoked": True})
    assert (key.key_id, key.revoked, key.scopes) == ("early", True, frozenset())
    assert not matches(key, "")


def test_a_key_is_shown_without_what_would_open_anything() -> None:
    fresh = new_key(SECRETS, "k", "public", frozenset({Scope.READ, Scope.AUDIT}))
    shown = known(fresh.issued).shown()
    assert shown == {
        "id": fresh.issued.key_id, "name": "k", "kind": "public", "scopes": ["audit", "read"], "revoked": False,
    }  # fmt: skip
    assert fresh.token.startswith("pk_")


@pytest.mark.parametrize("scope", Scope)
def test_a_credential_does_what_its_scopes_say_and_admin_does_all(scope: Scope) -> None:
    Credential("key:k", frozenset({scope})).check(scope)
    Credential("key:k", frozenset({Scope.ADMIN})).check(scope)
    OPERATOR.check(scope)
    others = frozenset(Scope) - {scope, Scope.ADMIN}
    with pytest.raises(Forbidden, match=scope.value):
        Credential("key:k", others).check(scope)
    assert not ApiKey("k", "k", "secret", others, b"", False).may(scope)


def test_scopes_that_a_later_release_may_have_are_left_out() -> None:
    fresh = new_key(SECRETS, "k", "secret", frozenset({Scope.READ}))
    leaves = leaves_of(fresh.issued) | {"/scopes": ["read", "teleport"]}
    assert key_of("key:k", leaves).scopes == {Scope.READ}


@pytest.mark.parametrize("token", ["", "sk", "sk_", "sk_id", "xk_id_secret", "id_secret", "SK_id_secret"])
def test_what_has_not_the_form_of_a_key_has_no_id(token: str) -> None:
    assert key_id_of(token) is None


@pytest.mark.parametrize("value", [None, [], {}, "read", [1], ["read", "root"], ["READ"]])
def test_scopes_that_there_are_not_are_refused(value: object) -> None:
    with pytest.raises(Invalid):
        parse_scopes(value)
