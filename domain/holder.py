"""Who holds preferences, and the names of the sets they hold."""

import re
from dataclasses import dataclass
from enum import StrEnum

from domain.identifier import check_id
from domain.invalid import Invalid

_CONTEXT_KEY = re.compile(r"[A-Za-z0-9_-]+:[A-Za-z0-9_-]+")
CONTEXT_KEYS_MAX = 5
"""Records are read by the same rules as requests: they may be loosened, never tightened."""


class HolderKind(StrEnum):
    """The four kinds of holder."""

    ENVIRONMENT = "environment"
    TENANT = "tenant"
    USER = "user"
    OBJECT = "object"


def _quote(part: str) -> str:
    """Inside a name of several parts, a colon of one part must not look like a separator."""
    return part.replace("%", "%25").replace(":", "%3A")


def _unquote(part: str) -> str:
    return part.replace("%3A", ":").replace("%3a", ":").replace("%25", "%")


@dataclass(frozen=True, slots=True)
class Holder:
    """One holder. `collection` is set for objects only; the environment has the empty id."""

    kind: HolderKind
    id: str = ""
    collection: str = ""

    def __str__(self) -> str:
        kind = self.kind
        if kind is HolderKind.USER:
            return f"user:{self.id}"
        if kind is HolderKind.ENVIRONMENT:
            return "environment"
        if kind is HolderKind.OBJECT:
            return f"object:{_quote(self.collection)}:{self.id}"
        return f"{kind.value}:{self.id}"


ENVIRONMENT = Holder(HolderKind.ENVIRONMENT)


def user(user_id: str) -> Holder:
    """The user with this id. Raises Invalid."""
    return Holder(HolderKind.USER, check_id(user_id, "", "the user id"))


def tenant(tenant_id: str) -> Holder:
    """The tenant with this id. Raises Invalid."""
    return Holder(HolderKind.TENANT, check_id(tenant_id, "", "the tenant id"))


def object_in(collection: str, object_id: str) -> Holder:
    """The object with this id in a collection. Raises Invalid."""
    return Holder(
        HolderKind.OBJECT,
        check_id(object_id, "", "the object id"),
        check_id(collection, "", "the object's collection"),
    )


def parse_holder(text: str, pointer: str = "") -> Holder:
    """A holder from its text form, as in `user:jhammond` or `object:projects:p1`. Raises Invalid."""
    kind, colon, rest = text.partition(":")
    if kind == "environment" and not colon:
        return ENVIRONMENT
    try:
        if kind == "user" and colon:
            return user(rest)
        if kind == "tenant" and colon:
            return tenant(rest)
        if kind == "object" and colon and ":" in rest:
            collection, _, object_id = rest.partition(":")
            return object_in(_unquote(collection), object_id)
    except Invalid as error:
        raise Invalid(pointer, error.message) from None
    raise Invalid(
        pointer,
        f"{text[:60]!r} names no holder; write user:ID, object:COLLECTION:ID, tenant:ID or environment",
    )


class SetKind(StrEnum):
    """The four kinds of preference set. Sets of different kinds never collide, whatever their ids."""

    DEFAULT = "default"
    TENANT = "tenant"
    CONTEXT = "context"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class SetId:
    """The name of one of a holder's sets. `topic` is set for subscriptions only."""

    kind: SetKind
    id: str = ""
    topic: str = ""

    def __str__(self) -> str:
        if self.kind is SetKind.DEFAULT:
            return "default"
        if self.kind is SetKind.SUBSCRIPTION:
            return f"subscription:{_quote(self.topic)}:{self.id}"
        return f"{self.kind.value}:{self.id}"


DEFAULT_SET = SetId(SetKind.DEFAULT)


def tenant_set(tenant_id: str) -> SetId:
    """What a holder wants inside one tenant. Raises Invalid."""
    return SetId(SetKind.TENANT, check_id(tenant_id, "", "the tenant id"))


def subscription_set(topic: str, subscription_id: str) -> SetId:
    """What a holder wants for one of its subscriptions to a topic. Raises Invalid."""
    return SetId(
        SetKind.SUBSCRIPTION,
        check_id(subscription_id, "", "the subscription id"),
        check_id(topic, "", "the subscription's topic"),
    )


def context_set(keys: list[str]) -> SetId:
    """What a holder wants in a context, named by its `type:id` keys in any order. Raises Invalid.

    No key at all is the default set, and the context of one tenant alone is that tenant.
    """
    if not keys:
        return DEFAULT_SET
    if len(set(keys)) > CONTEXT_KEYS_MAX:
        raise Invalid("", f"a context has at most {CONTEXT_KEYS_MAX} keys")
    for key in keys:
        if not _CONTEXT_KEY.fullmatch(key) or len(key) > 256:
            raise Invalid("", f"{key[:60]!r} is not a context key; write type:id in letters, digits, _ and -")
    ordered = sorted(set(keys))
    if len(ordered) == 1 and ordered[0].startswith("tenant:"):
        return tenant_set(ordered[0].removeprefix("tenant:"))
    return SetId(SetKind.CONTEXT, ",".join(ordered))


def parse_set_id(text: str, pointer: str = "") -> SetId:
    """A set id from its text form, as in `default` or `tenant:acme`. Raises Invalid."""
    kind, colon, rest = text.partition(":")
    try:
        if text == "default":
            return DEFAULT_SET
        if kind == "tenant" and colon:
            return tenant_set(rest)
        if kind == "context" and colon:
            return context_set(rest.split(","))
        if kind == "subscription" and colon and ":" in rest:
            topic, _, subscription_id = rest.partition(":")
            return subscription_set(_unquote(topic), subscription_id)
    except Invalid as error:
        raise Invalid(pointer, error.message) from None
    raise Invalid(
        pointer,
        f"{text[:60]!r} names no preference set; write default, tenant:ID, context:KEYS or subscription:TOPIC:ID",
    )
