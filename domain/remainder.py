"""What a late event has left to say: one that was parked is said anew, and must undo nothing that was said since.

Later events are folded over it as if it had counted where it stood. What then differs from the present is what it has
left to say, except where a later event spoke: there, the later word stands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from domain.document import MISSING, Change, Leaves, Missing, Unset, changes_between, replayed, same
from domain.event import Body, HolderDescribed, PreferenceSetMerged, PreferenceSetReplaced, item_of
from domain.fold import fold
from domain.overruled import Noes, is_overruled, noes_among, union
from domain.pointer import ancestors, keys_of
from domain.preference_set import Patch


@dataclass(frozen=True, slots=True)
class Later:
    """An event that was applied since, and what it changed in the item."""

    body: Body
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Since:
    """An item as it stood where the late event should have counted, and what was said of it since."""

    before: Leaves
    later: Sequence[Later] = ()

    @cached_property
    def now(self) -> Leaves:
        """The item's leaves after all of that."""
        return replayed(self.before, [change for event in self.later for change in event.changes])

    @cached_property
    def touched(self) -> frozenset[str]:
        """The leaves that were changed, even if they were changed back."""
        changes = (change for event in self.later for change in event.changes)
        return frozenset(change.path for change in changes if not _is_shell(change))

    @cached_property
    def spoken(self) -> frozenset[str]:
        """The leaves of which something was said, also where that changed nothing: whoever says no again means it."""
        return self.touched.union(*(_paths_said(event.body) for event in self.later))

    @cached_property
    def noes(self) -> Noes:
        """Where the item says no since then."""
        return noes_among(self.spoken, self.now)


@dataclass(frozen=True, slots=True)
class Remainder:
    """A merge that says what is left to say, and the paths at which that is not what was meant."""

    patch: Patch
    superseded: tuple[str, ...]


def remainder(body: Body, item: str, since: Since, others: Iterable[Since] = ()) -> Remainder:
    """What `body`, an event of one preference set or of properties, has left to say of its item.

    The merge changes no leaf that a later event changed, and says no yes to which a newer no in another rule would give
    way under some policy, be it in one of the `others`: the holder's sets that are asked together with this one.
    """
    meant = _after(body, item, since.before)
    rebased = meant
    for event in since.later:
        rebased = _after(event.body, item, rebased)
    elsewhere = union(other.noes for other in others)
    above_touched = {above for path in since.touched for above in ancestors(path)}
    left = [
        change
        for change in changes_between(since.now, rebased)
        if not _is_touched(change.path, since.touched, above_touched)
        and (isinstance(change.after, Missing) or not is_overruled(change.path, change.after, since.noes, elsewhere))
    ]
    as_meant = {change.path for change in left if same(change.after, meant.get(change.path, MISSING))}
    wanted = {change.path for change in changes_between(since.before, meant) if not _is_shell(change)}
    return Remainder(_merge_of(left), tuple(sorted(wanted - as_meant)))


def _after(body: Body, item: str, leaves: Leaves) -> Leaves:
    return fold(body, item_of(body), {item: leaves}).get(item, leaves)


def _paths_said(body: Body) -> Iterable[str]:
    """The leaves that an event writes, whether or not that changed anything."""
    match body:
        case PreferenceSetMerged(patch=Patch(leaves=leaves)) | PreferenceSetReplaced(leaves=leaves):
            return leaves
        case HolderDescribed(patch=Patch(leaves=leaves)):
            return leaves
    return ()


def _is_shell(change: Change) -> bool:
    """Whether there was nothing on both sides, or no more than an empty object: that is no opinion."""
    return all(isinstance(side, Missing) or (isinstance(side, dict) and not side) for side in (change.before, change.after))


def _is_touched(path: str, touched: frozenset[str], above_touched: set[str]) -> bool:
    """Whether a later event changed this leaf, one below it, or one in whose place it would come."""
    return path in touched or path in above_touched or any(above in touched for above in ancestors(path))


def _merge_of(changes: Iterable[Change]) -> Patch:
    leaves: Leaves = {}
    unsets: list[Unset] = []
    for change in changes:
        if isinstance(change.after, Missing):
            unsets.append(Unset(keys_of(change.path)))
        else:
            leaves[change.path] = change.after
    return Patch(leaves, tuple(unsets))
