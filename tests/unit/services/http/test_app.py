"""What holds for every route and every refusal, without a node."""

from collections.abc import Iterator
from cProfile import Profile
from inspect import iscoroutinefunction
from pathlib import Path
from pstats import Stats
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from domain.invalid import Invalid
from services import errors
from services.bootstrap import build_node
from services.errors import ServiceError
from services.http.app import ROUTERS, create_app
from services.http.asgi import AsgiScope, Message
from services.http.front import FrontDoor
from services.http.json_body import MalformedJson
from services.http.problems import BASE, PROBLEMS, Problem, problem_of
from services.settings import Settings

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
REFUSALS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ServiceError)]


def calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from calls(inner)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{sorted(route.methods)[0]} {route.path}")
def test_everything_runs_on_the_event_loop(route: APIRoute) -> None:
    """The framework runs plain functions in threads of its own: views read there and on the loop would mix transactions."""
    for call in calls(route.dependant):
        assert iscoroutinefunction(call), f"{call} would run in another thread"


@pytest.mark.parametrize("kind", [kind for kind in REFUSALS if kind is not ServiceError])
def test_every_refusal_of_a_service_is_a_documented_problem(kind: type[ServiceError]) -> None:
    problem = problem_of(kind("what happened, and what to do", event_id="x"))
    assert PROBLEMS[kind.type][0] == kind.status == problem.status
    document = problem.document()
    assert document["type"] == BASE + kind.type
    assert (document["detail"], document["event_id"]) == ("what happened, and what to do", "x")
    headers = dict(problem.headers())
    assert headers[b"content-type"] == b"application/problem+json"
    assert (b"retry-after" in headers) == (kind.retry_after_seconds is not None)
    assert (b"www-authenticate" in headers) == (problem.status == 401)


def test_refusals_of_values_point_to_them() -> None:
    document = problem_of(Invalid("/a/b", "this must be true or false")).document()
    assert (document["status"], document["pointer"]) == (422, "/a/b")
    assert problem_of(MalformedJson("no JSON")).status == 400


def test_a_fault_of_our_own_tells_nothing_of_itself() -> None:
    document = problem_of(KeyError("user:zoe")).document()
    assert document["status"] == 500
    assert "zoe" not in str(document)


def test_a_problem_keeps_its_own_members() -> None:
    """Whatever more it says, it can't pass for another type."""
    problem = Problem("invalid", "a sentence", pointer="/a")
    assert set(problem.document()) == {"type", "title", "status", "detail", "pointer"}


async def calls_of_a_request(app: FrontDoor) -> int:
    """How many functions are called to tell that there is no such thing."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

    path = b"/ledger/v1/no-such-thing"
    scope: AsgiScope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path.decode(), "raw_path": path,
        "query_string": b"", "root_path": "", "headers": [], "client": None, "server": None,
    }  # fmt: skip
    with Profile() as profile:
        await app(scope, receive, send)
    assert statuses == [404]
    return Stats(profile).total_calls  # type: ignore[attr-defined, no-any-return]


async def test_the_first_request_costs_no_more_than_the_next(tmp_path: Path) -> None:
    """The framework makes its routes when it is first asked, and every evaluation would wait for that."""
    settings = Settings(data=tmp_path)
    node = build_node(settings)
    node.start()
    try:
        app = create_app(node.ledgers, settings)
        await app.make_routes()
        first, second = await calls_of_a_request(app), await calls_of_a_request(app)
    finally:
        await node.stop()
    assert first < 2 * second
