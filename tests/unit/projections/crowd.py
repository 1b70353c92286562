"""Holders whose streams begin alike, so that their rows stand side by side in one block."""

from domain.holder import Holder, user
from projections.places import BLOCK
from tests.unit.projections.records import Records, merge_of

BEGINNING = b"\xff\xee\xdd\xcc\xbb\xaa\x99"
"""Seven bytes; the eighth's three lowest bits tell nobody's block."""


def alike(number: int) -> bytes:
    """One of many streams with the same block."""
    return BEGINNING + bytes((0x98 + number % BLOCK,)) + number.to_bytes(8)


def holder_of(number: int) -> Holder:
    return user(f"u{number}")


def set_of(number: int) -> dict[str, bool]:
    return {f"/workflows/w{number}/enabled": False}


def crowded(count: int) -> Records:
    """A log in which so many holders, each with a set of its own, stand in one block."""
    records = Records()
    for number in range(count):
        body = merge_of({"workflows": {f"w{number}": False}})
        records.add(holder_of(number), body, stream=alike(number), key=alike(number))
    return records
