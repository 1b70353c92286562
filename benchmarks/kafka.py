"""Real Kafka: a cluster that is named, or a broker of our own."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.kafka_broker import find_broker, find_servers


@contextmanager
def kafka() -> Iterator[str]:
    """The address of a cluster to make topics in. Raises NoBrokerError."""
    servers = find_servers()
    if servers is not None:
        yield servers
        return
    broker = find_broker()
    try:
        yield broker.bootstrap_servers
    finally:
        broker.close()
