"""What a user token lets its bearer do: claims in Knock's spelling, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from services.user_tokens import TokenRefused

_TENANTS = (("v1", "tenants"), ("v1", "objects", "$tenants"))
_USERS = ("v1", "users")
GRANTS_MAX = 100


@dataclass(frozen=True, slots=True)
class UserToken:
    """A verified token. Grants are kept by resource; what a grant's value says is not looked at, as at Knock."""

    user_id: str
    explicit: bool
    user_grants: frozenset[str]
    tenant_grants: Mapping[str, frozenset[str]]

    def allows(self, grant: str, tenant_id: str | None) -> bool:
        """Whether the bearer may do this for itself, inside a tenant or outside of any.

        A token that names tenants is good for those alone; outside of any it then needs a grant on the user itself.
        """
        if not self.tenant_grants:
            return not self.explicit or grant in self.user_grants
        if tenant_id is None:
            return grant in self.user_grants
        granted = self.tenant_grants.get(tenant_id)
        return granted is not None and (not self.explicit or grant in granted or grant in self.user_grants)


def user_token(claims: Mapping[str, Any]) -> UserToken:
    """The token behind verified claims. Raises TokenRefused."""
    user_id = claims.get("sub")
    if not isinstance(user_id, str) or not user_id:
        raise TokenRefused("the token names no user: its sub must be the user's id")
    grants = claims.get("grants")
    user_grants: set[str] = set()
    tenant_grants: dict[str, frozenset[str]] = {}
    if grants is not None:
        if not isinstance(grants, dict) or len(grants) > GRANTS_MAX:
            raise TokenRefused(f"the token's grants must be an object of at most {GRANTS_MAX} resources")
        for resource, granted in grants.items():
            names = frozenset(granted) if isinstance(granted, dict) else frozenset()
            *kind, resource_id = [unquote(part) for part in urlsplit(resource).path.split("/")[1:]] or [""]
            if tuple(kind) == _USERS and resource_id == user_id:
                user_grants |= names
            elif tuple(kind) in _TENANTS:
                tenant_grants[resource_id] = tenant_grants.get(resource_id, frozenset()) | names
    return UserToken(user_id, claims.get("explicit_grants") is True, frozenset(user_grants), tenant_grants)
