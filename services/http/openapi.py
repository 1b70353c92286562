"""The OpenAPI 3.1 document: the framework's, with the two evaluation paths that it does not route."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.http.models import BatchAnswer, BatchBody, EvaluationAnswer, EvaluationBody, ProblemShape

TITLE = "Preference ledger"
DESCRIPTION = (
    "Notification preferences as an event-sourced ledger: who wants what, since when, who said so, "
    "and whether a message may be sent."
)
REFERENCE = "#/components/schemas/{model}"


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
        schema["paths"]["/ledger/v1/evaluate"] = _path(
            "evaluate",
            "May this workflow reach this recipient, on which channels, and why?",
            EvaluationBody,
            EvaluationAnswer,
        )
        schema["paths"]["/ledger/v1/evaluate/batch"] = _path(
            "evaluate_batch", "The same question for up to 1,000 recipients.", BatchBody, BatchAnswer
        )
        app.openapi_schema = schema
    return app.openapi_schema


def _models() -> dict[str, Any]:
    models: dict[str, Any] = {}
    for model in (EvaluationBody, EvaluationAnswer, BatchBody, BatchAnswer, ProblemShape):
        schema = model.model_json_schema(ref_template=REFERENCE)
        models.update(schema.pop("$defs", {}))
        models[model.__name__] = schema
    return models


def _path(name: str, summary: str, body: type, answer: type) -> dict[str, Any]:
    def reference(model: type) -> dict[str, str]:
        return {"$ref": REFERENCE.format(model=model.__name__)}

    problem = {"application/problem+json": {"schema": reference(ProblemShape)}}
    return {
        "post": {
            "tags": ["evaluation"],
            "operationId": name,
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": reference(body)}}},
            "responses": {
                "200": {"description": "The answer", "content": {"application/json": {"schema": reference(answer)}}},
                "default": {"description": "A refusal", "content": problem},
            },
        }
    }
