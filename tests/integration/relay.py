"""A bad line to a node."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.integration.http.api import Api
from tests.server_process import ServerProcess


@contextmanager
def cutting_off(server: ServerProcess, words: str) -> Iterator[str]:
    """The address of a relay to the server that hangs up amid the answers of addresses in which these words stand."""

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            with closing(Api(server)) as api:
                response = api.client.request(self.command, server.url + self.path)
            whole = response.content
            cut = words in self.path
            self.send_response(response.status_code)
            self.send_header("Content-Type", response.headers["content-type"])
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2] if cut else whole)
            self.close_connection = cut

        do_GET = do_POST = do_DELETE = relay  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as relay:
        thread = Thread(target=relay.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{relay.server_port}"
        finally:
            relay.shutdown()
            thread.join()
