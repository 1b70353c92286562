"""Request ids: what a request is called in the log, in events and in its answer."""

import os
import re
from collections.abc import Mapping
from itertools import count

REQUEST_ID_HEADER = b"x-request-id"

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

# A request's own id: which start of a node, and the how manieth request. Cheaper than a random one, and as unique.
_NODE = os.urandom(6).hex().encode()
_requests = count(1)


def request_id_of(headers: Mapping[bytes, bytes]) -> bytes:
    """The caller's own id if it is a decent one, else a fresh one."""
    asked = headers.get(REQUEST_ID_HEADER)
    return asked if asked is not None and _REQUEST_ID.fullmatch(asked) else b"%b-%x" % (_NODE, next(_requests))
