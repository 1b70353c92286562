"""Locks: rules that the recipient's own choices can't change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.layers import CATALOGUE_KINDS, OWN_KINDS, Layer
from domain.question import Scope
from domain.reason import Reason
from domain.trace import RANK_LOCK, TraceEntry, Verdict, entry_of


@dataclass(frozen=True, slots=True)
class Locks:
    """The paths of the locked rules in play, and what was looked at to find them."""

    paths: frozenset[str]
    entries: tuple[TraceEntry, ...]


def locks_in_force(layers: Sequence[Layer], scopes: Sequence[Scope]) -> Locks:
    """What locks, the workflow's rule first. `layers` go from weak to strong; recipients lock nothing.

    Of a rule the strongest layer that says anything decides. A workflow's two default rules are one layer here, and
    either of them locks.
    """
    speaking = [layer for layer in reversed(layers) if layer.kind not in OWN_KINDS]
    paths: set[str] = set()
    entries: list[TraceEntry] = []
    for scope in reversed(scopes):
        for layer in speaking:
            locked = layer.leaves.get(f"{scope.path}/locked")
            if locked is True:
                paths.add(scope.path)
                entries.append(entry_of(layer, Verdict.LOCKS, scope.path, "/locked", True, Reason.REQUIRED, rank=RANK_LOCK))
                break
            if locked is False:
                entries.append(entry_of(layer, Verdict.LIFTS, scope.path, "/locked", False))
                if layer.kind not in CATALOGUE_KINDS:
                    break
    return Locks(frozenset(paths), tuple(entries))


def unlocked_layers(layers: Iterable[Layer]) -> list[Layer]:
    """The layers that are looked at while a rule in play is locked."""
    return [layer for layer in layers if layer.kind not in OWN_KINDS]
