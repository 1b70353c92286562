"""Who chose what: for each plain choice of each set, the holders that made it."""

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=65_536)
def rule_number(item: str, path: str) -> int:
    """A rule's number in the index: 63 bits of a hash, so that no table of names has to be kept or looked up.

    Whoever reads the index looks at the item itself too, so a collision could only cost a look, never an answer.
    """
    return int.from_bytes(blake2b(f"{item}\0{path}".encode(), digest_size=8).digest()) >> 1
