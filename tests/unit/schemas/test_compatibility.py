"""`schemas check`: what may come after a released schema, and what may not."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from shutil import copyfile
from typing import Any

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from hypothesis import given, settings

from schemas.compatibility import Schema, check_released, evolution_problems, unreadable
from schemas.released import FOLDER, LOCK, NEWEST, lock_of
from tests.unit.schemas.random_schemas import SCHEMAS

EVENT_1 = json.loads((FOLDER / "event-1.avsc").read_text())


def avro_reads(reader: Any, writer: Any) -> bool:
    """What the Avro project's own checker says."""
    parsed = [avro.schema.parse(json.dumps(schema)) for schema in (reader, writer)]
    checker: Any = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    return bool(checker.get_compatibility(*parsed).compatibility is SchemaCompatibilityType.compatible)


def problems_of(older: Any, newer: Any) -> list[str]:
    return evolution_problems(Schema.parse("old.avsc", older), Schema.parse("new.avsc", newer))


def test_every_released_schema_is_unchanged_and_compatible() -> None:
    assert check_released() == []


def test_the_avro_project_itself_accepts_the_released_schemas() -> None:
    """It checks names and defaults, as other languages' libraries will."""
    for path in FOLDER.glob("*.avsc"):
        schema = json.loads(path.read_text())
        assert avro_reads(schema, schema)


@settings(max_examples=300, deadline=None)
@given(reader=SCHEMAS, writer=SCHEMAS)
def test_what_can_be_read_is_what_the_avro_project_says_can_be_read(reader: Any, writer: Any) -> None:
    ours = unreadable(Schema.parse("reader", reader), Schema.parse("writer", writer))
    assert (not ours) == avro_reads(reader, writer), ours


# Hand-made changes of the real schema: found by name, changed, and judged.


def named(schema: Any, name: str) -> Any:
    """The definition of a named type, wherever it stands."""
    if isinstance(schema, list):
        return next((found for branch in schema if (found := named(branch, name))), None)
    if not isinstance(schema, dict):
        return None
    if schema.get("name") == name and schema.get("type") in ("record", "enum", "fixed"):
        return schema
    inner = [schema.get("type"), schema.get("items"), schema.get("values")]
    inner += [field["type"] for field in schema.get("fields", [])]
    return named(inner, name)


def field(schema: Any, record: str, name: str) -> Any:
    return next(one for one in named(schema, record)["fields"] if one["name"] == name)


def changed(change: Callable[[Any], object]) -> Any:
    newer = deepcopy(EVENT_1)
    change(newer)
    assert newer != EVENT_1, "the change must be one"
    return newer


def add(record: str, **new_field: Any) -> Callable[[Any], object]:
    return lambda schema: named(schema, record)["fields"].append(new_field)


def remove(record: str, name: str) -> Callable[[Any], object]:
    return lambda schema: named(schema, record)["fields"].remove(field(schema, record, name))


def body(schema: Any) -> list[Any]:
    branches = field(schema, "Event", "body")["type"]
    assert isinstance(branches, list)
    return branches


NEW_BODY = {"type": "record", "name": "Novelty", "fields": [{"name": "x", "type": "string"}]}

ALLOWED: dict[str, Callable[[Any], object]] = {
    "a field with a default": add("Rule", name="new", type=["null", "string"], default=None),
    "a field with a default in the envelope": add("Event", name="new", type="string", default=""),
    "a body at the end": lambda schema: body(schema).append(NEW_BODY),
    "a symbol at the end": lambda schema: named(schema, "HolderKind")["symbols"].append("GROUP"),
    "another doc": lambda schema: named(schema, "Rule").update(doc="better words"),
    "another order of fields": lambda schema: named(schema, "Notice")["fields"].reverse(),
}


@pytest.mark.parametrize("change", ALLOWED)
def test_what_may_come_after_a_released_schema(change: str) -> None:
    newer = changed(ALLOWED[change])
    assert problems_of(EVENT_1, newer) == []
    assert avro_reads(newer, EVENT_1), "the new release reads the old records"
    assert avro_reads(EVENT_1, newer) or change == "a body at the end"


REFUSED_BY_AVRO: dict[str, tuple[Callable[[Any], object], str]] = {
    "a field without a default": (
        add("Rule", name="new", type="string"),
        "it can't read what old.avsc wrote: prefledger.Rule.new: the field is not in every record, and it has no default",
    ),
    "a field without a default goes": (
        remove("Holder", "id"),
        "old.avsc can't read what it writes: prefledger.Holder.id: the field is not in every record, and it has no default",
    ),
    "a type grows wider": (
        lambda schema: field(schema, "LedgerOpened", "generation").update(type="long"),
        "old.avsc can't read what it writes: prefledger.LedgerOpened.generation: long can't be read as int",
    ),
    "a type grows narrower": (
        lambda schema: field(schema, "RecordSkipped", "offset").update(type="int"),
        "it can't read what old.avsc wrote: prefledger.RecordSkipped.offset: long can't be read as int",
    ),
    "null goes from a union": (
        lambda schema: field(schema, "Event", "set").update(type="string", default=""),
        "it can't read what old.avsc wrote: prefledger.Event.set: null can't be read as string",
    ),
    "another size": (
        lambda schema: named(schema, "EventId").update(size=20),
        "it can't read what old.avsc wrote: prefledger.EventId: 16 bytes can't be read as 20",
    ),
    "a record gets another name": (
        lambda schema: named(schema, "Notice").update(name="Wording"),
        "it can't read what old.avsc wrote: prefledger.Event.notice: prefledger.Notice can't be read as "
        '["null", "prefledger.Wording"]',
    ),
    "a body goes": (
        lambda schema: body(schema).remove(named(schema, "BulkFinished")),
        "prefledger.Event.body: branches are added at the end only; none moves or goes",
    ),
    "a symbol goes from an enum without a default": (
        lambda schema: (named(schema, "Suppress")["symbols"].remove("NONE"), named(schema, "Suppress").pop("default")),
        "it can't read what old.avsc wrote: prefledger.Suppress: a symbol is unknown to the reader, and there is no default",
    ),
}


@pytest.mark.parametrize("change", REFUSED_BY_AVRO)
def test_what_would_make_old_or_new_records_unreadable_is_refused(change: str) -> None:
    edit, sentence = REFUSED_BY_AVRO[change]
    newer = changed(edit)
    assert sentence in problems_of(EVENT_1, newer)
    assert not (avro_reads(newer, EVENT_1) and avro_reads(EVENT_1, newer))


REFUSED_BY_US: dict[str, tuple[Callable[[Any], object], str]] = {
    "a field with a default goes": (
        remove("Rule", "digest"),
        "prefledger.Rule.digest: the field is gone, and with it what old records say there",
    ),
    "another default": (
        lambda schema: field(schema, "Holder", "collection").update(default="x"),
        'prefledger.Holder.collection: the default changed from "" to "x"',
    ),
    "a default goes": (
        lambda schema: field(schema, "Holder", "collection").pop("default"),
        'prefledger.Holder.collection: the default changed from "" to none',
    ),
    "a default comes": (
        lambda schema: field(schema, "Holder", "id").update(default=""),
        'prefledger.Holder.id: the default changed from none to ""',
    ),
    "another default of an enum": (
        lambda schema: named(schema, "Suppress").update(default="NONE"),
        "prefledger.Suppress: the default changed from ALL to NONE",
    ),
    "symbols change places": (
        lambda schema: named(schema, "Suppress")["symbols"].reverse(),
        "prefledger.Suppress: symbols are added at the end only; none moves or goes",
    ),
    "a symbol comes first": (
        lambda schema: named(schema, "HolderKind")["symbols"].insert(1, "GROUP"),
        "prefledger.HolderKind: symbols are added at the end only; none moves or goes",
    ),
    "milliseconds become microseconds": (
        lambda schema: field(schema, "Event", "occurred_at")["type"].update(logicalType="timestamp-micros"),
        "prefledger.Event.occurred_at: a logical type changed, so the same bytes would mean something else",
    ),
    "a logical type goes": (
        lambda schema: field(schema, "Event", "occurred_at").update(type="long"),
        "prefledger.Event.occurred_at: a logical type changed, so the same bytes would mean something else",
    ),
    "a body comes in between": (
        lambda schema: body(schema).insert(3, NEW_BODY),
        "prefledger.Event.body: branches are added at the end only; none moves or goes",
    ),
    "bodies change places": (
        lambda schema: body(schema).insert(0, body(schema).pop(1)),
        "prefledger.Event.body: branches are added at the end only; none moves or goes",
    ),
    "another namespace": (
        lambda schema: named(schema, "Fingerprint").update(namespace="elsewhere"),
        "prefledger.Fingerprint is called elsewhere.Fingerprint: a namespace never changes",
    ),
}


@pytest.mark.parametrize("change", REFUSED_BY_US)
def test_what_would_change_the_meaning_of_old_records_is_refused(change: str) -> None:
    """None of it changes what Avro can read, and hardly any of it the fingerprint."""
    edit, sentence = REFUSED_BY_US[change]
    assert sentence in problems_of(EVENT_1, changed(edit))


def test_an_old_node_need_not_know_a_new_body_but_everything_in_the_bodies_it_knows() -> None:
    with_body = changed(ALLOWED["a body at the end"])
    add("BulkFinished", name="skipped", type="long", default=0)(with_body)
    assert problems_of(EVENT_1, with_body) == []
    field(with_body, "BulkFinished", "failed").update(type="double")
    assert any("BulkFinished.failed" in problem for problem in problems_of(EVENT_1, with_body))


# The files and their lock.


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A copy of the released schemas and their lock."""
    for path in FOLDER.glob("*.avsc"):
        copyfile(path, tmp_path / path.name)
    copyfile(LOCK, tmp_path / "lock.json")
    return tmp_path


def check(folder: Path, newest: str = NEWEST) -> list[str]:
    return check_released(folder, folder / "lock.json", newest)


def release(folder: Path, name: str, schema: Any) -> None:
    (folder / name).write_text(json.dumps(schema))
    (folder / "lock.json").write_text(json.dumps(lock_of(sorted(folder.glob("*.avsc")))))


def test_a_second_schema_with_its_lock_entry_is_fine(released: Path) -> None:
    release(released, "event-2.avsc", changed(ALLOWED["a body at the end"]))
    assert check(released, "event-2.avsc") == []
    assert check(released) == [
        "event-2.avsc is the newest schema, but event-1.avsc is written: set NEWEST in schemas/released.py"
    ]


def test_versions_are_numbers_not_texts(released: Path) -> None:
    newer = deepcopy(EVENT_1)
    for number in range(2, 11):
        add("Event", name=f"new_{number}", type="string", default="")(newer)
        release(released, f"event-{number}.avsc", newer)
    assert check(released, "event-10.avsc") == []


def test_compatibility_is_with_every_release_not_with_the_last_alone(released: Path) -> None:
    """Records of the first release are read for as long as those of the last one."""
    release(released, "event-2.avsc", changed(add("Rule", name="new", type="string", default="")))
    release(released, "event-3.avsc", changed(add("Rule", name="newer", type="string", default="")))
    assert check(released, "event-3.avsc") == [
        "event-3.avsc after event-2.avsc: prefledger.Rule.new: the field is gone, and with it what old records say there"
    ]
    both = changed(add("Rule", name="new", type="string", default=""))
    add("Rule", name="newer", type="string", default="")(both)
    field(both, "Rule", "digest").update(type=["null", "string", "long"])
    release(released, "event-3.avsc", both)
    problems = check(released, "event-3.avsc")
    assert {problem.partition(": ")[0] for problem in problems} == {
        "event-3.avsc after event-1.avsc",
        "event-3.avsc after event-2.avsc",
    }


@pytest.mark.parametrize("edit", [" ", "\n"])
def test_a_released_file_is_not_edited_not_even_in_its_spaces(released: Path, edit: str) -> None:
    with (released / "event-1.avsc").open("a") as file:
        file.write(edit)
    assert check(released) == ["event-1.avsc was edited after its release: restore it, and make the change in a new file"]


def test_an_edit_that_the_fingerprint_does_not_see_is_seen(released: Path) -> None:
    edited = changed(lambda schema: field(schema, "Holder", "collection").update(default="x"))
    before = lock_of([released / "event-1.avsc"])["event-1.avsc"]["fingerprint"]
    (released / "event-1.avsc").write_text(json.dumps(edited))
    assert lock_of([released / "event-1.avsc"])["event-1.avsc"]["fingerprint"] == before
    assert "event-1.avsc was edited after its release" in check(released)[0]


def test_a_file_without_a_lock_entry_and_an_entry_without_its_file_are_told(released: Path) -> None:
    copyfile(released / "event-1.avsc", released / "event-2.avsc")
    assert check(released, "event-2.avsc") == [
        "event-2.avsc is not in schemas/lock.json: add it with the release that first writes it",
        "event-1.avsc and event-2.avsc have the same fingerprint, so a record does not tell which one wrote it",
    ]
    (released / "event-1.avsc").unlink()
    assert "event-1.avsc is in schemas/lock.json, but the file is gone" in " ".join(check(released, "event-2.avsc"))


def test_a_wrong_fingerprint_in_the_lock_is_told(released: Path) -> None:
    lock = json.loads((released / "lock.json").read_text())
    lock["event-1.avsc"]["fingerprint"] = "00" * 8
    (released / "lock.json").write_text(json.dumps(lock))
    assert check(released) == [
        "event-1.avsc has another fingerprint than schemas/lock.json says: its records would not find it"
    ]


@pytest.mark.parametrize("text", ["", "{", '{"type": "record"}', '{"type": "nothing"}', "[5]"])
def test_a_file_that_is_no_schema_is_told_in_a_sentence(released: Path, text: str) -> None:
    (released / "event-2.avsc").write_text(text)
    (problem,) = check(released)
    assert problem.startswith("event-2.avsc is no Avro schema: ")


def test_an_enum_without_a_default_is_not_released(released: Path) -> None:
    release(released, "event-1.avsc", changed(lambda schema: named(schema, "Suppress").pop("default")))
    (problem,) = check(released)
    assert problem == (
        "event-1.avsc: prefledger.Suppress is an enum without a default among its symbols: "
        "an old reader would fail at a new symbol"
    )
