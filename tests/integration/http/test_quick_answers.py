"""The quick way of an evaluation says what the usual way says: whatever the wording, the packets, the recipient, the key."""

import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.http.api import PREFIX, Api, Json, connect, fresh, head, refused, set_path

EVALUATE = f"{PREFIX}/evaluate"
CHANNELS = ["email", "sms", "push"]
VOLATILE = ("decision_id", "evaluated_at", "stale_seconds")
"""What two answers to one question differ in."""


@pytest.fixture(scope="module")
def users(api: Api) -> list[str]:
    """Three who want different things, and one of whom nothing is known."""
    names = [f"user:{fresh('quick')}" for _ in range(4)]
    for name, refuses in zip(names, CHANNELS, strict=False):
        api.put_set(name, {"channel_types": {refuses: False}})
    return names


def question(recipient: str, **members: Json) -> bytes:
    return json.dumps({"recipient": recipient, "workflow": "w", "channels": CHANNELS, **members}).encode()


_wordings = itertools.count(1)


def unlike_any(body: bytes) -> bytes:
    """The same question in a wording that was never used: so it is parsed."""
    return body + b" " * next(_wordings)


def ask(api: Api, body: bytes) -> tuple[int, Json]:
    response = api.request("POST", "/evaluate", content=body)
    return response.status_code, steady(response.json())


def steady(answer: Json) -> Json:
    return {name: value for name, value in answer.items() if name not in VOLATILE}


def learnt(api: Api) -> None:
    """After this the wording of `question` is known."""
    for _ in range(2):
        api.ok("POST", "/evaluate", content=question("user:somebody"))


@contextmanager
def kept(api: Api) -> Iterator[socket.socket]:
    with connect(api) as connection:
        yield connection


def answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, str], Json]]:
    """So many whole answers from a connection that is kept: status, headers and body."""
    received = b""
    found: list[tuple[int, dict[str, str], Json]] = []
    while len(found) < count:
        before, end, rest = received.partition(b"\r\n\r\n")
        lines = before.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if end and len(rest) >= length:
            body = rest[:length]
            found.append((int(lines[0].split(" ")[1]), headers, json.loads(body) if body else None))
            received = rest[length:]
            continue
        chunk = connection.recv(65536)
        assert chunk, f"the node hung up after {len(found)} of {count} answers: {received!r}"
        received += chunk
    return found


def request(api: Api, recipient: str, *headers: str) -> bytes:
    body = question(recipient)
    return head(api, "POST", EVALUATE, f"Content-Length: {len(body)}", *headers) + body


def test_a_known_wording_is_answered_as_it_is_when_it_is_parsed(api: Api, users: list[str]) -> None:
    learnt(api)
    for user in users:
        assert ask(api, question(user)) == ask(api, unlike_any(question(user))), f"{user} would get another answer"
    assert api.delivered(users[0], channels=CHANNELS) == {"email": False, "sms": True, "push": True}


@pytest.mark.parametrize(
    "recipient",
    [
        "user:", "user: ", "user:a b", "user:a:b", "user:%41", "user:" + "x" * 256, "user:" + "x" * 257, "user:\u00fc", "a",
        "user:a\\b", 'user:a"b', "user:a\n", "user:\x7f", "tenant:a", "object:c:i", "environment", "USER:a",
        "user:\U0001f996",
    ],
)  # fmt: skip
def test_no_recipient_gets_in_by_the_quick_way_that_would_not_by_the_usual_one(api: Api, recipient: str) -> None:
    learnt(api)
    for body in (question(recipient), json.dumps(json.loads(question(recipient)), ensure_ascii=False).encode()):
        status, answer = ask(api, body)
        assert (status, answer) == ask(api, unlike_any(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"recipient": "user:a", "workflow": "w", "recipient": "user:b"}',
        b'{"recipient": "user:a", "workflow": "w"} x',
        b'{"recipient": "user:a", "workflow": "w", "workflow": "v"}',
        b'{"recipient": "user:a", "workflow": "w", "unknown": 1}',
        b'{"recipient": "user:a", "workflow": "w", "channels": []}',
        b'{"recipient": "user:a"}',
        b'{"recipient": "user:a", "workflow": "w"',
        b'\xff{"recipient": "user:a", "workflow": "w"}',
    ],
)
def test_what_is_refused_once_is_refused_again(api: Api, body: bytes) -> None:
    for _ in range(3):
        response = api.request("POST", "/evaluate", content=body)
        assert response.status_code in (400, 422), response.text


def test_a_recipient_inside_the_data_is_not_the_recipient(api: Api, users: list[str]) -> None:
    """Else a message's own content could choose whose preferences count."""
    for user in users:
        for body in (
            {"data": {"recipient": users[0]}, "recipient": user, "workflow": "w", "channels": CHANNELS},
            {"recipient": user, "data": {"recipient": users[0]}, "workflow": "w", "channels": CHANNELS},
        ):
            for _ in range(2):
                answer = api.ok("POST", "/evaluate", json=body)
                assert answer["recipient"] == user
                assert answer["decisions"] == api.evaluate(user, channels=CHANNELS, explain=False)["decisions"]


def test_a_choice_counts_at_once(api: Api) -> None:
    learnt(api)
    user = f"user:{fresh('quick')}"
    for enabled in (False, True, False):
        api.put_set(user, {"channel_types": {"sms": enabled}})
        assert api.delivered(user, channels=CHANNELS)["sms"] is enabled


def test_who_must_get_nothing_gets_nothing(api: Api) -> None:
    learnt(api)
    user = f"user:{fresh('quick')}"
    api.put_set(user, {"channel_types": {"sms": True}})
    api.ok("DELETE", f"/holders/{user}", params={"suppress": "all"})
    for _ in range(2):
        assert set(api.reasons(user, channels=CHANNELS).values()) == {"suppressed"}
    api.put_set(user, {"channel_types": {"sms": True}})
    assert set(api.reasons(user, channels=CHANNELS).values()) == {"suppressed"}


def test_the_catalogue_counts_at_once(api: Api) -> None:
    workflow, user = fresh("workflow"), f"user:{fresh('quick')}"
    for _ in range(3):
        assert api.evaluate(user, workflow, channels=CHANNELS)["workflow_known"] is False
    api.define("workflows", workflow, channels=["email"])
    for _ in range(3):
        assert api.evaluate(user, workflow, channels=CHANNELS)["workflow_known"] is True


def test_a_revoked_key_is_not_remembered(api: Api) -> None:
    learnt(api)
    issued = api.issue_key("evaluate")
    other = api.with_key(issued["key"])
    for _ in range(3):
        other.ok("POST", "/evaluate", content=question("user:somebody"))
    api.ok("DELETE", f"/keys/{issued['id']}")
    refused(other.request("POST", "/evaluate", content=question("user:somebody")), "unauthorized")


def test_who_may_not_ask_is_told_so_every_time(api: Api) -> None:
    learnt(api)
    reader, stranger = api.with_key(api.issue_key("read")["key"]), api.with_key("sk_000000000000_nobody")
    evaluator = api.issue_key("evaluate")["key"]
    elsewhere = Api(api.server, evaluator, environment="another")
    for _ in range(3):
        refused(reader.request("POST", "/evaluate", content=question("user:somebody")), "forbidden")
        refused(stranger.request("POST", "/evaluate", content=question("user:somebody")), "unauthorized")
        refused(elsewhere.request("POST", "/evaluate", content=question("user:somebody")), "forbidden")
    elsewhere.close()


def test_an_answer_has_the_id_that_its_request_came_with(api: Api, users: list[str]) -> None:
    learnt(api)
    with kept(api) as connection:
        connection.sendall(request(api, users[0], "X-Request-Id: order-7"))
        ((status, headers, _),) = answers(connection, 1)
        assert (status, headers["x-request-id"]) == (200, "order-7")
        connection.sendall(request(api, users[0], "X-Request-Id: not a decent id"))
        ((_, headers, _),) = answers(connection, 1)
        assert headers["x-request-id"] != "not a decent id"
        assert headers["content-type"] == "application/json"
        assert "date" in headers


@pytest.mark.parametrize("cut", [1, 20, -1, -30, None])
def test_a_question_in_two_packets_is_answered(api: Api, users: list[str], cut: int | None) -> None:
    learnt(api)
    whole = request(api, users[1])
    at = whole.index(b"\r\n\r\n") + 4 if cut is None else cut
    with kept(api) as connection:
        for _ in range(2):
            connection.sendall(whole[:at])
            time.sleep(0.05)
            connection.sendall(whole[at:])
            ((status, _, answer),) = answers(connection, 1)
            assert (status, steady(answer)) == ask(api, question(users[1]))


def test_questions_in_one_packet_are_answered_in_their_order(api: Api, users: list[str]) -> None:
    learnt(api)
    other = head(api, "GET", f"{PREFIX}/catalogue")
    with kept(api) as connection:
        parts = [request(api, users[0]), request(api, users[1]), other, request(api, users[2]), request(api, users[3])]
        connection.sendall(b"".join(parts))
        found = answers(connection, len(parts))
    assert [status for status, _, _ in found] == [200] * len(parts)
    assert [answer.get("recipient") for _, _, answer in found] == [users[0], users[1], None, users[2], users[3]]


def test_a_client_that_hangs_up_after_its_question_is_answered_first(api: Api, users: list[str]) -> None:
    learnt(api)
    with kept(api) as connection:
        connection.sendall(request(api, users[0], "Connection: close"))
        ((status, headers, answer),) = answers(connection, 1)
        assert (status, steady(answer)) == ask(api, question(users[0]))
        assert headers["connection"] == "close"
        assert connection.recv(1) == b""


def test_a_client_that_waits_for_leave_to_send_gets_it(api: Api, users: list[str]) -> None:
    learnt(api)
    body = question(users[0])
    with kept(api) as connection:
        connection.sendall(head(api, "POST", EVALUATE, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        ((status, _, answer),) = answers(connection, 1)
        assert (status, steady(answer)) == ask(api, body)


def test_another_method_or_a_parameter_is_refused_as_ever(api: Api) -> None:
    learnt(api)
    assert api.request("PUT", "/evaluate", content=question("user:a")).status_code == 405
    assert api.request("POST", "/evaluate?as_of=x", content=question("user:a")).status_code == 400
    assert api.request("GET", set_path("user:a")).status_code == 200
