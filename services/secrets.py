"""What a node derives from its one secret: pseudonyms, the seal of API secrets, and the check that it is the right one."""

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.holder import Holder

STREAM_KEY_LENGTH = 16
NONCE_LENGTH = 12


class SecretMismatch(Exception):
    """The node's secret is not the ledger's. The text says what to do."""


class SecretLost(Exception):
    """There is a ledger, but not its secret. The text says what to do."""


class Secrets:
    """Keys derived by HKDF (RFC 5869), one for each purpose and environment, so that none tells of another."""

    def __init__(self, secret: str, environment: str) -> None:
        self._secret = secret.encode()
        self._environment = environment
        self._pseudonym = HMAC(self._derive("pseudonym"), SHA256())
        self._seal = AESGCM(self._derive("seal"))
        self.content_key = self._derive("content")
        """What fingerprints of events are made with: without it, nobody can try out what an event may have said."""
        self.link_key = self._derive("links")
        """What tokens in links that this service gives out are signed with."""
        self.check = self._derive("check")[:16]
        """What the ledger's first event keeps of the secret: enough to tell another one, nothing to find it by."""

    def _derive(self, purpose: str) -> bytes:
        info = f"prefledger/1/{self._environment}/{purpose}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._secret)

    def stream_key(self, holder: Holder) -> bytes:
        """The holder's pseudonym: a record's key, and the stream's name in the views."""
        return self.stream_key_of(str(holder))

    def stream_key_of(self, name: str) -> bytes:
        """The pseudonym of the holder with this text form."""
        return self.stream_keys_of((name.encode(),))[0]

    def stream_keys_of(self, names: Iterable[bytes]) -> list[bytes]:
        """The pseudonyms of many."""
        # Copies of one that has taken its key in: less than half of what a fresh one costs, and it runs for each recipient.
        copy_prepared = self._pseudonym.copy
        keys: list[bytes] = []
        for name in names:
            pseudonym = copy_prepared()
            pseudonym.update(name)
            keys.append(pseudonym.finalize()[:STREAM_KEY_LENGTH])
        return keys

    def seal(self, key_id: str, secret: str) -> bytes:
        """An API secret as the log may keep it, bound to its key's id."""
        nonce = os.urandom(NONCE_LENGTH)
        return nonce + self._seal.encrypt(nonce, secret.encode(), key_id.encode())

    def unseal(self, key_id: str, sealed: bytes) -> str:
        """The API secret. Raises SecretMismatch."""
        try:
            nonce, ciphertext = sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:]
            return self._seal.decrypt(nonce, ciphertext, key_id.encode()).decode()
        except InvalidTag:
            raise SecretMismatch(f"the secret of key {key_id} was sealed with another PREFLEDGER_SECRET") from None

    def verify(self, check: bytes) -> None:
        """Raises SecretMismatch unless a ledger with this check was opened with this secret."""
        if not hmac.compare_digest(check, self.check):
            raise SecretMismatch(
                f"the ledger of environment {self._environment!r} was opened with another secret: "
                "give this node the PREFLEDGER_SECRET (embedded: the DATA/secret file) that the ledger was made with"
            )


def embedded_secret(data: Path) -> str:
    """The secret of an embedded ledger: `DATA/secret`, made at first use, readable by its owner only. Raises SecretLost.

    It is made only where there is no ledger yet: another secret could serve none that is there.
    """
    path = data / "secret"
    try:
        secret = path.read_text().strip()
    except FileNotFoundError:
        made = next((found for name in ("log.sqlite", "views*") for found in sorted(data.glob(f"*/{name}"))), None)
        if made is not None:
            raise SecretLost(
                f"there is a ledger ({made}) but not its secret: restore the file {path} that belongs to this log, "
                "or set PREFLEDGER_SECRET if the log was made with that"
            ) from None
        return _make_secret(path)
    if not secret:
        raise SecretLost(f"the file {path} is empty: restore the one of this log, or delete it if there is no log")
    return secret


def _make_secret(path: Path) -> str:
    secret = secrets.token_urlsafe(48)
    # Under another name until it is whole on disk: a crash must not leave a ledger with half a secret.
    unfinished = path.with_name("secret.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return secret
