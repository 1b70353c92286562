"""What is derived from a node's secret: the same on every node, different for every environment and purpose."""

import hmac
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from domain.holder import Holder, object_in, tenant, user
from services.secrets import SecretMismatch, Secrets, embedded_secret

SECRET = "a secret of the tests, long enough to be one"


@given(id_=st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=200))
def test_a_pseudonym_is_an_hmac_of_the_holders_name(id_: str) -> None:
    """By the standard library's words: a stream's key must come out the same for decades."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"prefledger/1/production/pseudonym").derive(SECRET.encode())
    expected = hmac.digest(key, f"user:{id_}".encode(), "sha256")[:16]
    assert Secrets(SECRET, "production").stream_key(user(id_)) == expected


def test_pseudonyms_tell_nothing_across_environments_and_secrets() -> None:
    holders: list[Holder] = [user("a"), tenant("a"), object_in("user", "a"), user("b")]
    nodes = [Secrets(SECRET, "production"), Secrets(SECRET, "staging"), Secrets(SECRET + "!", "production")]
    keys = {node.stream_key(holder) for node in nodes for holder in holders}
    assert len(keys) == len(nodes) * len(holders)
    assert Secrets(SECRET, "production").stream_key(user("a")) in keys


def test_every_purpose_has_a_key_of_its_own() -> None:
    secrets = Secrets(SECRET, "production")
    assert len({secrets.check, secrets.content_key[:16], secrets.link_key[:16]}) == 3


def test_a_sealed_secret_opens_only_where_it_was_sealed() -> None:
    secrets = Secrets(SECRET, "production")
    sealed = secrets.seal("key-1", "the token")
    assert secrets.unseal("key-1", sealed) == "the token"
    assert b"the token" not in sealed
    assert sealed != secrets.seal("key-1", "the token"), "two seals of one secret show that it is the same"
    for other, key_id in [
        (secrets, "key-2"),
        (Secrets(SECRET, "staging"), "key-1"),
        (Secrets(SECRET + "!", "production"), "key-1"),
    ]:
        with pytest.raises(SecretMismatch, match=key_id):
            other.unseal(key_id, sealed)
    with pytest.raises(SecretMismatch):
        secrets.unseal("key-1", sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_a_ledger_is_not_served_with_another_secret() -> None:
    secrets = Secrets(SECRET, "production")
    secrets.verify(secrets.check)
    with pytest.raises(SecretMismatch, match="PREFLEDGER_SECRET"):
        secrets.verify(Secrets(SECRET + "!", "production").check)


def test_an_embedded_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = embedded_secret(tmp_path)
    assert embedded_secret(tmp_path) == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
