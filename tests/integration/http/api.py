"""Our own API as a client sees it, over real HTTP."""

import itertools
import socket
from collections.abc import Mapping
from json import dumps as encode
from typing import Any, Final

import httpx

from services.http.problems import BASE, PROBLEMS
from tests.server_process import ServerProcess

PREFIX: Final = "/ledger/v1"
TIMEOUT_SECONDS: Final = 20.0

Json = Any

_numbers = itertools.count(1)


def fresh(word: str = "user") -> str:
    """An id that no other test uses."""
    return f"{word}-{next(_numbers)}"


class Api:
    """A client with one key, and a few words for what every test does."""

    def __init__(
        self,
        server: ServerProcess,
        key: str | None = None,
        *,
        environment: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` is named in each request; without it, whichever the key opens."""
        self.server = server
        self.headers = {"Authorization": f"Bearer {key or server.admin_key}", **(headers or {})}
        if environment is not None:
            self.headers["Prefledger-Environment"] = environment
        self.environment = environment
        self.client = httpx.Client(
            base_url=server.url + PREFIX,
            headers=self.headers,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=False,  # Nothing is encrypted on the loopback, and reading the trusted authorities takes its time.
        )
        self._others: list[Api] = []

    def close(self) -> None:
        """Close this client and those that were made from it."""
        for other in self._others:
            other.close()
        self.client.close()

    def with_key(self, key: str, headers: Mapping[str, str] | None = None) -> "Api":
        """Another client of the same server and environment."""
        other = Api(self.server, key, environment=self.environment, headers=headers)
        self._others.append(other)
        return other

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Json = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """One request, whatever comes of it. A null body is `content=b"null"`; headers go out in latin-1."""
        if json is not None:
            content = encode(json, ensure_ascii=False).encode()
        lines = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        return self.client.request(method, path, headers=lines, params=params, content=content)

    def ok(self, method: str, path: str, *, status: int = 200, **given: Any) -> Json:
        """The answer of a request that must succeed."""
        response = self.request(method, path, **given)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:2000]}"
        return response.json()

    def get(self, path: str, /, **params: Any) -> Json:
        return self.ok("GET", path, params={name.rstrip("_"): value for name, value in params.items()})

    def put_set(self, holder: str, preferences: Json, set_name: str = "default", **headers: str) -> Json:
        return self.ok("PUT", set_path(holder, set_name), json=preferences, headers=_dashed(headers))

    def patch_set(self, holder: str, patch: Json, set_name: str = "default", **headers: str) -> Json:
        return self.ok("PATCH", set_path(holder, set_name), json=patch, headers=_dashed(headers))

    def stored(self, holder: str, set_name: str = "default", **params: Any) -> Json:
        """A set's preferences as stored."""
        return self.get(set_path(holder, set_name), **params)["preferences"]

    def history(self, holder: str, **params: Any) -> list[Json]:
        """One page of a holder's history."""
        entries: list[Json] = self.get(f"/holders/{holder}/history", **params)["entries"]
        return entries

    def evaluate(self, recipient: Json, workflow: str = "w", **members: Json) -> Json:
        return self.ok("POST", "/evaluate", json={"recipient": recipient, "workflow": workflow, **members})

    def delivered(self, recipient: Json, workflow: str = "w", **members: Json) -> dict[str, bool]:
        """Whether each channel type is delivered to."""
        return {one["channel_type"]: one["deliver"] for one in self.evaluate(recipient, workflow, **members)["decisions"]}

    def reasons(self, recipient: Json, workflow: str = "w", **members: Json) -> dict[str, str]:
        """The reason of each channel type's decision."""
        return {one["channel_type"]: one["reason"] for one in self.evaluate(recipient, workflow, **members)["decisions"]}

    def define(self, collection: str, key: str, **document: Json) -> Json:
        """Define a catalogue entry."""
        return self.ok("PUT", f"/catalogue/{collection}/{key}", json=document)

    def issue_key(self, *scopes: str, kind: str = "secret") -> Json:
        return self.ok("POST", "/keys", status=201, json={"name": fresh("key"), "scopes": list(scopes), "kind": kind})

    def records(self) -> int:
        """How many records the ledger has."""
        environments = self.client.get(self.server.url + "/readyz").json()["environments"]
        records: int = environments[self.environment or next(iter(environments))]["records"]
        return records

    def outside(self, path: str) -> str:
        """The text at an address that lies beside our API."""
        return self.client.get(self.server.url + path).text

    def position(self) -> str:
        """Where the ledger is now."""
        position: str = self.get("/catalogue")["position"]
        return position


def set_path(holder: str, set_name: str = "default") -> str:
    return f"/holders/{holder}/preferences/{set_name}"


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def refused(response: httpx.Response, type_: str) -> Json:
    """The problem document of a refusal of this type, checked against what is documented of it."""
    shown = f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:1000]}"
    assert response.headers.get("content-type") == "application/problem+json", shown
    problem = response.json()
    status, title = PROBLEMS[type_]
    assert problem["type"] == BASE + type_, shown
    assert (response.status_code, problem["status"], problem["title"]) == (status, status, title), shown
    assert problem["detail"], shown
    assert (response.headers.get("retry-after") is not None) == (status == 503 and type_ != "ledger-sealed"), shown
    return problem


def assert_clear_refusal(response: httpx.Response) -> None:
    """Any documented 4xx of our own shape."""
    assert 400 <= response.status_code < 500, f"{response.status_code} {response.text[:1000]}"
    refused(response, response.json()["type"].removeprefix(BASE))


def connect(api: Api) -> socket.socket:
    """A connection to the node, on which everything is bytes."""
    return socket.create_connection(("127.0.0.1", api.server.port), timeout=TIMEOUT_SECONDS)


def exchange(api: Api, request: bytes) -> tuple[int, bytes]:
    """Bytes to the node as they are; the status and everything that came back until it hung up.

    The request should ask for `Connection: close`.
    """
    with connect(api) as connection:
        connection.sendall(request)
        received = read_all(connection)
    return status_of(received), received


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def status_of(received: bytes) -> int:
    return int(received.split(b" ", 2)[1]) if received else 0


def raw(api: Api, method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole request with the client's key, its target exactly as given."""
    return head(api, method, target, f"Content-Length: {len(body)}", "Connection: close", *headers) + body


def head(api: Api, method: str, target: str, *headers: str) -> bytes:
    """The head of a request with the client's key."""
    own = [f"{name}: {value}" for name, value in api.headers.items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: ledger", *own, *headers, "", ""]).encode("latin-1")
