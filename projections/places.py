"""Where a holder's row stands in its table: its stream tells the place, so that no index is needed to find it.

A stream's first 61 bits tell a block of eight places; the first that is free when the ledger first hears of the holder
is its own. Streams are keyed hashes: nobody without the secret can make them meet, and by chance one pair among two
billion does. Rows are never deleted, so a block is always filled from its first place on.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from struct import iter_unpack
from typing import Final

STREAM_BYTES: Final = 16
BLOCK: Final = 8

OF_STREAM: Final = "place BETWEEN ? AND ? AND stream = ?"
"""The holder's row, by `of_stream`."""
ID_OF_STREAM: Final = f"(SELECT id FROM holders WHERE {OF_STREAM})"  # noqa: S608 - a constant
"""The holder's id, by `of_stream`."""


def of_stream(stream: bytes) -> tuple[int, int, bytes]:
    """What `OF_STREAM` takes."""
    first = first_place(stream)
    return first, first + BLOCK - 1, stream


def first_place(stream: bytes) -> int:
    """Where the stream's block begins: nearly always the place of its holder."""
    return int.from_bytes(stream[:8], "big", signed=True) & -BLOCK


def first_places(streams: Iterable[bytes]) -> Sequence[int]:
    """The same of many streams of `STREAM_BYTES` each."""
    return [number & -BLOCK for (number,) in iter_unpack(">q8x", b"".join(streams))]


def free_place(stream: bytes, taken: AbstractSet[int]) -> int | None:
    """The place of a new holder, beside those that are taken in its stream's block.

    None where all are: nine streams do not begin with the same 61 bits by chance, somebody has forged them.
    """
    first = first_place(stream)
    if first not in taken:
        return first
    return next((place for place in range(first, first + BLOCK) if place not in taken), None)
