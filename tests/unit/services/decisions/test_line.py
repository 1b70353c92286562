"""Lines of the decision log: what was asked and answered comes back as it was, whatever stands in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.invalid import Invalid
from services.decisions.line import (
    LINE_OVERHEAD_BYTES_MAX,
    decision_id_of,
    is_sampled,
    line_of,
    milliseconds_of,
    parse_decision_id,
    parse_line,
    threshold_of,
)
from services.identifiers import new_decision_id
from services.version import VERSION
from tests.unit.services.decisions.lines import NOON, a_line, answer_of, new_id

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
SPACES = st.text(" \t\n\r", max_size=3)


@given(value=st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.integers() | st.none()), gaps=SPACES)
def test_a_question_comes_back_however_it_was_laid_out(value: dict[str, object], gaps: str) -> None:
    question = (gaps + json.dumps(value, indent=2, ensure_ascii=False) + gaps).encode("utf-8", "surrogatepass")
    line = line_of(ID.encode(), "key:k", question, answer_of(ID))
    assert line.count(b"\n") == 1, "a line within a line would be taken for two decisions"
    assert line.endswith(b"\n")
    logged = parse_line(line)
    assert logged is not None
    assert (logged.decision_id, logged.asked_by, logged.release) == (ID, "key:k", VERSION)
    assert logged.question == value
    assert logged.answer == json.loads(answer_of(ID))


def test_an_answer_is_kept_byte_for_byte() -> None:
    answer = answer_of(ID, "user:\u00e9\u2028")
    assert answer in line_of(ID.encode(), "operator", b"{}", answer)


def test_a_line_takes_no_more_than_its_parts_and_the_overhead() -> None:
    question, answer = b"{}", answer_of(ID)
    line = line_of(ID.encode(), "key:" + "0" * 12, question, answer)
    assert len(line) <= len(question) + len(answer) + LINE_OVERHEAD_BYTES_MAX


def test_the_id_of_an_answer_is_its_own_and_not_one_that_it_repeats() -> None:
    bad = {"decision_id": new_id()}
    answer = json.dumps({"results": [{"recipient": bad, "problem": {}}], "decision_id": ID}, separators=(",", ":"))
    assert decision_id_of(answer.encode()) == ID.encode()


@pytest.mark.parametrize("length", [0, 1, 40, 200])
def test_a_torn_line_says_nothing(length: int) -> None:
    _, line = a_line(new_id())
    assert parse_line(line[:length]) is None


@pytest.mark.parametrize("line", [b"[]", b"{}", b"null", b"\xff", b'{"decision_id": "x"}'])
def test_what_is_no_line_says_nothing(line: bytes) -> None:
    assert parse_line(line) is None


def test_an_id_tells_its_instant() -> None:
    assert milliseconds_of(new_id(NOON)) == NOON


def test_an_id_is_read_in_any_case() -> None:
    assert parse_decision_id(ID.upper()) == ID


@pytest.mark.parametrize("text", ["", "x", ID[:-1], ID + "0", "01890a5d-ac96-474b-bcce-b302099a8057", f"{ID}\n", "../" + ID])
def test_what_is_no_decision_id_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="version 7"):
        parse_decision_id(text)


def test_a_share_of_all_is_all_and_of_none_is_none() -> None:
    lowest, highest = new_id(random=0), new_id(random=2**62 - 1)
    assert is_sampled(highest, threshold_of(1.0))
    assert not is_sampled(lowest, threshold_of(0.0))


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9])
def test_a_share_of_ids_is_sampled_and_a_larger_share_has_them_too(share: float) -> None:
    ids = [new_decision_id(1_700_000_000_000) for _ in range(20_000)]
    sampled = {one for one in ids if is_sampled(one, threshold_of(share))}
    assert abs(len(sampled) / len(ids) - share) < 0.02
    assert all(is_sampled(one.encode(), threshold_of(min(1.0, share + 0.05))) for one in sampled)
