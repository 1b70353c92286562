import msgspec
import pytest

from domain.invalid import Invalid
from services.errors import Forbidden, NotReady, OtherLedger, Unauthorized
from services.http.json_body import MalformedJson
from services.http.knock.errors import KnockError, no_such, refusal


@pytest.mark.parametrize(
    ("error", "status", "code", "type_"),
    [
        (Unauthorized("no"), 401, "api_key_missing", "authentication_error"),
        (Forbidden("no"), 403, "authorization", "authentication_error"),
        (Invalid("/a", "no"), 422, "invalid_params", "invalid_request_error"),
        (MalformedJson("no"), 400, "invalid_params", "invalid_request_error"),
        (no_such("the user"), 404, "resource_missing", "invalid_request_error"),
        (NotReady("no"), 503, "service_unavailable", "api_error"),
        (RuntimeError("secret"), 500, "internal_error", "api_error"),
        (KnockError(401, "missing_user_token", "no"), 401, "missing_user_token", "authentication_error"),
    ],
)
def test_an_error_has_knocks_four_members(error: Exception, status: int, code: str, type_: str) -> None:
    answered, body, _ = refusal(error)
    told = msgspec.json.decode(body)
    assert (answered, told["status"], told["code"], told["type"]) == (status, status, code, type_)
    assert told["message"]
    assert "secret" not in told["message"]


def test_a_conflict_is_never_retried_by_the_clients() -> None:
    assert (b"x-should-retry", b"false") in refusal(OtherLedger("no"))[2]
    assert (b"x-should-retry", b"false") in refusal(KnockError(409, "x", "no"))[2]


def test_what_passes_says_when_to_come_back() -> None:
    assert (b"retry-after", b"1") in refusal(NotReady("no"))[2]
