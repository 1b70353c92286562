"""Who chose what: the index against a scan of everything, over random histories."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import HolderForgotten, PreferenceSetDeleted
from domain.holder import DEFAULT_SET, SetId, tenant_set, user
from domain.pointer import escape
from projections.choices import rule_number
from projections.holders import counts, forgotten_since, page_of_choosers, page_of_holders
from projections.stored_item import decode_item
from tests.unit.projections.random_logs import LOGS, RandomLog
from tests.unit.projections.records import Records, folded, merge_of, stream_of

Choice = tuple[str, str, bool]


@settings(max_examples=35, deadline=None)
@given(log=LOGS, cuts=st.lists(st.integers(1, 100), max_size=8))
def test_those_who_opted_out_are_those_whose_sets_say_so(log: RandomLog, cuts: list[int]) -> None:
    with TemporaryDirectory() as folder:
        connection = folded(Path(folder) / "views.sqlite", log.records, cuts)
        try:
            scanned: dict[Choice, list[tuple[int, str, int]]] = {}
            for holder_id, name, item, version, body in connection.execute(
                "SELECT h.id, h.name, i.item, i.version, i.body "
                "FROM every_item AS i JOIN holders AS h ON h.id = i.holder_id WHERE i.item LIKE 'set:%' ORDER BY h.id"
            ):
                for path, value in decode_item(body).leaves.items():
                    if isinstance(value, bool):
                        scanned.setdefault((item, path, value), []).append((holder_id, name, version))
            for (item, path, value), choosers in scanned.items():
                assert page_of_choosers(connection, item, path, value, above=0, limit=100) == choosers
                others = page_of_choosers(connection, item, path, not value, above=0, limit=100)
                assert others == scanned.get((item, path, not value), [])
            indexed = connection.execute("SELECT count(*) FROM choices").fetchone()[0]
            assert indexed == sum(map(len, scanned.values())), "a row of the index that no set stands behind"
        finally:
            connection.close()


@pytest.mark.parametrize("key", ["a/b", "~", '"', "\\", "\\u0041", "é", "\U0001f98b", "", "*", "%", "a\u2028b", "'"])
def test_any_key_can_be_asked_for(tmp_path: Path, key: str) -> None:
    records = Records()
    records.add(user("ann"), merge_of({"workflows": {key: False}}))
    records.add(user("bob"), merge_of({"workflows": {f"{key}x": False}}))
    connection = folded(tmp_path / "views.sqlite", records.all)
    path = f"/workflows/{escape(key)}/enabled"
    found = page_of_choosers(connection, "set:default", path, False, above=0, limit=10)
    assert [name for _, name, _ in found] == ["user:ann"], "an opt-out that is stored must be found by its path"
    connection.close()


def test_a_choice_that_is_taken_back_is_no_longer_found(tmp_path: Path) -> None:
    records = Records()
    for name in ("changes", "deletes", "is-forgotten", "stays"):
        records.add(user(name), merge_of({"channel_types": {"email": False}}))
    records.add(user("changes"), merge_of({"channel_types": {"email": True}}))
    records.add(user("deletes"), PreferenceSetDeleted(DEFAULT_SET))
    records.add(user("is-forgotten"), HolderForgotten("none"))

    def names(value: bool) -> list[str]:
        found = page_of_choosers(connection, "set:default", "/channel_types/email", value, above=0, limit=10)
        return [name for _, name, _ in found]

    for cuts in ((), range(1, 9)):
        connection = folded(tmp_path / f"views-{len(cuts)}.sqlite", records.all, cuts)
        assert names(False) == ["user:stays"]
        assert names(True) == ["user:changes"]
        connection.close()


def test_pages_of_choosers_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    records = Records()
    for number in range(7):
        records.add(user(f"u{number}"), merge_of({"channel_types": {"email": False}}))
    connection = folded(tmp_path / "views.sqlite", records.all)
    above, seen = 0, []
    while found := page_of_choosers(connection, "set:default", "/channel_types/email", False, above=above, limit=3):
        seen += [name for _, name, _ in found]
        above = found[-1][0]
    assert seen == [f"user:u{number}" for number in range(7)]
    connection.close()


def test_two_rules_whose_numbers_collide_do_not_answer_for_each_other(tmp_path: Path) -> None:
    records = Records()
    records.add(user("ann"), merge_of({"channel_types": {"email": False}}))
    connection = folded(tmp_path / "views.sqlite", records.all)
    connection.execute("UPDATE choices SET rule = ?", (rule_number("set:default", "/workflows/w/enabled"),))
    assert page_of_choosers(connection, "set:default", "/workflows/w/enabled", False, above=0, limit=10) == []
    connection.close()


def test_rule_numbers_are_the_same_for_ever_and_fit_into_an_sqlite_integer() -> None:
    """They are stored: another number for the same rule would find nobody in an old file."""
    assert rule_number("set:default", "/channel_types/email") == 5039071181239096199
    assert 0 <= rule_number("", "") < 2**63


def test_holders_come_in_the_order_in_which_they_were_first_heard_of(tmp_path: Path) -> None:
    records = Records()
    for name in ("b", "a", "c", "a"):
        records.add(user(name), merge_of({"enabled": True}))
    records.add(user("c"), HolderForgotten("none"))
    connection = folded(tmp_path / "views.sqlite", records.all)
    names = [name for _, name in page_of_holders(connection, 0, 10)]
    assert names == ["environment", "user:b", "user:a"], "the forgotten one is not shown"
    assert page_of_holders(connection, 2, 1) == [(3, "user:a")]
    assert counts(connection) == {"holders": 4, "records": 6}
    connection.close()


@pytest.mark.parametrize("set_id", [DEFAULT_SET, tenant_set("acme")], ids=str)
def test_who_speaks_again_after_being_forgotten_is_shown_again(tmp_path: Path, set_id: SetId) -> None:
    records = Records()
    records.add(user("ann"), merge_of({"enabled": True}, set_id))
    records.add(user("ann"), HolderForgotten("none"))
    gone = folded(tmp_path / "gone.sqlite", records.all)
    records.add(user("ann"), merge_of({"enabled": True}, set_id))
    back = folded(tmp_path / "back.sqlite", records.all)
    assert [name for _, name in page_of_holders(gone, 1, 10)] == []
    assert [name for _, name in page_of_holders(back, 1, 10)] == ["user:ann"]
    gone.close()
    back.close()


def test_who_was_forgotten_after_a_record(tmp_path: Path) -> None:
    records = Records()
    records.add(user("a"), merge_of({"enabled": True}))
    records.add(user("b"), merge_of({"enabled": True}))
    records.add(user("a"), HolderForgotten("none"))
    records.add(user("a"), merge_of({"enabled": False}))
    connection = folded(tmp_path / "views.sqlite", records.all)
    everybody = [stream_of(user(name)) for name in ("a", "b", "never-heard-of")]
    for offset, gone in ((1, {everybody[0]}), (2, {everybody[0]}), (3, set()), (4, set())):
        assert forgotten_since(connection, everybody, offset) == gone, f"seen from record {offset}"
    assert forgotten_since(connection, [], 0) == set()
    connection.close()
