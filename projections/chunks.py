"""Statements that ask for many keys, so many at once as every SQLite build takes."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

CHUNK: Final = 400
"""Keys a statement asks for at once: below every SQLite build's limit of parameters, even at two a key."""

Key = TypeVar("Key")


def chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """The keys in their order, `CHUNK` of them at once."""
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]


def marks(count: int, one: str = "?") -> str:
    """So many marks for parameters."""
    return ",".join([one] * count)
