"""Reading a request's body: bounded in size and in time, whoever sends it."""

import asyncio

from services.errors import TooLarge
from services.http.asgi import AsgiScope, Receive
from services.http.deadlines import Deadlines
from services.http.problems import Problem

_deadlines = Deadlines()


async def read_body(scope: AsgiScope, receive: Receive, *, bytes_max: int, timeout_seconds: float) -> bytes:
    """The whole body. Raises TooLarge, as early as it can be told, or Problem where it stops coming."""
    _check_headers(scope, bytes_max)
    return await receive_body(receive, bytes_max=bytes_max, timeout_seconds=timeout_seconds)


async def receive_body(receive: Receive, *, bytes_max: int, timeout_seconds: float) -> bytes:
    """The same for who has already looked at what the headers declare, while it looked through them."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a body is read in a task")
    _deadlines.watch(task, timeout_seconds)
    try:
        return await _read(receive, bytes_max)
    except asyncio.CancelledError:
        if _deadlines.unwatch(task):
            raise Problem("timeout", f"the body did not arrive within {timeout_seconds:g} seconds") from None
        raise
    finally:
        _deadlines.unwatch(task)


async def _read(receive: Receive, bytes_max: int) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem("bad-request", "the connection was closed before the whole body had come")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise TooLarge(f"the body has more than {bytes_max} bytes, which is the most allowed")
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check_headers(scope: AsgiScope, bytes_max: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            check_declared(value, bytes_max)


def check_declared(length: bytes, bytes_max: int) -> None:
    """Raises TooLarge for a Content-Length over the limit. The server has refused one that is no number."""
    if length.isdigit() and int(length) > bytes_max:
        raise TooLarge(f"the body has {length.decode()} bytes; at most {bytes_max} are allowed")
