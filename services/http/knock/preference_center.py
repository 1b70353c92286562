"""The hosted preference center's configuration and signed links. What it shows comes from the environment."""

from collections.abc import Mapping
from typing import Any

from domain.document import unflatten
from domain.event import PROPERTIES
from domain.holder import DEFAULT_SET, ENVIRONMENT, Holder, user
from domain.json_value import JsonValue
from services.http.knock import access
from services.http.knock.exchange import Call, read
from services.http.knock.routing import Answer, Route
from services.http.knock.set_request import CHANNEL_TYPES
from services.keys import Scope
from services.ledger import now_milliseconds
from services.link_tokens import sign
from services.stream_reader import StreamReader

PURPOSE = "preference-center"

ROW_TYPES = ("workflow", "channel", "category", "channel_types", "commercial_subscribed")
_BRANDING = ("logo_url", "icon_url", "primary_color", "primary_color_contrast")
_COMMERCIAL = {
    "type": "commercial_subscribed",
    "name": "Marketing messages",
    "description": "Offers and news that are not about your account.",
    "identifier": None,
    "channel_types": None,
}

Members = Mapping[str, JsonValue]


async def get_config(call: Call) -> Answer:
    """The rows and texts of a user's preference center."""
    holder = user(call.parameters["user_id"])
    access.check_set(call.token, DEFAULT_SET, access.READ)
    return Answer(await read(call, lambda reader, *_: _config(reader, holder)))


async def sign_url(call: Call) -> Answer:
    """A link to the preference center of one user. It needs no key and does not expire."""
    holder = user(call.parameters["user_id"])
    claims = {
        "sub": holder.id,
        "purpose": PURPOSE,
        "environment": call.ledger.environment,
        "iat": now_milliseconds() // 1000,
    }
    token = sign(call.ledger.secrets.link_key, claims)
    base = str(call.request.base_url).rstrip("/")
    return Answer({"url": f"{base}/p/{token}", "token": token})


def _config(reader: StreamReader, holder: Holder) -> dict[str, Any]:
    """`preference_center`, `branding` and `account_name` are properties of the environment; rows else follow from the
    catalogue: its categories, and the workflows that are in none.
    """
    environment = unflatten(reader.leaves(ENVIRONMENT, PROPERTIES))
    center = _object(environment.get("preference_center"))
    rows = center.get("rows")
    shown = [row for row in map(_row, rows) if row is not None] if isinstance(rows, list) else _catalogue_rows(reader)
    if not any(row["type"] == "commercial_subscribed" for row in shown):
        shown.append(dict(_COMMERCIAL))
    branding = _object(environment.get("branding"))
    email = reader.leaves(holder, PROPERTIES).get("/email")
    return {
        "enabled": center.get("enabled") is not False,
        "config": {
            "title": _text(center.get("title")) or "Notification preferences",
            "body": _text(center.get("body")) or "Choose what you want to hear about, and where.",
            "rows": shown,
            "show_account_name": center.get("show_account_name") is True,
        },
        "branding": {
            **_branding(branding),
            "dark": _branding(_object(branding.get("dark"))) if branding.get("dark") else None,
        },
        "account_name": _text(environment.get("account_name")),
        "user_email": email if isinstance(email, str) and email else holder.id,
        "knock_branding_required": False,
    }


def _catalogue_rows(reader: StreamReader) -> list[dict[str, Any]]:
    stream = reader.secrets.stream_key(ENVIRONMENT)
    rows: list[dict[str, Any]] = []
    for kind in ("category", "workflow"):
        for item, row in reader.state.items(stream, f"{kind}:").items():
            leaves = row.stored.leaves
            if not leaves or (kind == "workflow" and (leaves.get("/categories") or leaves.get("/override"))):
                continue
            key = item.removeprefix(f"{kind}:")
            rows.append(
                {
                    "type": kind,
                    "name": _text(leaves.get("/name")) or key,
                    "description": _text(leaves.get("/description")),
                    "identifier": key,
                    "channel_types": _channel_types(leaves.get("/routing_options")),
                }
            )
    return rows


def _row(value: JsonValue) -> dict[str, Any] | None:
    """A row as the environment has it; None for what no client could show."""
    row = _object(value)
    if row.get("type") not in ROW_TYPES or not _text(row.get("name")):
        return None
    texts = {name: _text(row.get(name)) for name in ("name", "description", "identifier")}
    return {"type": row["type"], **texts, "channel_types": _channel_types(row.get("channel_types"))}


def _channel_types(value: JsonValue) -> list[str] | None:
    return [one for one in value if isinstance(one, str) and one in CHANNEL_TYPES] if isinstance(value, list) else None


def _branding(branding: Members) -> dict[str, str | None]:
    return {name: _text(branding.get(name)) for name in _BRANDING}


def _object(value: JsonValue) -> Members:
    return value if isinstance(value, dict) else {}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


ROUTES = [
    Route("GET", "/v1/users/{user_id}/preference_center/config", get_config, Scope.READ, by_client=True),
    Route("POST", "/v1/users/{user_id}/preference_center/signed_url", sign_url, Scope.PUBLISH),
]
