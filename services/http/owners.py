"""Whose address this is: several dialects share one host, and this table settles which of them answers."""

from collections.abc import Iterable

KNOCK = "knock"
NOVU = "novu"
COURIER = "courier"

_NOVU_ONLY = (b"/v1/inbox", b"/v1/subscribers")


def owner_of(raw_path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The dialect of a path that is not ours; None for our own and for what belongs to the node itself.

    The scheme of the Authorization header decides where two dialects have the same path: `ApiKey` is Novu's. A browser's
    preflight has no such header; what Novu's browser clients call is Novu's by its path.
    """
    if raw_path == b"/ledger" or raw_path.startswith(b"/ledger/"):
        return None
    if _below(raw_path, b"/v2") or any(_below(raw_path, path) for path in _NOVU_ONLY):
        return NOVU
    if _below(raw_path, b"/v1"):
        return NOVU if _scheme(headers) == b"apikey" else KNOCK
    return COURIER


def _below(raw_path: bytes, prefix: bytes) -> bool:
    return raw_path == prefix or raw_path.startswith(prefix + b"/")


def _scheme(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    for name, value in headers:
        if name == b"authorization":
            return value.partition(b" ")[0].lower()
    return b""
