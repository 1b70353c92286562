import pytest
from aiokafka import errors

from services.log.kafka_outcome import needs_new_producer, outcome_of_failure, outcomes_of_answer, went_back
from services.log.port import AppendOutcome, Refused, Stored, Unknown


def test_the_records_of_a_batch_follow_its_first_offset() -> None:
    assert outcomes_of_answer("topic", 7, 99, 3) == [Stored(7, 99), Stored(8, 99), Stored(9, 99)]


@pytest.mark.parametrize(("offset", "timestamp"), [(-1, 99), (-1, -1), (7, -1)])
def test_an_acknowledgement_without_a_place_or_a_time_is_unknown(offset: int, timestamp: int) -> None:
    outcomes = outcomes_of_answer("topic", offset, timestamp, 2)
    assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]


@pytest.mark.parametrize(
    "error",
    [
        errors.MessageSizeTooLargeError(),
        errors.RecordListTooLargeError(),
        errors.InvalidTopicError(),
        errors.PolicyViolationError(),
        errors.UnsupportedForMessageFormatError(),
        errors.TopicAuthorizationFailedError("topic"),
        errors.ClusterAuthorizationFailedError(),
    ],
)
def test_what_can_never_have_been_stored_is_refused(error: Exception) -> None:
    outcome = outcome_of_failure("topic", error)
    assert isinstance(outcome, Refused)
    assert type(error).__name__ in outcome.reason


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        errors.RequestTimedOutError(),
        errors.KafkaTimeoutError(),
        errors.KafkaConnectionError("gone"),
        errors.NotEnoughReplicasAfterAppendError(),
        errors.OutOfOrderSequenceNumber(),
        errors.UnknownProducerId(),
        errors.ProducerFenced(),
        errors.ProducerClosed(),
        errors.NotLeaderForPartitionError(),
        errors.UnknownError(),
        errors.KafkaStorageError(),
        errors.CorruptRecordException(),
    ],
)
def test_what_an_earlier_attempt_may_have_stored_is_unknown(error: Exception) -> None:
    assert isinstance(outcome_of_failure("topic", error), Unknown)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [([], False), ([Stored(0, 1)], False), ([Unknown("?")], True), ([Refused("!")], True)],
)
def test_a_producer_is_kept_only_after_success(outcomes: list[AppendOutcome], expected: bool) -> None:
    assert needs_new_producer(outcomes) is expected


@pytest.mark.parametrize(
    ("outcomes", "end", "expected"),
    [
        ([Stored(5, 1)], 5, False),
        ([Stored(9, 1)], 5, False),
        ([Stored(4, 1)], 5, True),
        ([Stored(0, 1)], 0, False),
        ([Unknown("?")], 5, False),
        ([], 5, False),
    ],
)
def test_an_offset_given_out_twice_shows_another_topic(outcomes: list[AppendOutcome], end: int, expected: bool) -> None:
    assert went_back(outcomes, end) is expected
