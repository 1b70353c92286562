"""What history tells of a record: nothing that was said may be lost, and nothing that was not said may be made up."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from domain.document import MISSING, Change
from domain.event import NOBODY, Event, Notice, PreferenceSetDeleted, Provenance
from domain.holder import DEFAULT_SET, user
from projections.history_detail import change_of, detail_of, detail_of_parked, shown_change

sides: st.SearchStrategy[Any] = (
    st.just(MISSING) | st.none() | st.booleans() | st.text() | st.lists(st.integers(-5, 5)) | st.just({})
)


def told(provenance: Provenance = NOBODY, **also: Any) -> dict[str, Any]:
    body = PreferenceSetDeleted(DEFAULT_SET)
    event = Event(b"i" * 16, b"s" * 16, user("ann"), body, 0, b"f" * 16, provenance, "set:default", **also)
    return dict(msgspec.json.decode(detail_of(event, ())))


@given(path=st.text(), before=sides, after=sides, item=st.just(UNSET) | st.text())
def test_a_change_is_read_back_as_it_was(path: str, before: Any, after: Any, item: Any) -> None:
    shown = msgspec.json.decode(msgspec.json.encode(shown_change(item, Change(path, before, after))))
    assert change_of(shown) == Change(path, before, after), "null and nothing are not the same"
    assert shown.get("item", UNSET) == item


def test_what_is_not_known_is_left_out() -> None:
    assert told() == {"changes": []}


def test_all_that_is_known_is_told() -> None:
    provenance = Provenance("key:1", "api", "asked", {"form": "f"}, Notice("n", "1", "de"), "consent")
    assert told(provenance, expected_version=0, correlation_id="c", causation_id="d") == {
        "changes": [],
        "actor": "key:1",
        "method": "api",
        "reason": "asked",
        "evidence": {"form": "f"},
        "legal_basis": "consent",
        "correlation_id": "c",
        "causation_id": "d",
        "expected_version": 0,
        "notice": {"id": "n", "version": "1", "locale": "de"},
    }


def test_the_same_detail_is_the_same_bytes_in_every_release() -> None:
    """Digests are made of them: in another order, `verify` would accuse views that say what they always said."""
    provenance = Provenance("", "api", "asked", {"form": "f"}, Notice("n", "1", "de"), "consent")
    body = PreferenceSetDeleted(DEFAULT_SET)
    event = Event(
        b"i" * 16, b"s" * 16, user("ann"), body, 0, b"f" * 16, provenance, "set:default", 3, "correlation", "causation"
    )
    changes = [
        shown_change(UNSET, Change("/a", MISSING, None)),
        shown_change("set:default", Change("/b", True, MISSING)),
        shown_change("suppression", Change("/c", "x", [1, {"y": None}])),
    ]
    assert detail_of(event, changes) == (
        b'{"changes":[{"path":"/a","after":null},{"item":"set:default","path":"/b","before":true},'
        b'{"item":"suppression","path":"/c","before":"x","after":[1,{"y":null}]}],'
        b'"actor":"","method":"api","reason":"asked","evidence":{"form":"f"},"legal_basis":"consent",'
        b'"correlation_id":"correlation","causation_id":"causation","expected_version":3,'
        b'"notice":{"id":"n","version":"1","locale":"de"}}'
    )
    assert detail_of_parked("why") == b'{"changes":[],"sentence":"why"}'


def test_what_is_no_event_has_a_sentence() -> None:
    assert msgspec.json.decode(detail_of_parked("why")) == {"changes": [], "sentence": "why"}
