"""A release from the future: one more schema, which adds to today's what may be added, and is what it writes."""

import io
import json
from functools import cache
from pathlib import Path
from shutil import copyfile, copytree, ignore_patterns
from typing import Any, Final

from fastavro import schemaless_reader, schemaless_writer

from schemas import released
from schemas.codec import HEADER_LENGTH, MARKER
from schemas.compatibility import Schema
from schemas.released import FOLDER, lock_of
from tests.server_process import ROOT
from tests.unit.schemas.test_compatibility import EVENT_1, NEW_BODY, add, body, field, named

NAME: Final = "event-2.avsc"
RECORDS: Final = [
    name.rpartition(".")[2] for name, type_ in Schema.parse("", EVENT_1).types.items() if type_["type"] == "record"
]
CODE: Final = ("domain", "schemas", "projections", "services")


def write_schemas(folder: Path) -> None:
    """The schemas of the next release, with their lock, into a folder that may have today's already."""
    for path in FOLDER.glob("*.avsc"):
        if path.parent != folder:
            copyfile(path, folder / path.name)
    schema: Any = json.loads((FOLDER / released.NEWEST).read_text())
    body(schema).append(NEW_BODY)
    for record in RECORDS:
        add(record, name="since_2", type=["null", "string"], default=None)(schema)
    add("PreferenceSet", name="added", type={"type": "map", "values": "Rule"}, default={})(schema)
    for enum in ("HolderKind", "Strategy", "Suppress"):
        named(schema, enum)["symbols"].append("NOVEL")
    field(schema, "Event", "type")["doc"] = "The same in other words."
    (folder / NAME).write_text(json.dumps(schema))
    (folder / "lock.json").write_text(json.dumps(lock_of(sorted(folder.glob("*.avsc")))))


def write_code(folder: Path) -> Path:
    """The code of the next release: today's, with the next release's schemas. For a PYTHONPATH; its own folder."""
    for name in CODE:
        copytree(ROOT / name, folder / name, ignore=ignore_patterns("__pycache__"))
    write_schemas(folder / "schemas" / "avsc")
    (folder / "schemas" / "avsc" / "lock.json").replace(folder / "schemas" / "lock.json")
    module = folder / "schemas" / "released.py"
    text = module.read_text()
    assert text.count(f'"{released.NEWEST}"') == 1
    module.write_text(text.replace(f'"{released.NEWEST}"', f'"{NAME}"'))
    return folder


@cache
def _next(folder: Path) -> released.Released:
    return released.load(folder / NAME)


def as_next_release_writes(value: bytes, folder: Path) -> bytes:
    """A record of today's as the release with the schemas in this folder writes it, what is new in its envelope filled."""
    stream, out = io.BytesIO(value), io.BytesIO()
    stream.seek(HEADER_LENGTH)
    written_with = released.released()[value[2:HEADER_LENGTH]].parsed
    # With the names of its records, each value finds its branch of a union again.
    record: Any = schemaless_reader(stream, written_with, None, return_record_name=True)
    for part in (record, record["personal"][1]):
        part["since_2"] = "said by a later release"
    out.write(MARKER + _next(folder).fingerprint)
    schemaless_writer(out, _next(folder).parsed, record)
    return out.getvalue()
