"""Calls from browsers and phones: public keys, user tokens, and what a token must not open."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from knockapi import Knock

from services.secrets import Secrets
from tests.integration.knock.conftest import history
from tests.server_process import ServerProcess

Sign = Callable[..., str]
USER_URI = "https://api.knock.app/v1/users/jhammond"
SET = "/v1/users/jhammond/preferences/default"


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def token_of(key: RSAPrivateKey, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    signed = f"{part(header or {'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}"
    signature = key.sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def pem(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def private_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Secured:
    """An environment with a signing key: its operator, and a client with its public key."""

    operator: httpx.Client
    client: httpx.Client


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, private_key: RSAPrivateKey) -> Iterator[Secured]:
    with (
        ServerProcess(tmp_path_factory.mktemp("secured") / "data") as server,
        httpx.Client(base_url=server.url, headers=server.headers, trust_env=False) as operator,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        key = operator.post("/ledger/v1/keys", json={"name": "web", "kind": "public", "scopes": ["read", "publish"]})
        client.headers["Authorization"] = f"Bearer {key.json()['key']}"
        added = operator.post("/ledger/v1/signing-keys", json={"name": "2026", "public_key_pem": pem(private_key)})
        assert added.status_code == 201
        yield Secured(operator, client)


@pytest.fixture
def secured(environment: Secured) -> httpx.Client:
    return environment.client


@pytest.fixture
def sign(private_key: RSAPrivateKey) -> Sign:
    def signed(header: dict[str, Any] | None = None, key: RSAPrivateKey = private_key, **claims: Any) -> str:
        now = int(time.time())
        return token_of(key, {"sub": "jhammond", "iat": now, "exp": now + 3600, **claims}, header)

    return signed


def with_token(token: str) -> dict[str, str]:
    return {"X-Knock-User-Token": token}


def test_a_user_token_opens_its_own_users_preferences(environment: Secured, sign: Sign) -> None:
    secured = environment.client
    headers = with_token(sign())
    assert secured.put(SET, json={"workflows": {"w": False}}, headers=headers).status_code == 200
    assert secured.get(SET, headers=headers).json()["workflows"] == {"w": False}
    assert secured.put("/v1/users/jhammond", json={"name": "John"}, headers=headers).json()["name"] == "John"
    assert len(secured.get("/v1/users/jhammond/preferences", headers=headers).json()) == 1
    newest = history(environment.operator, "user:jhammond")[0]
    assert (newest["actor"], newest["method"]) == ("user:jhammond", "knock")
    for other in ("/v1/users/nedry/preferences/default", "/v1/users/nedry", "/v1/users/nedry/preferences"):
        refused = secured.get(other, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "authorization")


def test_without_a_token_nothing_opens(secured: httpx.Client) -> None:
    for call in (secured.get(SET), secured.put(SET, json={}), secured.put("/v1/users/jhammond", json={})):
        assert (call.status_code, call.json()["code"]) == (401, "missing_user_token")


def test_a_token_that_proves_nothing_is_refused(secured: httpx.Client, sign: Sign, private_key: RSAPrivateKey) -> None:
    now = int(time.time())
    claims = {"sub": "jhammond", "exp": now + 3600}
    public_pem = pem(private_key)
    hs256 = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    mac = hmac.digest(public_pem.encode(), hs256.encode(), hashlib.sha256)
    good = sign()
    refused = {
        "no signature": f"{part({'alg': 'none'})}.{part(claims)}.",
        "RS256 header, no signature": good.rpartition(".")[0] + ".",
        "the public key as an HMAC secret": f"{hs256}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}",
        "another key": sign(key=generate_private_key(65537, 2048)),
        "another key that it brings itself": sign(
            {"alg": "RS256", "jwk": {"kty": "RSA"}}, generate_private_key(65537, 2048)
        ),
        "another algorithm's name": sign({"alg": "RS512"}),
        "a critical extension": sign({"alg": "RS256", "crit": ["b64"], "b64": False}),
        "changed claims": ".".join([good.split(".")[0], part({**claims, "sub": "nedry"}), good.split(".")[2]]),
        "expired": sign(exp=now - 60),
        "from the future": sign(nbf=now + 600),
        "an expiry that is no number": sign(exp="tomorrow"),
        "no user": sign(sub=None),
        "a user that is no text": sign(sub=7),
        "no token": "x",
        "too long": sign(x="y" * 9_000),
    }
    for what, token in refused.items():
        answer = secured.get(SET, headers=with_token(token))
        assert (answer.status_code, answer.json().get("code")) == (401, "invalid_user_token"), what
    assert secured.get(SET, headers=with_token(sign(exp=now - 10))).status_code == 200, "the leeway is too small"


@pytest.mark.parametrize("value", [[], [{}]])
def test_explicit_grants_are_all_that_a_token_gives(secured: httpx.Client, sign: Sign, value: list[Any]) -> None:
    reads = with_token(sign(explicit_grants=True, grants={USER_URI: {"preferences/read": value}}))
    assert secured.get(SET, headers=reads).status_code == 200
    assert secured.put(SET, json={}, headers=reads).status_code == 403
    assert secured.put("/v1/users/jhammond", json={"name": "x"}, headers=reads).status_code == 403
    nothing = with_token(sign(explicit_grants=True))
    assert secured.get(SET, headers=nothing).status_code == 403
    other = with_token(sign(explicit_grants=True, grants={USER_URI + "x": {"preferences/read": value}}))
    assert secured.get(SET, headers=other).status_code == 403


@pytest.mark.parametrize("base", ["https://api.knock.app/v1/tenants/", "https://api.knock.app/v1/objects/$tenants/"])
@pytest.mark.parametrize("value", [[], [{}]])
def test_a_token_that_names_tenants_is_good_for_those(
    secured: httpx.Client, sign: Sign, base: str, value: list[Any]
) -> None:
    headers = with_token(sign(grants={f"{base}acme": {"preferences/read": value, "preferences/write": value}}))
    sets = "/v1/users/jhammond/preferences"
    assert secured.put(f"{sets}/acme", json={"workflows": {"w": True}}, headers=headers).status_code == 200
    assert secured.get(f"{sets}/default", params={"tenant": "acme"}, headers=headers).status_code == 200
    for refused in (f"{sets}/default", f"{sets}/other", f"{sets}/acme?tenant=other"):
        assert secured.get(refused, headers=headers).status_code == 403
    assert [one["id"] for one in secured.get(sets, headers=headers).json()] == ["acme"]
    inline = {"preferences": {"other": {"workflows": {"w": False}}}}
    assert secured.put("/v1/users/jhammond", json=inline, headers=headers).status_code == 403


def test_secret_keys_need_no_token(environment: Secured) -> None:
    assert environment.operator.get(SET).status_code == 200


def test_taking_the_last_key_away_does_not_open_the_door(tmp_path: Path, sign: Sign, private_key: RSAPrivateKey) -> None:
    with (
        ServerProcess(tmp_path / "data") as server,
        httpx.Client(base_url=server.url, headers=server.headers, trust_env=False) as operator,
    ):
        key = operator.post("/ledger/v1/keys", json={"name": "web", "kind": "public", "scopes": ["read", "publish"]})
        client = {"Authorization": f"Bearer {key.json()['key']}"}
        assert operator.get(SET, headers=client).status_code == 200
        assert operator.get("/ledger/v1/signing-keys").json() == {"signing_keys": [], "user_tokens_required": False}
        added = operator.post("/ledger/v1/signing-keys", json={"name": "2026", "public_key_pem": pem(private_key)}).json()
        token = {**client, **with_token(sign())}
        assert operator.get(SET, headers=token).status_code == 200
        assert operator.get("/ledger/v1/signing-keys").json()["signing_keys"][0]["id"] == added["id"]
        assert operator.delete(f"/ledger/v1/signing-keys/{added['id']}").status_code == 200
        assert operator.get(SET, headers=token).json()["code"] == "missing_jwt_signing_key"
        assert operator.get(SET, headers=client).json()["code"] == "missing_user_token"
        assert operator.delete(f"/ledger/v1/signing-keys/{added['id']}").status_code == 404
        events = [entry["type"] for entry in history(operator, "environment")]
        assert events[:2] == ["SigningKeyRemoved", "SigningKeyAdded"]


def test_only_an_rsa_public_key_of_decent_size_can_be_added(http: httpx.Client, private_key: RSAPrivateKey) -> None:
    private = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for bad in (private, pem(generate_private_key(65537, 1024)), "nothing", None, "-----BEGIN PUBLIC KEY-----"):
        answer = http.post("/ledger/v1/signing-keys", json={"name": "x", "public_key_pem": bad})
        assert (answer.status_code, answer.json()["type"]) == (422, "/ledger/v1/problems#invalid")
    assert http.get("/ledger/v1/signing-keys").json()["user_tokens_required"] is False


class TestPreferenceCenter:
    def test_rows_follow_from_the_catalogue(self, knock: Knock, http: httpx.Client) -> None:
        http.put("/ledger/v1/catalogue/categories/news", json={"name": "News", "routing_options": ["email"]})
        shown = knock.users.preference_center.get_config("jhammond")
        assert (shown.enabled, shown.user_email) == (True, "jhammond")
        rows = [(row.type, row.name, row.identifier, row.channel_types) for row in shown.config.rows]
        assert ("category", "News", "news", ["email"]) in rows
        assert rows[-1][0] == "commercial_subscribed"
        http.delete("/ledger/v1/catalogue/categories/news")

    def test_the_environment_can_say_it_all(self, http: httpx.Client) -> None:
        center = {
            "enabled": False,
            "title": "Choose",
            "rows": [{"type": "workflow", "name": "W", "identifier": "w"}, {"x": 1}],
        }
        properties = {"preference_center": center, "branding": {"primary_color": "#123456"}, "account_name": "InGen"}
        address = "/ledger/v1/holders/environment"
        http.patch(address, json=properties).raise_for_status()
        shown = http.get("/v1/users/jhammond/preference_center/config").json()
        assert (shown["enabled"], shown["config"]["title"], shown["account_name"]) == (False, "Choose", "InGen")
        assert [row["type"] for row in shown["config"]["rows"]] == ["workflow", "commercial_subscribed"]
        assert shown["branding"]["primary_color"] == "#123456"
        http.patch(address, json=dict.fromkeys(properties)).raise_for_status()

    def test_a_signed_link_names_one_user(self, knock: Knock) -> None:
        made = knock.users.preference_center.generate_signed_url("jhammond")
        assert made.url.endswith(f"/p/{made.token}")
        header, claims, _ = made.token.split(".")
        assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "HS256", "typ": "JWT"}
        assert json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"] == "jhammond"


def test_link_tokens_are_the_ledgers_own() -> None:
    from services.link_tokens import claims_of, sign

    own, other = Secrets("s" * 40, "development").link_key, Secrets("s" * 40, "production").link_key
    token = sign(own, {"sub": "a"})
    assert claims_of(own, token) == {"sub": "a"}
    head, claims, mac = token.split(".")
    changed = part({"sub": "b"})
    for bad in (f"{head}.{changed}.{mac}", f"{head}.{claims}.", f"{part({'alg': 'none'})}.{claims}.", "", "é.é.é", "a.b.c"):
        assert claims_of(own, bad) is None
    assert claims_of(other, token) is None
