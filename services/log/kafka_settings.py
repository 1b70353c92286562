"""Every setting of the Kafka clients, in one place, because aiokafka's own defaults are unsafe for a ledger.

They are `acks=1`, no idempotence, automatic offset commits, `auto_offset_reset=latest` and uncommitted reads.
"""

import ssl
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.helpers import create_ssl_context

CLIENT_ID: Final = "prefledger"
# Half of what a start may take: cancelled in the middle of its first question, aiokafka leaves the connection open.
REQUEST_TIMEOUT_MILLISECONDS: Final = 5_000
RETRY_BACKOFF_MILLISECONDS: Final = 100
METADATA_MAX_AGE_MILLISECONDS: Final = 60_000
CONNECTIONS_MAX_IDLE_MILLISECONDS: Final = 540_000
FETCH_MAX_WAIT_MILLISECONDS: Final = 500
FETCH_MAX_BYTES: Final = 8 * 1024 * 1024
REBALANCE_TIMEOUT_MILLISECONDS: Final = 30_000
POLL_INTERVAL_MILLISECONDS: Final = 300_000
TRANSACTION_TIMEOUT_MILLISECONDS: Final = 15_000


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """How to reach a cluster that asks who is there. Names and values are Kafka's own (`security.protocol`...)."""

    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None


def connection_settings(bootstrap_servers: str, options: KafkaOptions) -> dict[str, Any]:
    """What producer, consumer and admin client have in common."""
    return {
        "bootstrap_servers": bootstrap_servers,
        "client_id": CLIENT_ID,
        "request_timeout_ms": REQUEST_TIMEOUT_MILLISECONDS,
        "retry_backoff_ms": RETRY_BACKOFF_MILLISECONDS,
        "metadata_max_age_ms": METADATA_MAX_AGE_MILLISECONDS,
        "connections_max_idle_ms": CONNECTIONS_MAX_IDLE_MILLISECONDS,
        "security_protocol": options.security_protocol,
        "ssl_context": _ssl_context(options),
        "sasl_mechanism": options.sasl_mechanism,
        "sasl_plain_username": options.sasl_username,
        "sasl_plain_password": options.sasl_password,
    }


def producer_settings(bootstrap_servers: str, options: KafkaOptions, *, batch_bytes_max: int) -> dict[str, Any]:
    """An acknowledged record is on every in-sync replica, once, in order."""
    return connection_settings(bootstrap_servers, options) | {
        "acks": "all",
        "enable_idempotence": True,
        "transactional_id": None,
        "compression_type": None,
        "key_serializer": None,
        "value_serializer": None,
        "linger_ms": 0,
        "max_batch_size": batch_bytes_max,
        "max_request_size": batch_bytes_max,
    }


def consumer_settings(bootstrap_servers: str, options: KafkaOptions) -> dict[str, Any]:
    """No group, no commits, no resets: the position is the views' own. Bytes come out as they went in."""
    return connection_settings(bootstrap_servers, options) | {
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "check_crcs": True,
        "key_deserializer": None,
        "value_deserializer": None,
        "fetch_min_bytes": 1,
        "fetch_max_wait_ms": FETCH_MAX_WAIT_MILLISECONDS,
        "fetch_max_bytes": FETCH_MAX_BYTES,
        "max_partition_fetch_bytes": FETCH_MAX_BYTES,
        "max_poll_records": None,
    }


def group_settings(
    bootstrap_servers: str, options: KafkaOptions, *, group_id: str, session_seconds: float
) -> dict[str, Any]:
    """A member of a group that keeps its progress by transactions, and never by the consumer's own commits.

    A join is answered only once every member has come, or its session is over: a request has to wait for longer.
    """
    session_milliseconds = int(session_seconds * 1000)
    return consumer_settings(bootstrap_servers, options) | {
        "group_id": group_id,
        "session_timeout_ms": session_milliseconds,
        "heartbeat_interval_ms": max(1, session_milliseconds // 3),
        "rebalance_timeout_ms": REBALANCE_TIMEOUT_MILLISECONDS,
        "max_poll_interval_ms": POLL_INTERVAL_MILLISECONDS,
        "request_timeout_ms": REBALANCE_TIMEOUT_MILLISECONDS + session_milliseconds + REQUEST_TIMEOUT_MILLISECONDS,
    }


def transaction_settings(
    bootstrap_servers: str, options: KafkaOptions, *, transactional_id: str, batch_bytes_max: int
) -> dict[str, Any]:
    """A producer whose transactions end soon, or are given up by the broker: an open one holds up its readers."""
    return producer_settings(bootstrap_servers, options, batch_bytes_max=batch_bytes_max) | {
        "transactional_id": transactional_id,
        "transaction_timeout_ms": TRANSACTION_TIMEOUT_MILLISECONDS,
    }


def _ssl_context(options: KafkaOptions) -> ssl.SSLContext | None:
    if options.security_protocol not in ("SSL", "SASL_SSL"):
        return None
    return create_ssl_context(cafile=options.ssl_cafile)
