"""The question that an evaluation answers: may this workflow reach this recipient, on each of these channels?"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from domain.holder import Holder
from domain.json_value import JsonValue
from domain.pointer import pointer


class ChannelRef(NamedTuple):
    """A channel type, or with its id one concrete channel of that type."""

    type: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One recipient, one workflow, some channels. `categories`, when given, stand in for the catalogue's.

    Raises ValueError if `at` is naive: its instant would depend on the machine.
    """

    recipient: Holder
    workflow: str
    channels: tuple[ChannelRef, ...]
    at: datetime
    """The evaluated instant, aware: the only "now" that conditions and schedules see."""

    categories: tuple[str, ...] | None = None
    data: dict[str, JsonValue] = field(default_factory=dict)
    actor: dict[str, JsonValue] | None = None

    def __post_init__(self) -> None:
        if self.at.utcoffset() is None:
            raise ValueError(f"the datetime {self.at.isoformat()} has no UTC offset; give an aware datetime")


class ScopeKind(StrEnum):
    """What a rule is about."""

    ALL = "all"
    CATEGORY = "category"
    WORKFLOW = "workflow"


class Scope(NamedTuple):
    """One rule's place. `path` is the rule's pointer inside a preference set; the `all` rule's is the empty one."""

    kind: ScopeKind
    path: str


def scopes_in_play(workflow: str, categories: Iterable[str]) -> list[Scope]:
    """The rules that speak about a workflow, from the general to the specific."""
    return [
        Scope(ScopeKind.ALL, ""),
        *(Scope(ScopeKind.CATEGORY, pointer("categories", key)) for key in dict.fromkeys(categories)),
        Scope(ScopeKind.WORKFLOW, pointer("workflows", workflow)),
    ]
