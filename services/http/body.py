"""Reading a request's body: bounded in size and in time, whoever sends it."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from services.errors import TooLarge
from services.http.problems import Problem

AsgiScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


async def read_body(scope: AsgiScope, receive: Receive, *, bytes_max: int, timeout_seconds: float) -> bytes:
    """The whole body. Raises TooLarge, as early as it can be told, or Problem where it stops coming."""
    _check_declared(scope, bytes_max)
    chunks: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(timeout_seconds):
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
    except TimeoutError:
        raise Problem("timeout", f"the body did not arrive within {timeout_seconds:g} seconds") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check_declared(scope: AsgiScope, bytes_max: int) -> None:
    for name, value in scope["headers"]:
        # The server has refused a length that is no number.
        if name == b"content-length" and value.isdigit() and int(value) > bytes_max:
            raise TooLarge(f"the body has {value.decode()} bytes; at most {bytes_max} are allowed")
