"""Limits in size and time, on a node whose waits are short: bodies, headers, positions that never come."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.integration.http.api import (
    TIMEOUT_SECONDS,
    Api,
    Json,
    exchange,
    raw,
    read_all,
    refused,
    set_path,
    status_of,
)
from tests.integration.http.test_history_and_time import moved, offset_of
from tests.server_process import ServerProcess

BODY_BYTES_MAX = 100_000
HEAD_BYTES_MAX = 64 * 1024
WRITE, ASK = ("PUT", "/ledger/v1" + set_path("user:limits")), ("POST", "/ledger/v1/evaluate")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    environment = {
        "PREFLEDGER_BODY_BYTES_MAX": str(BODY_BYTES_MAX),
        "PREFLEDGER_BODY_TIMEOUT_SECONDS": "0.5",
        "PREFLEDGER_WAIT_SECONDS": "0.2",
    }
    with ServerProcess(tmp_path_factory.mktemp("node") / "data", environment=environment) as process:
        yield process


def padded(body: bytes, size: int) -> bytes:
    """The same JSON document in this many bytes."""
    return body + b" " * (size - len(body))


BODY = {WRITE: b'{"enabled": false}', ASK: b'{"recipient": "user:a", "workflow": "w"}'}


@pytest.mark.parametrize("address", [WRITE, ASK])
def test_a_body_of_exactly_the_limit_is_taken(server: ServerProcess, address: tuple[str, str]) -> None:
    status, received = exchange(server, raw(*address, server, padded(BODY[address], BODY_BYTES_MAX)))
    assert status == 200, received


@pytest.mark.parametrize("address", [WRITE, ASK])
def test_a_body_over_the_limit_is_refused(api: Api, server: ServerProcess, address: tuple[str, str]) -> None:
    before = api.records()
    method, path = address
    body = padded(BODY[address], BODY_BYTES_MAX + 1)
    problem = refused(api.request(method, path.removeprefix("/ledger/v1"), content=body), "too-large")
    assert str(BODY_BYTES_MAX) in problem["detail"]
    assert api.records() == before


@pytest.mark.parametrize("address", [WRITE, ASK])
@pytest.mark.parametrize("declared", [str(BODY_BYTES_MAX + 1), str(2**63), "1" * 18])
def test_a_length_over_the_limit_is_refused_before_the_body_comes(
    api: Api, server: ServerProcess, address: tuple[str, str], declared: str
) -> None:
    before = api.records()
    method, path = address
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: ledger\r\nAuthorization: Bearer {server.admin_key}\r\n"
        f"Content-Length: {declared}\r\nConnection: close\r\n\r\n"
    )
    status, received = exchange(server, head.encode())
    assert status == 413, received
    assert b"problems#too-large" in received
    assert api.records() == before


@pytest.mark.parametrize("address", [WRITE, ASK])
def test_a_chunked_body_is_measured_as_it_comes(api: Api, server: ServerProcess, address: tuple[str, str]) -> None:
    before = api.records()
    method, path = address
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: ledger\r\nAuthorization: Bearer {server.admin_key}\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(head.encode())
        for _ in range(BODY_BYTES_MAX // 0x1000 + 1):
            connection.sendall(chunk)
        received = connection.recv(65536)
    assert status_of(received) == 413, received
    assert api.records() == before


@pytest.mark.parametrize("address", [WRITE, ASK])
def test_a_small_chunked_body_is_taken(server: ServerProcess, address: tuple[str, str]) -> None:
    method, path = address
    body = BODY[address]
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: ledger\r\nAuthorization: Bearer {server.admin_key}\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    chunks = b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body)))
    status, received = exchange(server, head.encode() + chunks + b"0\r\n\r\n")
    assert status == 200, received


@pytest.mark.parametrize("address", [WRITE, ASK])
@pytest.mark.parametrize("sent", [0, 5])
def test_a_body_that_does_not_come_is_given_up_on(
    api: Api, server: ServerProcess, address: tuple[str, str], sent: int
) -> None:
    before = api.records()
    method, path = address
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: ledger\r\nAuthorization: Bearer {server.admin_key}\r\n"
        f"Content-Length: {len(BODY[address])}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(head.encode() + BODY[address][:sent])
        received = read_all(connection)  # It ends: the node hangs up on who is too slow.
    assert status_of(received) == 408, received
    assert b"problems#timeout" in received
    assert b"connection: close" in received.lower()
    assert api.records() == before


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET /livez HTTP/1.1\r\nHost: led"])
def test_headers_that_do_not_come_are_given_up_on(server: ServerProcess, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(sent)
        received = read_all(connection)
    assert status_of(received) == 408, received
    assert b"application/problem+json" in received


def test_a_second_request_has_as_long_as_the_first(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: ledger\r\n\r\nGET /livez HTTP/1.1\r\nHost:")
        received = read_all(connection)
    assert received.startswith(b"HTTP/1.1 200"), received
    assert b"HTTP/1.1 408" in received


@pytest.mark.parametrize("part", ["one header", "many headers", "the address", "what trails a body"])
def test_headers_that_never_end_are_refused_before_they_fill_the_memory(server: ServerProcess, part: str) -> None:
    begin = {
        "one header": b"GET /livez HTTP/1.1\r\nHost: ledger\r\nX-Long: ",
        "many headers": b"GET /livez HTTP/1.1\r\nHost: ledger\r\n",
        "the address": b"GET /livez?",
        "what trails a body": b"PUT /ledger/v1/holders/user:a HTTP/1.1\r\nHost: ledger\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\n0\r\nX-Long: ",
    }[part]
    line = b"X-Header: abcdefghijklmnopqrstuvwxyz\r\n" if part == "many headers" else b"a" * 40
    sent = 0
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_SECONDS) as connection:
        try:
            connection.sendall(begin)
            while sent < 64 * HEAD_BYTES_MAX:
                connection.sendall(line * 400)
                sent += len(line) * 400
            received = read_all(connection)
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert sent < 64 * HEAD_BYTES_MAX or status_of(received) in (401, 431), "the node took headers without end"


def test_headers_of_a_usual_size_are_taken(server: ServerProcess) -> None:
    status, received = exchange(
        server, raw("GET", "/ledger/v1/catalogue", server, b"", *[f"X-Header-{at}: {'x' * 1_000}" for at in range(50)])
    )
    assert status == 200, received[:300]


def test_many_who_are_slow_do_not_keep_others_from_being_served(api: Api, server: ServerProcess) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_SECONDS) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"PUT /ledger/v1/holders/user:slow HTTP/1.1\r\nContent-Length: 10\r\n")
        assert api.put_set("user:quick", {"enabled": False})["outcome"] == "applied"
        assert api.delivered("user:quick", channels=["email"]) == {"email": False}
    finally:
        for connection in slow:
            connection.close()


# Positions that this node has not come to.


def test_a_position_to_come_is_waited_for_and_then_refused(api: Api) -> None:
    here = api.position()
    later = moved(here, offset=offset_of(here) + 10)
    question = {"recipient": "user:a", "workflow": "w"}
    requests: list[tuple[str, str, Json]] = [
        ("POST", "/evaluate", {**question, "min_position": later}),
        ("POST", "/evaluate", {**question, "as_of": later}),
        ("POST", "/evaluate", {**question, "as_of": later, "explain": True}),
        ("POST", "/evaluate/batch", {"recipients": ["user:a"], "workflow": "w", "min_position": later}),
    ]
    addresses = [set_path("user:a"), "/holders/user:a", "/holders/user:a/preferences", "/catalogue", "/catalogue/policy"]
    requests += [("GET", f"{address}?{name}={later}", None) for address in addresses for name in ("as_of", "min_position")]
    for method, path, body in requests:
        problem = refused(api.request(method, path, json=body), "position-not-reached")
        assert "try again" in problem["detail"]
        assert problem["current_position"] == here
    farthest = moved(here, offset=2**64 - 1)
    refused(api.request("GET", f"/catalogue?min_position={farthest}"), "position-not-reached")
    refused(api.request("GET", f"/catalogue?as_of={farthest}"), "position-not-reached")


def test_a_position_that_comes_while_it_is_waited_for_is_answered(api: Api) -> None:
    # A writer and a reader at once, again and again: the reader names what the writer has not been told of yet.
    here = api.position()
    answers: list[int] = []

    def ask() -> None:
        later = moved(here, offset=offset_of(here) + 1)
        for _ in range(50):
            response = api.request("GET", f"/catalogue?min_position={later}")
            answers.append(response.status_code)
            if response.status_code == 200:
                return

    reader = threading.Thread(target=ask)
    reader.start()
    api.put_set("user:writer", {"enabled": False})
    reader.join(TIMEOUT_SECONDS)
    assert answers[-1] == 200
    assert set(answers) <= {200, 503}
