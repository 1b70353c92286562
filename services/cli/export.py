"""`prefledger export`: history as a file, newest first, in one piece however often it was cut off."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import click

from domain.invalid import Invalid
from projections.position import parse_position
from services.cli.addresses import holder_path
from services.cli.client import Client
from services.cli.options import asks_node, example
from services.cli.output import note, on_terminal

PAGE_MAX = 1_000
COLUMNS = (
    "position", "event_id", "recorded_at", "occurred_at", "holder", "set", "item", "type", "outcome", "version", "actor",
    "method", "reason", "path", "before", "after",
)  # fmt: skip
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(slots=True)
class Progress:
    """How far an export has come: kept beside the unfinished file."""

    question: dict[str, str | None]
    cursor: str | None = None
    size_bytes: int = 0
    entries: int = 0
    position: str | None = None


@click.command(
    short_help="Write history to a file.",
    epilog=example(
        "prefledger export user:jhammond --format csv --out jhammond.csv",
        "prefledger export --all --from 2026-03-01T00:00:00Z --out march.ndjson",
    ),
)
@click.argument("holder", required=False)
@click.option("--all", "everything", is_flag=True, help="Of every holder; takes a key with the scope audit.")
@click.option("--format", "format_", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--members", is_flag=True, help="Of a tenant: also what users and objects want inside it.")
@click.option("--set", "set_name", metavar="SET", help="Only this set.")
@click.option("--path", metavar="POINTER", help="Only changes at or below this JSON Pointer.")
@click.option("--actor", help="Only what this actor said.")
@click.option("--method", help="Only what came by this way.")
@click.option("--from", "from_", metavar="INSTANT", help="Recorded at or after this instant.")
@click.option("--to", metavar="INSTANT", help="Recorded at or before this instant.")
@click.option("--outcome", metavar="NAMES", help="applied, rejected, duplicate, parked; several with commas.")
@asks_node
def export(
    client: Client,
    holder: str | None,
    everything: bool,
    format_: str,
    out: Path,
    members: bool,
    set_name: str | None,
    path: str | None,
    actor: str | None,
    method: str | None,
    from_: str | None,
    to: str | None,
    outcome: str | None,
) -> None:
    """Write the history of HOLDER, or with --all of every holder, to a file: newest first, all of one position.

    An export that was cut off goes on where it was when the same command is run again; until it is whole it is called
    FILE.part. NDJSON has an entry a line, as the node gives it. CSV has a line for each change.
    """
    if (holder is not None) == everything:
        raise click.UsageError("name a HOLDER, or say --all")
    if members and everything:
        raise click.UsageError("--members goes with a tenant, not with --all")
    address = f"{holder_path(holder)}/history" if holder is not None else "/history"
    filters = {
        "set": set_name, "path": path, "actor": actor, "method": method, "from": from_, "to": to, "outcome": outcome,
        "members": "true" if members else None,
    }  # fmt: skip
    if out.exists():
        raise click.ClickException(f"{out} exists already: name another file, or move it away")
    part, kept = out.with_name(out.name + ".part"), out.with_name(out.name + ".part.json")
    progress = _resumed(part, kept, {"address": address, "format": format_, **filters})
    try:
        with part.open("r+b" if part.exists() else "w+b") as file:
            # What was written after the last page that was noted comes again.
            file.truncate(progress.size_bytes)
            file.seek(progress.size_bytes)
            _write_all(client, address, filters, format_, file, kept, progress)
        part.replace(out)
        kept.unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out} can't be written: {error.strerror}") from None
    note(f"Exported {progress.entries} entries to {out}, as of position {progress.position}.")


def _resumed(part: Path, kept: Path, question: dict[str, str | None]) -> Progress:
    if not part.exists() or not kept.exists():
        return Progress(question)
    try:
        progress = Progress(**json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise click.ClickException(f"{kept} can't be read: delete it and {part} to begin again") from None
    if progress.question != question or part.stat().st_size < progress.size_bytes:
        raise click.ClickException(f"{part} belongs to another export: finish that one, or delete {part} and {kept}")
    note(f"Going on after {progress.entries} entries.")
    return progress


def _write_all(
    client: Client,
    address: str,
    filters: Mapping[str, str | None],
    format_: str,
    file: IO[bytes],
    kept: Path,
    progress: Progress,
) -> None:
    if format_ == "csv" and progress.size_bytes == 0:
        file.write(_csv([COLUMNS]))
    with click.progressbar(length=1, label="exporting", file=sys.stderr, hidden=not on_terminal()) as bar:
        while True:
            page = client.ask(
                "GET", address, parameters={**filters, "limit": str(PAGE_MAX), "cursor": progress.cursor}
            ).value
            entries = page["entries"]
            file.write(_ndjson(entries) if format_ == "ndjson" else _csv(_rows(entries)))
            progress.entries += len(entries)
            progress.position, progress.cursor = page["position"], page["next_cursor"]
            if progress.cursor is None:
                bar.update(bar.length - bar.pos if bar.length else 0)
                return
            _keep(file, kept, progress)
            if entries:
                whole, left = _offset(page["position"]) + 1, _offset(entries[-1]["position"])
                bar.length = whole
                bar.update(whole - left - bar.pos)


def _keep(file: IO[bytes], kept: Path, progress: Progress) -> None:
    """Note a whole page: first what it says is on the disk, then the note."""
    file.flush()
    os.fsync(file.fileno())
    progress.size_bytes = file.tell()
    fresh = kept.with_name(kept.name + ".new")
    fresh.write_text(json.dumps(asdict(progress)), encoding="utf-8")
    fresh.replace(kept)


def _offset(position: str) -> int:
    """Where in the log, for the bar only."""
    try:
        return parse_position(position).offset
    except Invalid:
        return 0


def _ndjson(entries: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(entry, separators=(",", ":"), ensure_ascii=False) + "\n" for entry in entries).encode()


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _rows(entries: Iterable[Mapping[str, Any]]) -> Iterable[list[str]]:
    """A row for each change; one without a path where an entry has no change."""
    for entry in entries:
        for change in entry["changes"] or [{}]:
            shown = {**entry, **({"item": change["item"]} if "item" in change else {}), "path": change.get("path")}
            values = [_cell(shown.get(name)) for name in COLUMNS[:-2]]
            # Values are JSON, so that text "true" and true differ; nothing is no cell, null is null.
            yield [*values, *(_json(change[side]) if side in change else "" for side in COLUMNS[-2:])]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _cell(value: Any) -> str:
    """Text that no spreadsheet takes for a formula (OWASP, CSV injection): an apostrophe stands before one."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
