"""The leaves of a recipient's own set that can matter to a plan, and the bits of the pattern that they add up to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from domain.facts import LeavesView
from domain.json_value import JsonValue
from domain.layers import is_shell
from domain.routing import applies

LARGE_SET: Final = 64
"""Leaves from which on it is quicker to pick out what matters first, and from which on a set is no usual one."""

PATHS_MAX: Final = 4_096
"""Paths of which it is remembered that they do not matter."""


class Slot(Protocol):
    """What a leaf adds to the pattern, by its value. Raises LookupError or TypeError for what a plan can't answer."""

    def __getitem__(self, value: Any, /) -> int: ...


class _OfRouting:
    """A routing that does not apply adds nothing."""

    def __getitem__(self, value: JsonValue, /) -> int:
        if applies(value):
            raise LookupError("a routing applies")
        return 0


class _OfUnnamedChannel:
    """Any choice of a channel that the question does not name adds the same."""

    def __init__(self, bit: int) -> None:
        self._bit = bit

    def __getitem__(self, value: JsonValue, /) -> int:
        return 0 if is_shell(value) else self._bit


BEYOND_A_PLAN: Final[Slot] = ()
"""The slot of a leaf that only the evaluator can answer, whatever its value."""
OF_ROUTING: Final[Slot] = _OfRouting()


class Slots(dict[str, Slot | None]):
    """The slots of one of the recipient's sets, by path; None for a leaf that does not matter.

    Most recipients have the same paths, so what a path comes to is worked out once.
    """

    def __init__(self, named: Mapping[str, Slot], unnamed: Sequence[tuple[str, int]] = ()) -> None:
        """`unnamed`: the beginnings of paths under which a rule keeps choices of concrete channels, and their bit."""
        super().__init__(named)
        self._named = frozenset(named)
        self._unnamed = [(prefix, _OfUnnamedChannel(bit)) for prefix, bit in unnamed]

    @property
    def named(self) -> frozenset[str]:
        """The paths that matter, but for those of channels that the question does not name."""
        return self._named

    def __missing__(self, path: str) -> Slot | None:
        slot = self._of_unnamed(path)
        if len(self) < PATHS_MAX:
            self[path] = slot
        return slot

    def pattern_of(self, own: LeavesView) -> int:
        """The leaves that matter, as bits. Raises LookupError or TypeError for what a plan can't answer."""
        paths = own if len(own) < LARGE_SET else self._that_matter(own)
        pattern = 0
        for path in paths:
            slot = self[path]
            if slot is not None:
                pattern |= slot[own[path]]
        return pattern

    def _of_unnamed(self, path: str) -> Slot | None:
        return next((slot for prefix, slot in self._unnamed if path.startswith(prefix)), None)

    def _that_matter(self, own: LeavesView) -> set[str]:
        """Of a large set, whose paths must not fill the memory."""
        paths = set(self._named & own.keys())
        if self._unnamed:
            paths.update(path for path in own if "/channels/" in path and self._of_unnamed(path) is not None)
        return paths
