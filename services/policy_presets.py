"""The policies under which a vendor's preferences decide as that vendor does."""

from domain.policy import Policy

PRESETS: dict[str, Policy] = {
    "knock": Policy("every_rule_allows", "unless_tenant_speaks"),
    "courier": Policy("every_rule_allows", "never"),
    "novu": Policy("most_specific_wins", "never"),
}
