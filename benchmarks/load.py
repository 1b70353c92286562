"""A load generator: raw HTTP/1.1 over a few kept connections, cheap enough not to be what is measured."""

import asyncio
import time
from collections import deque
from collections.abc import Callable


class Connection(asyncio.Protocol):
    """One kept connection with at most one request in flight."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answered: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) >= length and self._answered is not None:
            self._buffer = b""
            if not head.startswith(b"HTTP/1.1 200"):
                self._answered.set_exception(RuntimeError(f"{head[:40]!r} {rest[:300]!r}"))
            else:
                self._answered.set_result(rest)

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send one request; the future gives the body of its answer."""
        if self._transport is None:
            raise RuntimeError("the connection is not open")
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def connect(port: int, count: int) -> list[Connection]:
    """So many open connections."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(Connection, "127.0.0.1", port) for _ in range(count)]
    return [protocol for _, protocol in made]


def get(path: str, token: str) -> bytes:
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def post(path: str, body: bytes, token: str) -> bytes:
    """The bytes of a POST."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def closed_loop(port: int, make: Callable[[], bytes], seconds: float, connections: int) -> int:
    """Requests answered in so many seconds, each connection asking again as soon as it is answered."""
    opened = await connect(port, connections)
    deadline = time.perf_counter() + seconds
    answered = 0

    async def ask_on(connection: Connection) -> None:
        nonlocal answered
        while time.perf_counter() < deadline:
            await connection.ask(make())
            answered += 1

    await asyncio.gather(*map(ask_on, opened))
    for connection in opened:
        connection.close()
    return answered


async def open_loop(port: int, make: Callable[[], bytes], seconds: float, rate: int, connections: int) -> list[float]:
    """Latencies in seconds of requests sent at a fixed rate, each counted from when it was due, sent or not."""
    opened = await connect(port, connections)
    free = deque(opened)
    waiting: deque[float] = deque()
    latencies: list[float] = []
    idle = asyncio.Event()

    def send(due: float) -> None:
        connection = free.popleft()
        answered = connection.ask(make())
        answered.add_done_callback(lambda done: finish(done, connection, due))

    def finish(done: "asyncio.Future[bytes]", connection: Connection, due: float) -> None:
        done.result()
        latencies.append(time.perf_counter() - due)
        free.append(connection)
        if waiting:
            send(waiting.popleft())
        elif len(free) == connections:
            idle.set()

    begun = time.perf_counter()
    total = int(seconds * rate)
    sent = 0
    while sent < total:
        now = time.perf_counter()
        while sent < total and begun + sent / rate <= now:
            due = begun + sent / rate
            idle.clear()
            if free:
                send(due)
            else:
                waiting.append(due)
            sent += 1
        await asyncio.sleep(0.0002)
    await asyncio.wait_for(idle.wait(), 30)
    for connection in opened:
        connection.close()
    return latencies
