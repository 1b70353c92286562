"""Whether a past instant is settled: no record that is still to come can count as recorded by then."""

CLOCK_ALLOWANCE_MILLISECONDS = 5_000
"""How far a broker's clock may lag behind ours before a past instant counts as settled."""


def is_settled(instant_milliseconds: int, *, seen_milliseconds: int, asked_at_milliseconds: int) -> bool:
    """`seen` is when the newest record known was recorded; `asked_at` when the log was asked for its end, by our clock."""
    return (
        seen_milliseconds > instant_milliseconds
        or instant_milliseconds < asked_at_milliseconds - CLOCK_ALLOWANCE_MILLISECONDS
    )
