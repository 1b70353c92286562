"""A bulk operation, row by row: the same events on every node that takes a part in it."""

from domain.event import Body, BulkRequested, HolderDescribed, HolderForgotten, PreferenceSetMerged
from domain.preference_set import Patch


def bodies_of(request: BulkRequested, at: int) -> list[Body]:
    """What the operation says of its holder number `at`, in order."""
    if not request.rows:
        return [PreferenceSetMerged(request.set_id, Patch(request.leaves, request.unsets, request.spell_out))]
    row = request.rows[at]
    bodies: list[Body] = []
    if row.properties is not None:
        bodies.append(HolderDescribed(Patch(row.properties)))
    bodies += [PreferenceSetMerged(set_id, patch) for set_id, patch in row.sets]
    if row.forgotten is not None:
        bodies.append(HolderForgotten(row.forgotten))
    return bodies
