"""The OpenAPI 3.1 document: the framework's, with what the framework does not see of our routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.http.body_models import (
    BatchBody,
    EvaluationBody,
    EventsBody,
    KeyBody,
    Policy,
    Preferences,
    SigningKeyBody,
)
from services.http.evaluation_models import BatchAnswer, EvaluationAnswer
from services.http.models import Problem
from services.http.parked_models import DiscardBody, ReplayBody
from services.http.replay_models import HolderState, ReportAnswer

TITLE = "Preference ledger"
DESCRIPTION = (
    "Notification preferences as an event-sourced ledger: who wants what, since when, who said so, "
    "and whether a message may be sent."
)
REFERENCE = "#/components/schemas/{model}"
PROBLEM = {"application/problem+json": {"schema": {"$ref": REFERENCE.format(model=Problem.__name__)}}}
REFUSED: dict[int | str, dict[str, Any]] = {"default": {"description": "A refusal", "content": PROBLEM}}

Responses = dict[int | str, dict[str, Any]]
Extra = dict[str, Any]

DOCUMENTED_EXAMPLE = {
    "channel_types": {"email": True, "sms": False},
    "workflows": {"dinosaurs-loose": {"channel_types": {"email": False, "in_app_feed": True, "sms": True}}},
}
EVENTS_EXAMPLE = {
    "events": [
        {
            "type": "PreferenceSetMerged",
            "holder": "user:jhammond",
            "set": "default",
            "preferences": {"channel_types": {"email": False}},
            "actor": "user:jhammond",
            "method": "preference-centre",
        }
    ]
}


def answers(model: type[BaseModel], status: int = 200) -> Responses:
    """What a route answers: this shape, or a problem."""
    return {status: {"model": model}, **REFUSED}


def takes(model: type[BaseModel] | None = None, example: Any = None) -> Extra:
    """The body of a route that reads it by itself; without a model any object."""
    schema = {"type": "object"} if model is None else {"$ref": REFERENCE.format(model=model.__name__)}
    content = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": description}


_PROVENANCE = [
    _header("Prefledger-Actor", "Who said it, if not the key. UTF-8, percent-encoded where need be."),
    _header("Prefledger-Method", "By which way it was said, such as `preference-centre`; `api` if not given."),
    _header("Prefledger-Reason", "Why."),
    _header("Prefledger-Correlation-Id", "What it belongs to."),
]
_ONCE = [_header("Idempotency-Key", "The same request with the same key is the same event, however often it is sent.")]
_GUARDED = [
    _header("If-Match", 'Write only upon this version: the ETag of a read, as in `"3"`. Else 412.'),
    _header("If-None-Match", "`*`: write only what was never written. Else 412."),
]

SENT_ONCE: Extra = {"parameters": [*_PROVENANCE, *_ONCE]}
GUARDED: Extra = {"parameters": [*_PROVENANCE, *_ONCE, *_GUARDED]}
PROVENANCE: Extra = {"parameters": _PROVENANCE}
CONDITIONAL: Extra = {"parameters": [_header("If-None-Match", "ETags already known: 304 if the answer has one of them.")]}
NO_KEY: Extra = {"security": []}
UNCHANGED: Responses = {304: {"description": "The answer has an ETag that the reader knows"}}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
        )
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {}).update(_models())
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}}
        schema["security"] = [{"key": []}]
        schema["paths"].update(_paths())
        app.openapi_schema = schema
    return app.openapi_schema


def _models() -> dict[str, Any]:
    """The shapes that the framework does not see: of bodies, and of what it does not route."""
    wanted: list[type[BaseModel]] = [EvaluationBody, BatchBody, EventsBody, KeyBody, SigningKeyBody, Preferences, Policy]
    wanted += [EvaluationAnswer, BatchAnswer, Problem, HolderState, ReportAnswer, DiscardBody, ReplayBody]
    _, definitions = models_json_schema([(model, "validation") for model in wanted], ref_template=REFERENCE)
    models: dict[str, Any] = definitions["$defs"]
    return models


def _paths() -> dict[str, Any]:
    """What is served in front of the framework."""
    health = {"200": {"description": "It is."}, "503": {"description": "It is not."}}
    return {
        "/ledger/v1/evaluate": _evaluation(
            "evaluate",
            "May this workflow reach this recipient, on which channels, and why?",
            EvaluationBody,
            EvaluationAnswer,
        ),
        "/ledger/v1/evaluate/batch": _evaluation(
            "evaluate_batch", "The same question for up to 1,000 recipients.", BatchBody, BatchAnswer
        ),
        "/livez": _open("live", "Whether the process answers.", health),
        "/readyz": _open("ready", "Whether an environment is ready, and each other one too or in trouble.", health),
        "/readyz/{environment}": _ready_one(health),
        "/metrics": _open("metrics", "Metrics for Prometheus.", {"200": {"description": "Metrics as text."}}),
    }


def _evaluation(name: str, summary: str, body: type[BaseModel], answer: type[BaseModel]) -> dict[str, Any]:
    answered = {"application/json": {"schema": {"$ref": REFERENCE.format(model=answer.__name__)}}}
    return {
        "post": {
            "tags": ["evaluation"],
            "operationId": name,
            "summary": summary,
            "parameters": [_header("Prefledger-Environment", "With the operator's key: the environment, if not the first.")],
            **takes(body),
            "responses": {
                "200": {"description": "The answer", "content": answered},
                "default": {"description": "A refusal", "content": PROBLEM},
            },
        }
    }


def _ready_one(health: dict[str, Any]) -> dict[str, Any]:
    name = {"name": "environment", "in": "path", "required": True, "schema": {"type": "string"}}
    unknown = {"404": {"description": "This node serves no such environment.", "content": PROBLEM}}
    described = _open("ready_environment", "Whether this environment has caught up with its log.", {**health, **unknown})
    described["get"]["parameters"] = [name]
    return described


def _open(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"tags": ["operations"], "operationId": name, "summary": summary, "responses": responses, **NO_KEY}}
