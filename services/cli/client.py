"""Asking a node over HTTP, and saying in one sentence why that did not work."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import click
import httpx

from services.settings import Settings, is_loopback

API = "/ledger/v1"
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 60.0
"""Above what a node itself takes for an append and the wait for its projection."""

NO_KEY = (
    "there is no key to send: set PREFLEDGER_KEY (or PREFLEDGER_KEY_FILE). A new embedded ledger prints its first admin "
    "key once, when `prefledger serve` starts; `prefledger keys issue` makes others; the operator's own is the "
    "PREFLEDGER_ADMIN_KEY of the node"
)


class Refused(click.ClickException):
    """The node said no. `problem` is its problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"the node answered {status}"))
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer: as the node wrote it, and what it says."""

    text: str
    value: Any


class Client:
    """One node's API, with a deadline on every wait. Raises click.ClickException for whatever goes wrong."""

    def __init__(self, settings: Settings, environment: str | None = None) -> None:
        self._url = settings.url.rstrip("/")
        host = _host_of(self._url)
        headers = {"Authorization": f"Bearer {_checked_key(settings.key)}"}
        if environment is not None:
            headers["Prefledger-Environment"] = _checked_header(environment, "--environment")
        self._http = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
            # A proxy named in the environment can't reach a node on this machine.
            trust_env=not is_loopback(host),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str | None] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request; parameters that are None are left out. Raises Refused, click.ClickException."""
        content_type = {"Content-Type": "application/json"} if body is not None else {}
        with self._told():
            response = self._http.request(
                method,
                f"{self._url}{API}{path}",
                params=_given(parameters),
                content=body,
                headers={**content_type, **(headers or {})},
            )
        return self._read(response)

    def stream(self, path: str, *, parameters: Mapping[str, str | None] | None = None) -> Iterator[bytes]:
        """The body of a long answer as it comes, to its very end. Raises Refused, click.ClickException."""
        with self._told(), self._http.stream("GET", f"{self._url}{API}{path}", params=_given(parameters)) as response:
            if not response.is_success:
                response.read()
                self._read(response)
            yield from response.iter_bytes()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What went wrong inside, in one sentence."""
        try:
            yield
        except UnicodeError:
            raise click.ClickException("what was given is not UTF-8: use a terminal with a UTF-8 locale") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise click.ClickException(
                f"nothing answers at {self._url} ({str(error) or 'no answer in time'}): start the ledger with "
                "`prefledger serve`, or name another address with --url or PREFLEDGER_URL"
            ) from None
        except httpx.TimeoutException:
            raise click.ClickException(
                f"{self._url} did not answer within {ANSWER_SECONDS_MAX:.0f} seconds: the request may have been carried "
                "out all the same; look with `prefledger history` before you repeat it"
            ) from None
        except httpx.HTTPError as error:
            raise click.ClickException(
                f"the connection to {self._url} broke ({error}): the request may have been carried out all the same; "
                "look with `prefledger history` before you repeat it"
            ) from None

    def _read(self, response: httpx.Response) -> Answer:
        try:
            value = json.loads(response.content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise click.ClickException(
                f"{self._url} answered {response.status_code} {response.reason_phrase}, but not as a preference ledger "
                "does: check the address (--url or PREFLEDGER_URL)"
            )
        if response.is_success:
            return Answer(response.text, value)
        raise Refused(response.status_code, value)


def _given(parameters: Mapping[str, str | None] | None) -> dict[str, str] | None:
    return {name: value for name, value in (parameters or {}).items() if value is not None} or None


def _host_of(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise click.ClickException(f"{url!r} is not an address ({error}); write one like http://127.0.0.1:8080") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise click.ClickException(f"{url!r} is not an address; write one like http://127.0.0.1:8080")
    return parsed.host


def _checked_key(key: str | None) -> str:
    if key is None:
        raise click.ClickException(NO_KEY)
    return _checked_header(key, "the key in PREFLEDGER_KEY")


def _checked_header(value: str, what: str) -> str:
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise click.ClickException(f"{what} has a character that no header can carry: copy it again, whole")
    return value
