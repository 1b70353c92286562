"""The one rule for ids and keys."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identifier import ID_LENGTH_MAX, check_id, check_text, event_id_text
from domain.invalid import Invalid


@pytest.mark.parametrize("text", ["a", "a/b", "~1", "*", " ", "é\U0001f98b", "%3A", "x" * ID_LENGTH_MAX, "\u2028"])
def test_any_text_that_can_be_sent_back_can_be_an_id(text: str) -> None:
    assert check_id(text, "/id", "the id") == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "the id must not be empty"),
        (5, "the id must be a string"),
        (None, "the id must be a string"),
        ("x" * (ID_LENGTH_MAX + 1), "the id has 257 characters; at most 256 are allowed"),
        ("a\0", "the id contains the character U+0000, which is not allowed"),
        ("a\n", "the id contains the character U+000A, which is not allowed"),
        ("\x7f", "the id contains the character U+007F, which is not allowed"),
        ("\x85", "the id contains the character U+0085, which is not allowed"),
        ("\ud83e", "the id contains the character U+D83E, which is not allowed"),
    ],
)
def test_what_cannot_be_an_id_is_refused(value: object, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_id(value, "/id", "the id")
    assert (refused.value.pointer, refused.value.message) == ("/id", message)


def test_a_key_may_be_empty_and_a_text_longer() -> None:
    assert check_text("", "", "the key") == ""
    assert check_text("x" * 300, "", "the text", length_max=300)


@given(st.binary(min_size=16, max_size=16))
def test_an_event_id_is_shown_as_the_uuid_that_it_is(event_id: bytes) -> None:
    assert event_id_text(event_id) == str(UUID(bytes=event_id))
