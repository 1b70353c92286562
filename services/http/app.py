"""The HTTP application: our own API under /ledger/v1, behind the front door."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from domain.invalid import Invalid
from services.errors import ServiceError
from services.evaluation.evaluator import Evaluator
from services.http import (
    catalogue,
    decisions,
    events,
    history,
    holders,
    keys,
    operations,
    opt_outs,
    parked,
    provenance,
    replay,
    report,
    sets,
    signing_keys,
    verify,
    workflow_runs,
)
from services.http.auth import Gate
from services.http.docs_page import HEADERS, docs_page
from services.http.evaluate import EvaluateEndpoint
from services.http.exchange import Node
from services.http.front import FrontDoor
from services.http.json_body import MalformedJson
from services.http.knock.dialect import KnockDialect
from services.http.knock.exchange import KnockServices
from services.http.openapi import TITLE, document
from services.http.owners import KNOCK
from services.http.problems import Problem, method_not_allowed, problem_of
from services.http.workflow_runs import Runs
from services.ledger import Ledger
from services.queries import Queries
from services.settings import Settings
from services.version import VERSION
from services.workflow_runs import WorkflowRuns

PREFIX = "/ledger/v1"
_MODULES = (
    sets, provenance, history, report, holders, catalogue, decisions, events, keys, signing_keys, operations, verify,
    replay, opt_outs, parked, workflow_runs,
)  # fmt: skip
ROUTERS = tuple(module.router for module in _MODULES)


def create_app(ledgers: Mapping[str, Ledger], settings: Settings) -> FrontDoor:
    """The application that serves these ledgers."""
    queries = {environment: Queries(ledger, settings.wait_seconds) for environment, ledger in ledgers.items()}
    gate = Gate(ledgers, settings.admin_key)
    app = FastAPI(
        title=TITLE,
        version=VERSION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its spans and logs would hold whole addresses, and with them people's ids.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        generate_unique_id_function=lambda route: route.name,
    )
    node = app.state.node = Node(ledgers, queries, gate, settings)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    for refusal in (ServiceError, Invalid, MalformedJson, Problem):
        app.add_exception_handler(refusal, _refuse)
    app.add_exception_handler(Exception, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_parameters)
    app.add_exception_handler(HTTPException, _refuse_route)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.add_route(f"{PREFIX}/docs", _describe, include_in_schema=False)
    evaluators = {environment: Evaluator(ledger, queries[environment]) for environment, ledger in ledgers.items()}
    evaluate = EvaluateEndpoint(gate, evaluators, body_bytes_max=settings.body_bytes_max)
    app.state.evaluators = evaluators
    runs = app.state.runs = Runs(WorkflowRuns(), evaluators)
    return FrontDoor(app, {KNOCK: KnockDialect(KnockServices(node, runs))}, evaluate, ledgers)


async def _describe(request: Request) -> Response:
    page = docs_page(request.app.openapi(), f"{PREFIX}/openapi.json")
    return Response(page, media_type="text/html", headers=HEADERS)


def _response(problem: Problem) -> Response:
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    return Response(problem.body(), problem.status, headers)


async def _refuse(_: Request, error: Exception) -> Response:
    return _response(problem_of(error))


async def _refuse_parameters(_: Request, error: Exception) -> Response:
    """A parameter that the framework could not read."""
    first: dict[str, Any] = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    name = "/".join(str(part) for part in first.get("loc", ())[1:])
    return _response(Problem("invalid", f"the parameter {name}: {first.get('msg', 'is not allowed')}", pointer=f"/{name}"))


async def _refuse_route(request: Request, error: Exception) -> Response:
    """An address or a method that there is not."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        return _response(method_not_allowed(", ".join(_methods_at(request.scope["path"]))))
    return _response(
        Problem("not-found", f"there is nothing at this address; the API is described at {PREFIX}/openapi.json")
    )


def _methods_at(path: str) -> list[str]:
    """The methods that the routes of an address know, all together: the framework tells those of the first one only."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    below = path.removeprefix(PREFIX)
    return sorted({method for route in routes if route.path_regex.match(below) for method in route.methods or ()})
