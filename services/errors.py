"""What a service can't do, said in the service's own words. Each edge turns them into its own shape."""


class ServiceError(Exception):
    """`sentence` says what happened and what to do; `retry_after_seconds` when to come back, None where it is no use."""

    type = "error"
    status = 500
    retry_after_seconds: int | None = None

    def __init__(self, sentence: str, **extensions: object) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.extensions = extensions


class NotReady(ServiceError):
    """The node has not folded enough of the log to answer."""

    type = "not-ready"
    status = 503
    retry_after_seconds = 1


class PositionNotReached(ServiceError):
    """The node has not come to the position that the question needs."""

    type = "position-not-reached"
    status = 503
    retry_after_seconds = 1


class TooStale(ServiceError):
    """The node's views may be older than the question allows."""

    type = "too-stale"
    status = 503
    retry_after_seconds = 1


class NotAppended(ServiceError):
    """The log did not take the event, and never will from this attempt."""

    type = "not-appended"
    status = 503
    retry_after_seconds = 1


class OutcomeUnknown(ServiceError):
    """The log may or may not have the event; only its id can tell."""

    type = "outcome-unknown"
    status = 503
    retry_after_seconds = 5


class OtherLedger(ServiceError):
    """The position belongs to another ledger, or to a log that was made anew."""

    type = "other-ledger"
    status = 409


class Conflict(ServiceError):
    """The request does not fit what is going on, or what was done already."""

    type = "conflict"
    status = 409


class VersionMismatch(ServiceError):
    """The set was changed since the version that the writer saw."""

    type = "version-mismatch"
    status = 412


class EventIdReused(ServiceError):
    """The same event id or Idempotency-Key came with other content."""

    type = "event-id-reused"
    status = 422


class LedgerIsSealed(ServiceError):
    """The ledger has moved on to another generation and takes no more events here."""

    type = "ledger-sealed"
    status = 503


class NotFound(ServiceError):
    """There is nothing by that name."""

    type = "not-found"
    status = 404


class Unauthorized(ServiceError):
    """No key, or one that is not valid."""

    type = "unauthorized"
    status = 401


class Forbidden(ServiceError):
    """A valid key that may not do this."""

    type = "forbidden"
    status = 403


class BadRequest(ServiceError):
    """The request can't be understood."""

    type = "bad-request"
    status = 400


class Unprocessable(ServiceError):
    """The request is understood and says something that can't be."""

    type = "unprocessable"
    status = 422


class TooLarge(ServiceError):
    """The body is larger than this node takes."""

    type = "too-large"
    status = 413
