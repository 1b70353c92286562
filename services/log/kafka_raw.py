# mypy: allow-untyped-calls
"""Fetching from a partition without aiokafka's reading of the records. Like kafka_discard, written for aiokafka 0.14."""

from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import LeaderNotAvailableError, NoError, for_code
from aiokafka.protocol.fetch import FetchRequest

from services.log.kafka_settings import FETCH_MAX_BYTES

_READ_COMMITTED: Final = 1
_WITH_REPLICA: Final = 11
"""The version of the answer from which on it names a preferred replica behind the given up transactions."""


async def fetch_raw(
    consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int
) -> tuple[bytes, list[tuple[int, int]]]:
    """The bytes from the batch with this offset on, and the transactions among them that were given up.

    Those are producer ids with first offsets. The caller sets the deadline. Raises KafkaError.
    """
    client = consumer._client
    leader = client.cluster.leader_for_partition(partition)
    if leader is None or leader < 0:
        raise LeaderNotAvailableError(partition)
    asked = [(partition.topic, [(partition.partition, offset, FETCH_MAX_BYTES)])]
    answer: Any = await client.send(leader, FetchRequest(0, 1, FETCH_MAX_BYTES, _READ_COMMITTED, asked, rack_id=""))
    ((_, ((_, code, _, *rest),)),) = answer.topics
    if for_code(code) is not NoError:
        raise for_code(code)(partition)
    aborted = rest[2] if answer.API_VERSION >= _WITH_REPLICA else rest[-2]
    return bytes(rest[-1] or b""), [(producer, first) for producer, first in aborted or ()]
