"""Problem details (RFC 9457): every way in which our own API says no."""

from typing import Any

import msgspec

from domain.invalid import Invalid
from services.errors import ServiceError
from services.http.json_body import MalformedJson

CONTENT_TYPE = "application/problem+json"
BASE = "/ledger/v1/problems#"

PROBLEMS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request can't be understood"),
    "malformed-json": (400, "The body is not one unambiguous JSON document"),
    "unauthorized": (401, "No valid key came with the request"),
    "forbidden": (403, "The key may not do this"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "The method is not one of this address"),
    "timeout": (408, "The body did not arrive in time"),
    "other-ledger": (409, "The position belongs to another ledger"),
    "conflict": (409, "The request does not fit what is going on"),
    "version-mismatch": (412, "The set has another version"),
    "too-large": (413, "The body is too large"),
    "head-too-large": (431, "The headers are too large"),
    "invalid": (422, "A value is not allowed"),
    "event-id-reused": (422, "The event id or Idempotency-Key was used for something else"),
    "unprocessable": (422, "The request says something that can't be"),
    "internal": (500, "The node failed"),
    "not-ready": (503, "The node can't do this just now"),
    "position-not-reached": (503, "The node has not come to this position"),
    "too-stale": (503, "The views are older than asked"),
    "not-appended": (503, "The event was not stored"),
    "outcome-unknown": (503, "Whether the event was stored is not known"),
    "ledger-sealed": (503, "The ledger takes no more events"),
}
"""Every problem type with its status and title. A test holds the documentation to it."""


class Problem(Exception):
    """A refusal on its way to the client."""

    allow: str | None = None
    """The methods that the address knows, where the one that was used is not among them."""

    def __init__(self, type_: str, detail: str, *, retry_after_seconds: int | None = None, **extensions: object) -> None:
        super().__init__(detail)
        self.type = type_
        self.status, self.title = PROBLEMS[type_]
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.extensions = extensions

    def body(self) -> bytes:
        """The problem document."""
        return msgspec.json.encode(self.document())

    def document(self) -> dict[str, Any]:
        """The problem document's members."""
        return {
            "type": BASE + self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extensions,
        }

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The response's headers."""
        headers = [(b"content-type", CONTENT_TYPE.encode())]
        if self.retry_after_seconds is not None:
            headers.append((b"retry-after", str(self.retry_after_seconds).encode()))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.allow:
            headers.append((b"allow", self.allow.encode()))
        if self.status == 408:
            headers.append((b"connection", b"close"))  # The rest of the body could otherwise still come.
        return headers


def method_not_allowed(allow: str) -> Problem:
    """What an address answers to a method that it does not know; `allow` lists those that it does."""
    problem = Problem("method-not-allowed", f"this address does not know this method; it knows {allow}")
    problem.allow = allow
    return problem


def problem_of(error: Exception) -> Problem:
    """The problem that an error of the domain or of a service is to a client."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Invalid):
        return Problem("invalid", str(error), pointer=error.pointer)
    if isinstance(error, MalformedJson):
        return Problem("malformed-json", str(error))
    if isinstance(error, ServiceError):
        return Problem(error.type, error.sentence, retry_after_seconds=error.retry_after_seconds, **error.extensions)
    return Problem("internal", "the node failed on this request; its log says why under the request id")
