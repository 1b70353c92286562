"""Cursors: one leads on where it was given, and nowhere else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.http.cursor import NUMBER_MAX, Cursor, cursor_text, parse_cursor
from services.http.problems import Problem

QUESTION = ("history", "user:a", None, 5)

numbers = st.integers(0, NUMBER_MAX)


@given(number=numbers, position=st.text(max_size=40))
def test_a_cursor_comes_back_as_it_was_given(number: int, position: str) -> None:
    cursor = Cursor(position, number)
    text = cursor_text(cursor, QUESTION)
    assert parse_cursor(text, QUESTION) == cursor
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), "not fit for an address"


@given(number=numbers, other=st.tuples(st.text(max_size=3), st.integers(), st.none() | st.booleans()))
def test_a_cursor_of_another_question_is_refused(number: int, other: tuple[object, ...]) -> None:
    with pytest.raises(Problem) as refusal:
        parse_cursor(cursor_text(Cursor("p", number), QUESTION), other)
    assert refusal.value.type == "bad-request"


@given(text=st.text(max_size=40) | st.binary(max_size=40).map(lambda value: base64.urlsafe_b64encode(value).decode()))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        parse_cursor(text, QUESTION)
