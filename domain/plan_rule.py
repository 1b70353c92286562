"""One rule of a compiled plan: what the recipient's own leaves make of it, worked out once for each pattern of them."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from domain.channel import CHANNEL_TYPES
from domain.circumstances import Circumstances
from domain.every_rule import ask_merged
from domain.json_value import JsonValue
from domain.layers import Layer, LayerKind
from domain.plan_slots import BEYOND_A_PLAN, OF_ROUTING, Slot
from domain.question import ChannelRef, Scope
from domain.reason import Reason
from domain.resolve import Members, MergedRule, Standing, merge_rule
from domain.rule import LAYERING_PARTS
from domain.rule_answer import choice_members, rank_of, reason_of
from domain.trace import Source

ORIGIN_OWN_DEFAULT: Final = 0
ORIGIN_OWN_IN_TENANT: Final = 1
ORIGIN_SHARED: Final = 2
ORIGIN_NOBODY: Final = -1

PATTERNS_MAX: Final = 8_192
"""The patterns that a plan, or one rule, remembers. Then it forgets them all: what is used comes back at once.

Four channels, each said yes, no or nothing of in two scopes, have 6,561.
"""

_ORIGINS: Final[Mapping[LayerKind, int]] = {
    LayerKind.OWN_DEFAULT: ORIGIN_OWN_DEFAULT,
    LayerKind.OWN_IN_TENANT: ORIGIN_OWN_IN_TENANT,
}
# As no key looks inside a pointer: it stands for every choice of a rule that the question does not name.
_UNNAMED: Final = "/channels//"
_NO_RANK: Final = 1 << 62


class PlanDecision(NamedTuple):
    """One channel's answer. `path` is the deciding leaf in the recipient's own set, `source` one in a shared layer."""

    deliver: bool
    reason: Reason
    origin: int
    path: str | None = None
    source: Source | None = None


RankedDecision = tuple[int, PlanDecision]
"""The decision of the highest rank holds. No two rules give the same rank."""


class PlanFrame(NamedTuple):
    """What all rules of a plan have in common. The layers go from weak to strong, the recipient's own among them."""

    layers: Sequence[Layer]
    channels: Sequence[ChannelRef]
    scopes_count: int
    circumstances: Circumstances


class RulePlan:
    """The rule of one scope, the scope's place among all being `order`. Its bits are those from `first_bit` on."""

    def __init__(self, frame: PlanFrame, scope: Scope, said: Mapping[int, Members], *, order: int, first_bit: int) -> None:
        """`said`: what the shared layers say in this rule, by the layer's index."""
        self.path = scope.path
        self._frame = frame
        self._scope = scope
        self._said = said
        # Makes the ranks of different scopes differ, and the no of an earlier scope the first.
        self._precedence = frame.scopes_count - order
        self._spread = frame.scopes_count + 1
        self._bits: dict[int, tuple[int, str, bool]] = {}
        self._answers: dict[int, tuple[RankedDecision, ...]] = {}
        self._next_bit = first_bit
        self.slots: dict[int, dict[str, Slot]] = {}
        """By the index of an own layer: its leaves that can matter, by path."""

        self.unnamed_bits: dict[int, int] = {}
        """By the index of an own layer: the bit that says it has choices in this rule that the question does not name."""

        for index, layer in enumerate(frame.layers):
            if layer.kind in _ORIGINS:
                self._lay_out(index)
        self.mask = self._next_bit - first_bit

    @property
    def next_bit(self) -> int:
        """The first bit that is not this rule's."""
        return self._next_bit

    def answers(self, pattern: int) -> tuple[RankedDecision, ...]:
        """What the rule says of each channel when the recipient's own leaves are these."""
        found = self._answers.get(pattern)
        if found is None:
            if len(self._answers) >= PATTERNS_MAX:
                self._answers.clear()
            found = self._answers[pattern] = self._work_out(pattern)
        return found

    def _lay_out(self, index: int) -> None:
        path = self._scope.path
        slots = self.slots[index] = {
            path + "/condition": BEYOND_A_PLAN,
            path + "/digest": BEYOND_A_PLAN,
            path + "/routing": OF_ROUTING,
            **{f"{path}/layering/{part}": BEYOND_A_PLAN for part in LAYERING_PARTS},
        }
        members = ["/enabled", "/otherwise", *(member for ref in self._frame.channels for member in choice_members(ref))]
        for member in dict.fromkeys(members):
            slots[path + member] = (self._bit(index, member, value=False), self._bit(index, member, value=True))
        if path:
            # Only beside a boolean does it matter that a rule has other choices, and the `all` rule knows no bare one.
            unnamed = self.unnamed_bits[index] = self._bit(index, _UNNAMED, value=True)
            for channel_type in CHANNEL_TYPES:
                slots.setdefault(f"{path}/channel_types/{channel_type}", (unnamed, unnamed))

    def _bit(self, index: int, member: str, *, value: bool) -> int:
        bit = self._next_bit
        self._bits[bit] = (index, member, value)
        self._next_bit <<= 1
        return bit

    def _work_out(self, pattern: int) -> tuple[RankedDecision, ...]:
        own: dict[int, dict[str, JsonValue]] = {}
        for bit, (index, member, value) in self._bits.items():
            if pattern & bit:
                own.setdefault(index, {})[member] = value
        said = sorted({**self._said, **own}.items())
        merged = merge_rule(said, self._scope.path)
        return tuple(self._answer(merged, channel) for channel in self._frame.channels)

    def _answer(self, merged: MergedRule, channel: ChannelRef) -> RankedDecision:
        best: RankedDecision = (self._precedence, PlanDecision(True, Reason.DEFAULT_ALLOW, ORIGIN_NOBODY))
        for asked in ask_merged(merged, choice_members(channel), self._frame.circumstances):
            standing = asked.standing
            rank = _NO_RANK
            if asked.answer.holds:
                rank = rank_of(standing.layer, self._scope.kind, standing.member) * self._spread
            if rank + self._precedence > best[0]:
                reason = reason_of(asked, self._frame.layers[standing.layer], self._scope.kind)
                best = (rank + self._precedence, self._decision(asked.answer.holds, reason, standing))
        return best

    def _decision(self, deliver: bool, reason: Reason, standing: Standing) -> PlanDecision:
        layer = self._frame.layers[standing.layer]
        path = layer.path_of(self._scope.path, standing.member)
        origin = _ORIGINS.get(layer.kind)
        if origin is not None:
            return PlanDecision(deliver, reason, origin, path)
        source = Source(layer.kind, layer.holder, layer.set_name, path)
        return PlanDecision(deliver, reason, ORIGIN_SHARED, None, source)
