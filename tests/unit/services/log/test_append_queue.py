import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from schemas.record import NewRecord
from services.log.append_queue import NOT_OPEN, AppendLimits, AppendQueue, record_bytes
from services.log.port import AppendOutcome, LogUnavailable, LogUnfit, Refused, Stored, Unknown

LIMITS = AppendLimits(
    waiting_records_max=100,
    waiting_bytes_max=100_000,
    batch_records_max=10,
    batch_bytes_max=2_000,
    record_bytes_max=1_000,
)
TIMEOUT_SECONDS = 20.0


class GatedStore:
    """A store in memory whose commits wait for the test to let them through."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.gate = asyncio.Semaphore(0)
        self.began = asyncio.Event()
        self.hindrance: Exception | None = None
        self.failure: Refused | Unknown | Exception | None = None
        self._end = 0

    async def prepare(self) -> None:
        if self.hindrance is not None:
            raise self.hindrance

    async def commit(self, records: Sequence[NewRecord], deadline: float) -> list[AppendOutcome]:
        self.batches.append([record.value for record in records])
        self.began.set()
        await self.gate.acquire()
        self.began.clear()
        if isinstance(self.failure, Exception):
            raise self.failure
        if self.failure is not None:
            return [self.failure] * len(records)
        start, self._end = self._end, self._end + len(records)
        return [Stored(start + index, 0) for index in range(len(records))]

    def let_through(self, commits: int = 1_000) -> None:
        for _ in range(commits):
            self.gate.release()


def records(*names: str) -> list[NewRecord]:
    return [NewRecord(b"key", name.encode()) for name in names]


@pytest.fixture
def store() -> GatedStore:
    return GatedStore()


@pytest.fixture
async def queue(store: GatedStore) -> AsyncIterator[AppendQueue]:
    queue = AppendQueue(store, LIMITS)
    queue.start()
    yield queue
    store.let_through()
    await queue.stop(timeout_seconds=TIMEOUT_SECONDS)


async def in_flight(queue: AppendQueue, store: GatedStore, *names: str) -> asyncio.Task[list[AppendOutcome]]:
    task = asyncio.create_task(queue.append(records(*names), timeout_seconds=TIMEOUT_SECONDS))
    await store.began.wait()
    return task


async def waiting(queue: AppendQueue, *names: str) -> asyncio.Task[list[AppendOutcome]]:
    task = asyncio.create_task(queue.append(records(*names), timeout_seconds=TIMEOUT_SECONDS))
    await asyncio.sleep(0)
    return task


async def test_what_arrives_during_a_commit_goes_together_into_the_next(queue: AppendQueue, store: GatedStore) -> None:
    first = await in_flight(queue, store, "a")
    rest = [await waiting(queue, name) for name in "bcd"]
    store.let_through()
    outcomes = [(await task)[0] for task in (first, *rest)]
    assert store.batches == [[b"a"], [b"b", b"c", b"d"]]
    assert outcomes == [Stored(offset, 0) for offset in range(4)]


async def test_those_just_answered_join_the_next_commit(queue: AppendQueue, store: GatedStore) -> None:
    async def write(*names: str) -> None:
        for name in names:
            await queue.append(records(name), timeout_seconds=TIMEOUT_SECONDS)

    writers = [asyncio.create_task(write("a", "b"))]
    await store.began.wait()
    writers.append(asyncio.create_task(write("c", "d")))
    await asyncio.sleep(0)
    store.let_through()
    await asyncio.gather(*writers)
    assert store.batches == [[b"a"], [b"c", b"b"], [b"d"]]


async def test_a_commit_is_bounded_by_records_and_calls_keep_their_order(queue: AppendQueue, store: GatedStore) -> None:
    names = [str(number) for number in range(25)]
    task = await in_flight(queue, store, *names)
    store.let_through()
    assert await task == [Stored(offset, 0) for offset in range(25)]
    assert [len(batch) for batch in store.batches] == [10, 10, 5]
    assert [value for batch in store.batches for value in batch] == [name.encode() for name in names]


async def test_a_commit_is_bounded_by_bytes(queue: AppendQueue, store: GatedStore) -> None:
    names = [str(number) * 800 for number in range(5)]
    task = await in_flight(queue, store, *names)
    store.let_through()
    assert len(await task) == 5
    assert [len(batch) for batch in store.batches] == [2, 2, 1]


async def test_a_failed_commit_refuses_the_rest_of_its_call_without_sending_it(
    queue: AppendQueue, store: GatedStore
) -> None:
    task = await in_flight(queue, store, *[str(number) for number in range(15)])
    other = await waiting(queue, "other")
    store.failure = Unknown("no answer")
    store.let_through(1)
    outcomes = await task
    store.failure = None
    store.let_through()
    assert [type(outcome) for outcome in outcomes] == [Unknown] * 10 + [Refused] * 5
    assert await other == [Stored(0, 0)]
    assert store.batches[1:] == [[b"other"]]


async def test_the_deadline_tells_sent_from_unsent(queue: AppendQueue, store: GatedStore) -> None:
    names = [str(number) for number in range(12)]
    outcomes = await queue.append(records(*names), timeout_seconds=0.1)
    assert [type(outcome) for outcome in outcomes] == [Unknown] * 10 + [Refused] * 2
    store.let_through()
    await queue.append(records("next"), timeout_seconds=TIMEOUT_SECONDS)
    assert store.batches == [[name.encode() for name in names[:10]], [b"next"]], "a refused record was sent"


async def test_a_caller_who_is_gone_sends_nothing_more(queue: AppendQueue, store: GatedStore) -> None:
    first = await in_flight(queue, store, "a")
    second = await waiting(queue, "b")
    second.cancel()
    await asyncio.wait({second})
    store.let_through()
    await first
    assert await queue.append(records("c"), timeout_seconds=TIMEOUT_SECONDS) == [Stored(1, 0)]
    assert store.batches == [[b"a"], [b"c"]]


async def test_an_unavailable_store_is_tried_until_the_deadline_and_named(queue: AppendQueue, store: GatedStore) -> None:
    store.let_through()
    store.hindrance = LogUnavailable("The broker is away.")
    (outcome,) = await queue.append(records("a"), timeout_seconds=0.1)
    assert isinstance(outcome, Refused)
    assert outcome.reason.endswith("The broker is away.")
    waiter = await waiting(queue, "b")
    store.hindrance = None
    assert await waiter == [Stored(0, 0)]
    assert store.batches == [[b"b"]]


async def test_an_unfit_store_refuses_at_once(queue: AppendQueue, store: GatedStore) -> None:
    store.hindrance = LogUnfit("The topic is another one.")
    assert await queue.append(records("a"), timeout_seconds=TIMEOUT_SECONDS) == [Refused("The topic is another one.")]


async def test_a_store_that_breaks_is_an_unknown_outcome_and_not_the_end(
    queue: AppendQueue, store: GatedStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.failure = RuntimeError("a bug")
    store.let_through()
    (outcome,) = await queue.append(records("a"), timeout_seconds=TIMEOUT_SECONDS)
    assert isinstance(outcome, Unknown)
    assert "unforeseen" in caplog.text
    store.failure = None
    assert await queue.append(records("b"), timeout_seconds=TIMEOUT_SECONDS) == [Stored(0, 0)]


async def test_too_big_a_record_is_refused_before_it_is_sent(queue: AppendQueue, store: GatedStore) -> None:
    outcomes = await queue.append(records("small", "x" * 1_000), timeout_seconds=TIMEOUT_SECONDS)
    assert [type(outcome) for outcome in outcomes] == [Refused, Refused]
    assert store.batches == []


async def test_a_full_queue_refuses_and_takes_again_when_it_has_emptied(queue: AppendQueue, store: GatedStore) -> None:
    task = await in_flight(queue, store, *["x"] * 100)
    (refused,) = await queue.append(records("y"), timeout_seconds=TIMEOUT_SECONDS)
    assert isinstance(refused, Refused)
    assert "Too much waits" in refused.reason
    store.let_through()
    await task
    assert await queue.append(records("y"), timeout_seconds=TIMEOUT_SECONDS) == [Stored(100, 0)]


async def test_stopping_lets_the_commit_end_and_refuses_the_rest(queue: AppendQueue, store: GatedStore) -> None:
    call = await in_flight(queue, store, *[str(number) for number in range(15)])
    other = await waiting(queue, "other")
    stopping = asyncio.create_task(queue.stop(timeout_seconds=TIMEOUT_SECONDS))
    assert await other == [Refused(NOT_OPEN)]
    store.let_through(1)
    await stopping
    outcomes = await call
    assert [type(outcome) for outcome in outcomes] == [Stored] * 10 + [Refused] * 5
    assert len(store.batches) == 1
    assert await queue.append(records("late"), timeout_seconds=TIMEOUT_SECONDS) == [Refused(NOT_OPEN)]


async def test_stopping_gives_up_on_a_commit_that_hangs(queue: AppendQueue, store: GatedStore) -> None:
    call = await in_flight(queue, store, "a")
    await queue.stop(timeout_seconds=0.05)
    assert [type(outcome) for outcome in await call] == [Unknown]


async def test_a_queue_that_was_not_started_refuses(store: GatedStore) -> None:
    queue = AppendQueue(store, LIMITS)
    assert await queue.append(records("a"), timeout_seconds=TIMEOUT_SECONDS) == [Refused(NOT_OPEN)]


def test_sizes_are_never_below_what_kafka_counts() -> None:
    # 6 varints of at least one byte each, the attributes byte, and for a header two more varints (KIP-98).
    record = NewRecord(b"key", b"value", (("näme", b"x"),))
    assert record_bytes(record) >= 3 + 5 + len("näme".encode()) + 1 + 9


@pytest.mark.parametrize(
    "limits",
    [
        {"record_bytes_max": 3_000},
        {"batch_bytes_max": 200_000},
        {"batch_records_max": 200},
        {"batch_records_max": 0},
        {"record_bytes_max": 0},
    ],
)
def test_limits_that_could_never_let_a_record_through_are_a_mistake(limits: dict[str, int]) -> None:
    usual = {name: getattr(LIMITS, name) for name in AppendLimits.__slots__}
    with pytest.raises(ValueError, match="fit"):
        AppendLimits(**(usual | limits))
