"""Limits in size and time, on a node whose waits are short: bodies, headers, positions that never come."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.http.api import (
    PREFIX,
    TIMEOUT_SECONDS,
    Api,
    Json,
    connect,
    exchange,
    head,
    raw,
    read_all,
    refused,
    set_path,
    status_of,
)
from tests.integration.http.test_history_and_time import moved, offset_of
from tests.server_process import ServerProcess

BODY_BYTES_MAX = 100_000
SENT_BYTES_MAX = 4 * 1024 * 1024
SEND_BUFFER_BYTES = 64 * 1024
"""So that what is sent was taken by the node, but for a few hundred KiB: else the kernel would keep some megabytes."""

Address = tuple[str, str]
WRITE, ASK = ("PUT", PREFIX + set_path("user:limits")), ("POST", f"{PREFIX}/evaluate")
BODY: dict[Address, bytes] = {WRITE: b'{"enabled": false}', ASK: b'{"recipient": "user:a", "workflow": "w"}'}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {
        "PREFLEDGER_BODY_BYTES_MAX": str(BODY_BYTES_MAX),
        "PREFLEDGER_BODY_TIMEOUT_SECONDS": "0.5",
        "PREFLEDGER_WAIT_SECONDS": "0.2",
    }
    with ServerProcess(tmp_path_factory.mktemp("node") / "data", environment=settings) as process:
        yield process


@pytest.fixture(scope="module")
def environment() -> str | None:
    return None


def padded(body: bytes, size: int) -> bytes:
    """The same JSON document in this many bytes."""
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("address", [WRITE, ASK])
def test_a_body_of_exactly_the_limit_is_taken(api: Api, address: Address) -> None:
    status, received = exchange(api, raw(api, *address, padded(BODY[address], BODY_BYTES_MAX)))
    assert status == 200, received


@pytest.mark.parametrize("address", [WRITE, ASK])
def test_a_body_over_the_limit_is_refused(api: Api, address: Address) -> None:
    before = api.records()
    method, path = address
    body = padded(BODY[address], BODY_BYTES_MAX + 1)
    problem = refused(api.request(method, path.removeprefix(PREFIX), content=body), "too-large")
    assert str(BODY_BYTES_MAX) in problem["detail"]
    assert api.records() == before


@pytest.mark.parametrize("address", [WRITE, ASK])
@pytest.mark.parametrize("declared", [BODY_BYTES_MAX + 1, 2**63, 10**17])
def test_a_length_over_the_limit_is_refused_before_the_body_comes(api: Api, address: Address, declared: int) -> None:
    before = api.records()
    status, received = exchange(api, head(api, *address, f"Content-Length: {declared}", "Connection: close"))
    assert status == 413, received
    assert b"problems#too-large" in received
    assert api.records() == before


@pytest.mark.parametrize("address", [WRITE, ASK])
def test_a_chunked_body_is_measured_as_it_comes(api: Api, address: Address) -> None:
    before = api.records()
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    with connect(api) as connection:
        connection.sendall(head(api, *address, "Transfer-Encoding: chunked", "Connection: close"))
        for _ in range(BODY_BYTES_MAX // 0x1000 + 1):
            connection.sendall(chunk)
        received = connection.recv(65536)
    assert status_of(received) == 413, received
    assert api.records() == before


@pytest.mark.parametrize("address", [WRITE, ASK])
def test_a_small_chunked_body_is_taken(api: Api, address: Address) -> None:
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in BODY[address])
    begin = head(api, *address, "Transfer-Encoding: chunked", "Connection: close")
    status, received = exchange(api, begin + chunks + b"0\r\n\r\n")
    assert status == 200, received


def all_that_comes(api: Api, requests: list[bytes]) -> list[bytes]:
    """What comes back to each of these requests, sent at the same time, until the node hangs up."""

    def send(request: bytes) -> bytes:
        with connect(api) as connection:
            connection.sendall(request)
            return read_all(connection)

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def test_a_body_that_does_not_come_is_given_up_on(api: Api) -> None:
    before = api.records()
    cut_short = [
        head(api, *address, f"Content-Length: {len(body)}") + body[:sent]
        for address, body in BODY.items()
        for sent in (0, 5)
    ]
    chunked = [head(api, *address, "Transfer-Encoding: chunked") + b"2\r\n{" for address in BODY]
    for received in all_that_comes(api, cut_short + chunked):
        assert status_of(received) == 408, received
        assert b"problems#timeout" in received
        assert b"connection: close" in received.lower()
    assert api.records() == before


def test_headers_that_do_not_come_are_given_up_on(api: Api) -> None:
    for received in all_that_comes(api, [b"", b"GET", b"GET /livez HTTP/1.1\r\nHost: led"]):
        assert status_of(received) == 408, received
        assert b"application/problem+json" in received


def test_the_headers_of_a_second_request_are_given_up_on_too(api: Api) -> None:
    (received,) = all_that_comes(api, [b"GET /livez HTTP/1.1\r\nHost: ledger\r\n\r\nGET /livez HTTP/1.1\r\nHost:"])
    assert received.startswith(b"HTTP/1.1 200"), received
    assert b"HTTP/1.1 408" in received


@pytest.mark.parametrize("part", ["one header", "many headers", "the address", "what trails a body"])
def test_headers_that_never_end_are_refused_before_they_fill_the_memory(api: Api, part: str) -> None:
    begin = {
        "one header": b"GET /livez HTTP/1.1\r\nHost: ledger\r\nX-Long: ",
        "many headers": b"GET /livez HTTP/1.1\r\nHost: ledger\r\n",
        "the address": b"GET /livez?",
        "what trails a body": b"PUT /ledger/v1/holders/user:a HTTP/1.1\r\nHost: ledger\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\n0\r\nX-Long: ",
    }[part]
    line = b"X-Header: abcdefghijklmnopqrstuvwxyz\r\n" if part == "many headers" else b"a" * 40
    sent, hung_up = 0, False
    with connect(api) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        try:
            connection.sendall(begin)
            while sent < SENT_BYTES_MAX:
                connection.sendall(line * 400)
                sent += len(line) * 400
        except (ConnectionResetError, BrokenPipeError):
            hung_up = True
        received = b"" if hung_up else read_all(connection)
    assert hung_up or status_of(received) in (401, 431), "the node took headers without end"


def test_headers_of_a_usual_size_are_taken(api: Api) -> None:
    large = [f"X-Header-{at}: {'x' * 1_000}" for at in range(50)]
    status, received = exchange(api, raw(api, "GET", f"{PREFIX}/catalogue", b"", *large))
    assert status == 200, received[:300]


def test_many_who_are_slow_do_not_keep_others_from_being_served(api: Api) -> None:
    slow = [connect(api) for _ in range(200)]
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
    later, farthest = moved(here, offset=offset_of(here) + 10), moved(here, offset=2**64 - 1)
    question = {"recipient": "user:a", "workflow": "w"}
    requests: list[tuple[str, str, Json]] = [
        ("POST", "/evaluate", {**question, "min_position": later}),
        ("POST", "/evaluate", {**question, "as_of": later}),
        ("POST", "/evaluate", {**question, "as_of": farthest, "explain": True}),
        ("POST", "/evaluate/batch", {"recipients": ["user:a"], "workflow": "w", "min_position": later}),
    ]
    addresses = [set_path("user:a"), "/holders/user:a", "/holders/user:a/preferences", "/catalogue", "/catalogue/policy"]
    for name in ("as_of", "min_position"):
        requests += [("GET", f"{address}?{name}={later}", None) for address in addresses]
        requests.append(("GET", f"/catalogue?{name}={farthest}", None))
    with ThreadPoolExecutor(len(requests)) as pool:
        responses = list(pool.map(lambda one: api.request(one[0], one[1], json=one[2]), requests))
    for response in responses:
        problem = refused(response, "position-not-reached")
        assert "try again" in problem["detail"]
        assert problem["current_position"] == here


def test_a_position_that_comes_while_it_is_waited_for_is_answered(api: Api) -> None:
    # A writer and a reader at once: the reader names what the writer has not been told of yet.
    here = api.position()
    answers: list[int] = []

    def ask() -> None:
        # The offset is the next one's; of what will stand there no more than that can be known.
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
