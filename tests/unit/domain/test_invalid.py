"""The domain's error: where, and what."""

import pytest

from domain.invalid import Invalid


@pytest.mark.parametrize(
    ("pointer", "text"),
    [("/categories/a~1b", "/categories/a~1b: this must be true or false"), ("", "this must be true or false")],
)
def test_an_error_reads_as_place_and_sentence(pointer: str, text: str) -> None:
    error = Invalid(pointer, "this must be true or false")

    assert (error.pointer, error.message, str(error)) == (pointer, "this must be true or false", text)
    assert isinstance(error, ValueError)
