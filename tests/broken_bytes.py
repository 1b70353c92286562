"""Bytes broken in many ways, the same ones for the same seed."""

import random


def broken(value: bytes, chance: random.Random, first: int = 10) -> bytes:
    """The bytes after a few cuts, flips and insertions, the first so many left as they are."""
    changed = bytearray(value)
    for _ in range(chance.choice([1, 1, 1, 2, 8])):
        at = chance.randrange(first, max(first + 1, len(changed)))
        match chance.randrange(5):
            case 0:
                del changed[at:]
            case 1:
                changed[at:at] = chance.randbytes(chance.randrange(1, 12))
            case 2:
                del changed[at : at + chance.randrange(1, 9)]
            case 3:
                changed[at : at + 1] = bytes([chance.choice([0, 1, 2, 3, 0x7F, 0x80, 0xFF])])
            case _:
                changed[at : at + 1] = chance.randbytes(1)
    return bytes(changed)
