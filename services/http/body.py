"""Reading a request's body, bounded in size. How long it may take to come, the protocol sees to (`protocol.py`)."""

from services.errors import TooLarge
from services.http.asgi import AsgiScope, Message, Receive
from services.http.problems import Problem


async def read_body(scope: AsgiScope, receive: Receive, *, bytes_max: int) -> bytes:
    """The whole body. Raises TooLarge, as early as it can be told, or Problem where it stops coming."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            check_declared(value, bytes_max)
    return await receive_body(receive, bytes_max=bytes_max)


async def receive_body(receive: Receive, *, bytes_max: int) -> bytes:
    """The same for who has already looked at what the headers declare, while it looked through them."""
    message = await receive()
    received: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] == "http.disconnect" or len(received) > bytes_max:
        return await _receive_rest(message, receive, bytes_max)
    return received


async def _receive_rest(message: Message, receive: Receive, bytes_max: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise Problem("bad-request", "the connection was closed before the whole body had come")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise TooLarge(f"the body has more than {bytes_max} bytes, which is the most allowed")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


def check_declared(length: bytes, bytes_max: int) -> None:
    """Raises TooLarge for a Content-Length over the limit. The server has refused one that is no number."""
    if length.isdigit() and int(length) > bytes_max:
        raise TooLarge(f"the body has {length.decode()} bytes; at most {bytes_max} are allowed")
