"""Golden records: bytes that a release wrote, with what they mean. Once committed, the bytes never change.

`python -m tests.golden.records` writes those that are missing, for the schema that this release writes.
"""

import json
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from domain.event import Event, Provenance
from schemas.codec import decode, encode
from schemas.released import NEWEST
from tests.golden.drafts import DRAFTS

FOLDER = Path(__file__).parent / "events"


@dataclass(frozen=True)
class Golden:
    """One golden file. `schema` is the name of the schema that wrote it, without its ending."""

    schema: str
    name: str
    record: bytes
    event: Any

    @property
    def type(self) -> str:
        return self.name.partition("-")[0]


def plain(value: Any) -> Any:
    """Domain values as JSON, the names of their classes kept, so that nothing is taken for something else."""
    if isinstance(value, Event | Provenance):
        return {type(value).__name__: {name: plain(one) for name, one in value._asdict().items()}}
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: {field.name: plain(getattr(value, field.name)) for field in fields(value)}}
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def golden_records() -> list[Golden]:
    """Every golden record of every release."""
    found = []
    for path in sorted(FOLDER.glob("*/*.json")):
        content = json.loads(path.read_text())
        record = bytes.fromhex("".join(content["record"]))
        found.append(Golden(path.parent.name, path.stem, record, content["event"]))
    return found


def write_missing() -> list[Path]:
    """Write the golden files that are not there yet; what was written."""
    written = []
    for name, draft in DRAFTS.items():
        path = FOLDER / NEWEST.removesuffix(".avsc") / f"{name}.json"
        if not path.exists():
            record = encode(draft).value
            lines = [record[start : start + 50].hex() for start in range(0, len(record), 50)]
            content = {"record": lines, "event": plain(decode(record))}
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
            written.append(path)
    return written


if __name__ == "__main__":
    write_missing()
