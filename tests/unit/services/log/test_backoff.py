from services.log.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff


def test_it_doubles_up_to_its_limit_and_starts_again_after_a_success() -> None:
    backoff = Backoff()
    waits = [backoff.next_seconds() for _ in range(20)]
    assert waits[:3] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert max(waits) == waits[-1] == LONGEST_SECONDS
    backoff.reset()
    assert backoff.next_seconds() == FIRST_SECONDS
