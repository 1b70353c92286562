"""What a producer's answer or failure means for the records it carried. Pure: values in, outcomes out.

Unless the broker says something that must be true of every attempt to store these bytes, a failure is Unknown: aiokafka
tries a batch again by itself, so an earlier attempt may have been stored (KIP-98 keeps it to once, not to none).
"""

from typing import Final

from aiokafka import errors

from services.log.port import AppendOutcome, Refused, Stored, Unknown

_NEVER_STORED: Final = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTopicError,
    errors.InvalidTimestampError,
    errors.InvalidRequiredAcksError,
    errors.UnsupportedForMessageFormatError,
    errors.PolicyViolationError,
    errors.IncompatibleBrokerVersion,
)
# Kafka checks rights before it writes. They would have to change between two attempts for this to be wrong, and then
# sending the same event again does no harm: the fold knows its id.
_NOT_ALLOWED: Final = (errors.TopicAuthorizationFailedError, errors.ClusterAuthorizationFailedError)


def outcomes_of_answer(topic: str, base_offset: int, timestamp_milliseconds: int, count: int) -> list[AppendOutcome]:
    """The records of one acknowledged batch. Offset -1 acknowledges a duplicate whose place the broker forgot."""
    if base_offset < 0:
        return [Unknown("Kafka has the records, but no longer knows where.")] * count
    if timestamp_milliseconds < 0:
        return [Unknown(f"The topic {topic} no longer has message.timestamp.type=LogAppendTime. Set it again.")] * count
    return [Stored(base_offset + index, timestamp_milliseconds) for index in range(count)]


def outcome_of_failure(topic: str, error: Exception) -> Refused | Unknown:
    """The one outcome of every record in a batch that failed."""
    if isinstance(error, _NEVER_STORED):
        return Refused(f"Kafka does not take the record: {_said(error)}.")
    if isinstance(error, _NOT_ALLOWED):
        return Refused(f"Kafka does not let us write: {_said(error)}. Grant WRITE on the topic {topic}.")
    if isinstance(error, TimeoutError):
        return Unknown("Kafka did not answer in time. Check that its brokers run, and that enough replicas are in sync.")
    return Unknown(f"Kafka failed while it was storing: {_said(error)}. Check its brokers.")


def needs_new_producer(outcomes: list[AppendOutcome]) -> bool:
    """After anything but success the producer's sequence numbers no longer match the broker's (aiokafka #1017)."""
    return any(not isinstance(outcome, Stored) for outcome in outcomes)


def went_back(outcomes: list[AppendOutcome], expected_end: int) -> bool:
    """Whether a record got an offset that another record had already: the topic was cut or made anew."""
    return bool(outcomes) and isinstance(outcomes[0], Stored) and outcomes[0].offset < expected_end


def unreachable(bootstrap_servers: str, error: BaseException) -> str:
    """The sentence for a cluster that does not answer."""
    return (
        f"Kafka at {bootstrap_servers} can't be reached ({str(error) or 'no answer in time'}). "
        "Check the address, and that its brokers run."
    )


def no_such_offset(topic: str, offset: int) -> str:
    """The sentence for a place that the topic does not have."""
    return (
        f"The topic {topic} has no offset {offset}: it was cut or made anew. "
        "Restore the topic, or, if the new one is the right one, delete the views and start again."
    )


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
