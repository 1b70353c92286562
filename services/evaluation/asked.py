"""A question as it is asked over HTTP, checked."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.channel import check_channel_type
from domain.holder import Holder, HolderKind, SetId, context_set, object_in, parse_holder, subscription_set, user
from domain.identifier import check_id
from domain.invalid import Invalid
from domain.json_value import JsonValue
from domain.policy import Policy, parse_policy_choice
from domain.question import ChannelRef
from projections.position import parse_instant
from services.facts import Circle
from services.policy_presets import PRESETS
from services.queries import When

CHANNELS_MAX = 100
CATEGORIES_MAX = 100
RECIPIENTS_MAX = 1_000

DECISIONS_MAX = 20_000
EXPLAINED_DECISIONS_MAX = 8_000
"""Recipients times channels of one batch; an explained decision takes more time, and far more bytes."""

QUICK_BYTES_MAX = 16_384
QUICK_CHANNELS_MAX = 8
"""A question beyond one of these may take long, and must not keep others waiting."""

_RECIPIENT_KINDS = (HolderKind.USER, HolderKind.OBJECT)

_MEMBERS = (
    "workflow", "channels", "categories", "tenant", "context", "subscription", "data", "actor", "policy",
    "at", "as_of", "min_position", "max_staleness", "explain",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question says beside its recipients. `channels` is None where the catalogue is to say."""

    circle: Circle
    channels: tuple[ChannelRef, ...] | None
    data: dict[str, JsonValue]
    actor: dict[str, JsonValue] | None
    at_milliseconds: int | None
    when: When
    explain: bool

    @property
    def is_plain(self) -> bool:
        """Whether a compiled plan may answer: about the present, without a trace, a context or a subscription."""
        circle = self.circle
        return not self.explain and self.when.as_of is None and circle.context is None and circle.subscription is None

    def is_quick(self, body_bytes: int) -> bool:
        """Whether the answer for one recipient surely takes little time, told by the length of the question's body."""
        channels = 0 if self.channels is None else len(self.channels)
        return self.is_plain and body_bytes <= QUICK_BYTES_MAX and channels <= QUICK_CHANNELS_MAX

    def check_decisions(self, recipients: int, channels: int) -> None:
        """Refuse a batch of too many decisions. Raises Invalid."""
        most = EXPLAINED_DECISIONS_MAX if self.explain else DECISIONS_MAX
        if recipients * channels > most:
            explained = "explained " if self.explain else ""
            raise Invalid(
                "/recipients",
                f"{recipients} recipients on {channels} channels are {recipients * channels} {explained}decisions; a "
                f"request may ask for {most}: send at most {most // channels} recipients at a time, "
                "or ask about fewer channels",
            )


def parse_asked(body: Mapping[str, JsonValue], recipient_member: str) -> Asked:
    """The question in a body. Recipients are parsed apart, so that one bad one fails alone. Raises Invalid."""
    for name in body:
        if name != recipient_member and name not in _MEMBERS:
            raise Invalid(
                f"/{name[:60]}",
                f"an evaluation has no such member; it may have {recipient_member}, {', '.join(_MEMBERS)}",
            )
    at = body.get("at")
    explain = body.get("explain", False)
    if not isinstance(explain, bool):
        raise Invalid("/explain", "explain must be true or false")
    return Asked(
        circle=_circle(body),
        channels=_channels(body.get("channels")),
        data=_object(body, "data") or {},
        actor=_object(body, "actor"),
        at_milliseconds=None if at is None else parse_instant(at, "/at"),
        when=When(_optional_text(body, "as_of"), _optional_text(body, "min_position"), _seconds(body.get("max_staleness"))),
        explain=explain,
    )


def _circle(body: Mapping[str, JsonValue]) -> Circle:
    tenant_id = body.get("tenant")
    policy = body.get("policy")
    return Circle(
        workflow=check_id(body.get("workflow"), "/workflow", "workflow"),
        categories=_categories(body.get("categories")),
        tenant_id=None if tenant_id is None else check_id(tenant_id, "/tenant", "tenant"),
        context=_context(body.get("context")),
        subscription=_subscription(body.get("subscription")),
        policy=None if policy is None else _policy(policy),
    )


def _policy(value: JsonValue) -> Policy:
    return parse_policy_choice(value, PRESETS)


def _channels(value: JsonValue) -> tuple[ChannelRef, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not 1 <= len(value) <= CHANNELS_MAX:
        raise Invalid("/channels", f"channels must be a list of 1 to {CHANNELS_MAX} channels")
    return tuple(_channel(item, f"/channels/{at}") for at, item in enumerate(value))


def _channel(value: JsonValue, pointer: str) -> ChannelRef:
    if isinstance(value, str):
        return ChannelRef(check_channel_type(value, pointer))
    if not isinstance(value, dict) or not set(value) <= {"type", "id"}:
        raise Invalid(pointer, 'a channel is a type, or {"type": TYPE, "id": ID}')
    channel_type = check_channel_type(value.get("type"), f"{pointer}/type")
    channel_id = value.get("id")
    return ChannelRef(channel_type, None if channel_id is None else check_id(channel_id, f"{pointer}/id", "the channel id"))


def _categories(value: JsonValue) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > CATEGORIES_MAX:
        raise Invalid("/categories", f"categories must be a list of at most {CATEGORIES_MAX} keys")
    return tuple(check_id(item, f"/categories/{at}", "a category's key") for at, item in enumerate(value))


def _context(value: JsonValue) -> SetId | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise Invalid("/context", "context must be a list of type:id keys")
    try:
        return context_set([str(key) for key in value])
    except Invalid as error:
        raise Invalid("/context", error.message) from None


def _subscription(value: JsonValue) -> SetId | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"topic", "id"}:
        raise Invalid("/subscription", "a subscription is an object with topic and id")
    return subscription_set(
        check_id(value["topic"], "/subscription/topic", "the topic"), check_id(value["id"], "/subscription/id", "the id")
    )


def _object(body: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue] | None:
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise Invalid(f"/{name}", f"{name} must be an object")
    return value


def _optional_text(body: Mapping[str, JsonValue], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"/{name}", f"{name} must be a string")
    return value


def _seconds(value: JsonValue) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Invalid("/max_staleness", "max_staleness must be a number of seconds, 0 or more")
    return float(value)


def parse_recipient(value: JsonValue, pointer: str) -> Holder:
    """A recipient: `"user:ID"`, `{"user": ID}` or `{"object": {"collection": C, "id": ID}}`. Raises Invalid."""
    if isinstance(value, str):
        holder = parse_holder(value, pointer)
        if holder.kind not in _RECIPIENT_KINDS:
            raise Invalid(pointer, f"a {holder.kind.value} receives no messages; a recipient is a user or an object")
        return holder
    try:
        if isinstance(value, dict) and set(value) == {"user"}:
            return user(check_id(value["user"], f"{pointer}/user", "the user id"))
        inner = value.get("object") if isinstance(value, dict) and set(value) == {"object"} else None
        if isinstance(inner, dict) and set(inner) == {"collection", "id"}:
            return object_in(
                check_id(inner["collection"], f"{pointer}/object/collection", "the collection"),
                check_id(inner["id"], f"{pointer}/object/id", "the object id"),
            )
    except Invalid as error:
        raise Invalid(error.pointer or pointer, error.message) from None
    raise Invalid(pointer, 'a recipient is "user:ID", {"user": ID} or {"object": {"collection": COLLECTION, "id": ID}}')


def parse_recipients(value: JsonValue) -> list[JsonValue]:
    """The recipients of a batch, not yet looked at one by one. Raises Invalid."""
    if not isinstance(value, list) or not 1 <= len(value) <= RECIPIENTS_MAX:
        raise Invalid("/recipients", f"recipients must be a list of 1 to {RECIPIENTS_MAX}")
    return value
