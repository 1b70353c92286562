"""Knock's error bodies: code, message, status, type. Its clients branch on `code` and retry by status."""

from typing import Any

import msgspec

from domain.invalid import Invalid
from services.http.problems import problem_of

UNROUTED: dict[str, Any] = {"errors": {"detail": "404 Not Found"}}
"""What Knock says of an address that it does not have."""

_CODES = {
    400: "invalid_params",
    401: "api_key_missing",
    403: "authorization",
    404: "resource_missing",
    413: "invalid_params",
    422: "invalid_params",
    503: "service_unavailable",
}
_TYPES = {401: "authentication_error", 403: "authentication_error"}


class KnockError(Exception):
    """A refusal in Knock's words."""

    def __init__(self, status: int, code: str, message: str, type_: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.type = type_ or _type_of(status)


def refusal(error: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Status, body and headers for anything that went wrong."""
    extra: dict[str, Any] = {}
    headers = [(b"content-type", b"application/json")]
    if isinstance(error, KnockError):
        status, code, message, type_ = error.status, error.code, error.message, error.type
    else:
        problem = problem_of(error)
        status = problem.status
        code = _CODES.get(status, "internal_error" if status >= 500 else "invalid_params")
        message, type_ = problem.detail, _type_of(status)
        if isinstance(error, Invalid):
            extra["errors"] = [{"field": error.pointer, "message": error.message, "type": "invalid"}]
        if problem.retry_after_seconds is not None:
            headers.append((b"retry-after", str(problem.retry_after_seconds).encode()))
    if status == 409:
        # The clients would send it again, to the same end.
        headers.append((b"x-should-retry", b"false"))
    body = {"code": code, "message": message, "status": status, "type": type_, **extra}
    return status, msgspec.json.encode(body), headers


def _type_of(status: int) -> str:
    return _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")


def no_such(what: str) -> KnockError:
    """404 for a thing that is not there."""
    return KnockError(404, "resource_missing", f"{what} does not exist; it was never made, or it was deleted")
