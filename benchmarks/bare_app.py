"""The baseline: a bare Starlette route that parses a JSON body and answers a JSON of the same size."""

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ANSWER: dict[str, object] = {}


async def answer(request: Request) -> JSONResponse:
    """Parse, and answer what was prepared."""
    await request.json()
    return JSONResponse(ANSWER)


def main() -> None:
    """Serve on a port with an answer of so many bytes: `python -m benchmarks.bare_app PORT BYTES`."""
    port, size = int(sys.argv[1]), int(sys.argv[2])
    decision = {"channel_type": "email", "deliver": False, "reason": "channel_type_opt_out", "decided_by": {"path": "/a"}}
    ANSWER.update({"decisions": [decision] * 4, "filler": ""})
    ANSWER["filler"] = "x" * max(0, size - len(JSONResponse(ANSWER).body))
    app = Starlette(routes=[Route("/ledger/v1/evaluate", answer, methods=["POST"])])
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", lifespan="off", log_config=None, access_log=False, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
