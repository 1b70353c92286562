"""Why a channel is delivered to or not: the closed list of reasons."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from domain.layers import CATALOGUE_KINDS, LayerKind
from domain.question import ScopeKind


class Reason(StrEnum):
    """One word for each way in which a decision comes about."""

    DEFAULT_ALLOW = "default_allow"
    PREFERENCE_ALLOW = "preference_allow"
    REQUIRED = "required"
    OVERRIDE = "override"
    ALL_OPT_OUT = "all_opt_out"
    CATEGORY_OPT_OUT = "category_opt_out"
    WORKFLOW_OPT_OUT = "workflow_opt_out"
    CHANNEL_TYPE_OPT_OUT = "channel_type_opt_out"
    CHANNEL_OPT_OUT = "channel_opt_out"
    OTHERWISE_OPT_OUT = "otherwise_opt_out"
    CATEGORY_DEFAULT_OPT_OUT = "category_default_opt_out"
    WORKFLOW_DEFAULT_OPT_OUT = "workflow_default_opt_out"
    SUBSCRIPTION_OPT_OUT = "subscription_opt_out"
    CONDITION_NOT_MET = "condition_not_met"
    ROUTING_EXCLUDED = "routing_excluded"
    COMMERCIAL_OPT_OUT = "commercial_opt_out"
    OUTSIDE_SCHEDULE = "outside_schedule"
    SUPPRESSED = "suppressed"


REASONS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.DEFAULT_ALLOW: "Nothing says no, and no preference says yes: the channel is allowed by default.",
        Reason.PREFERENCE_ALLOW: "Nothing says no, and a preference says yes.",
        Reason.REQUIRED: "A rule in play is locked, so that the recipient's own rules are not looked at; the rest says yes.",
        Reason.OVERRIDE: "The workflow overrides preferences.",
        Reason.ALL_OPT_OUT: "A set turns everything off.",
        Reason.CATEGORY_OPT_OUT: "A set turns one of the workflow's categories off.",
        Reason.WORKFLOW_OPT_OUT: "A set turns the workflow off.",
        Reason.CHANNEL_TYPE_OPT_OUT: "A set turns the channel's type off, for everything, a category or the workflow.",
        Reason.CHANNEL_OPT_OUT: "A set turns this one channel off, for everything, a category or the workflow.",
        Reason.OTHERWISE_OPT_OUT: "No rule names the channel or its type, and what a set says of such channels is no.",
        Reason.CATEGORY_DEFAULT_OPT_OUT: "A category is off by its default in the catalogue, and nobody has chosen it.",
        Reason.WORKFLOW_DEFAULT_OPT_OUT: "The workflow is off by its default in the catalogue, and nobody has chosen it.",
        Reason.SUBSCRIPTION_OPT_OUT: "The subscription that the question names has the workflow turned off.",
        Reason.CONDITION_NOT_MET: "The choice that decides depends on a condition, and the condition does not hold.",
        Reason.ROUTING_EXCLUDED: "A choice of channels applies, and the channel's type is not among them.",
        Reason.COMMERCIAL_OPT_OUT: "The workflow is commercial, and commercial messages are turned off.",
        Reason.OUTSIDE_SCHEDULE: "The instant lies outside the hours in which the recipient lets messages in.",
        Reason.SUPPRESSED: "The recipient was forgotten, and must not be sent to any more.",
    }
)

_OFF: Final = {
    ScopeKind.ALL: Reason.ALL_OPT_OUT,
    ScopeKind.CATEGORY: Reason.CATEGORY_OPT_OUT,
    ScopeKind.WORKFLOW: Reason.WORKFLOW_OPT_OUT,
}


def opt_out_reason(kind: LayerKind, scope: ScopeKind, member: str) -> Reason:
    """The reason when this member (`/enabled`, `/channel_types/email`) of a rule in this layer says no."""
    if kind in CATALOGUE_KINDS:
        return Reason.CATEGORY_DEFAULT_OPT_OUT if scope is ScopeKind.CATEGORY else Reason.WORKFLOW_DEFAULT_OPT_OUT
    if member.startswith("/channel_types/"):
        return Reason.CHANNEL_TYPE_OPT_OUT
    if member.startswith("/channels/"):
        return Reason.CHANNEL_OPT_OUT
    return Reason.OTHERWISE_OPT_OUT if member == "/otherwise" else _OFF[scope]


def allow_reason(kind: LayerKind) -> Reason:
    """The reason when a rule in this layer says yes. A yes of the catalogue is nobody's preference."""
    return Reason.DEFAULT_ALLOW if kind in CATALOGUE_KINDS else Reason.PREFERENCE_ALLOW
