"""`prefledger replay`: the state of everything at one moment, folded from the log and written to a folder."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from services.cli.aside import folder_aside
from services.cli.client import Client
from services.cli.jobs import given_up_by_hand, run_job
from services.cli.options import asks_node, example, json_option, private_files
from services.cli.output import note, on_terminal, show_value
from services.replay import Phase

JOB = "/replay"
HOLDERS = "holders.ndjson"
DOCUMENTS = ("catalogue", "keys", "bulk")
MANIFEST = "manifest.json"
FILES = (HOLDERS, *(f"{name}.json" for name in DOCUMENTS), MANIFEST)
"""What a folder has at the end. The manifest comes last: without it a folder is not whole."""


@click.command(
    short_help="Write out the state of everything at one moment.",
    epilog=example(
        "prefledger replay --until 2026-03-03T14:02:00Z --out march-3",
        "prefledger replay --until ATUYuDza-kBOAAEAAAAAAAAAA0nwY4Y --out before-the-complaint",
    ),
)
@click.option("--until", metavar="POSITION|INSTANT", help="The moment: a position, or every record recorded by an instant.")
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path), help="A new or empty folder to write to.")
@click.option("--cancel", is_flag=True, help="Give up the replay that is under way.")
@json_option
@click.pass_context
@asks_node
def replay(client: Client, context: click.Context, until: str | None, out: Path | None, cancel: bool, raw: bool) -> None:
    """Fold the log from its first record up to a moment, and write out what everything was then.

    FOLDER gets manifest.json (which moment, how much, a digest that every node comes to), holders.ndjson (each holder's
    sets and properties, with the event that each value comes from), catalogue.json, keys.json and bulk.json. Nothing
    of it comes from the node's live views. Ctrl-C gives it up; run it again as often as you like.
    """
    if cancel:
        show_value(client.ask("DELETE", JOB).value, raw=raw)
        return
    if until is None or out is None:
        raise click.UsageError("say which moment with --until, and where to with --out")
    with private_files(), folder_aside(out.absolute(), FILES) as folder:
        manifest = _finished(run_job(client, context, JOB, {"until": until}), until)
        with given_up_by_hand(client, context, JOB):
            manifest = _write_all(client, folder, manifest)
        client.ask("DELETE", JOB, parameters={"position": manifest["position"]})
    show_value(manifest, raw=raw)
    note(f"Wrote {manifest['files'][HOLDERS]['lines']} holders to {out}, as of position {manifest['position']}.")


def _finished(progress: Mapping[str, Any], until: str) -> dict[str, Any]:
    if progress["phase"] == Phase.NONE or progress["until"] != until:
        raise click.ClickException(
            "the node knows of no such replay any more: it was started anew, or another took its place; run this again"
        )
    if progress["phase"] != Phase.DONE:
        raise click.ClickException(f"the replay was {progress['phase']}: {progress['trouble'] or 'run it again'}")
    return dict(progress["manifest"])


def _write_all(client: Client, folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    which = {"position": manifest["position"]}
    documents = client.ask("GET", f"{JOB}/environment", parameters=which).value
    files = {HOLDERS: _write(folder / HOLDERS, _holders(client, which, sum(manifest["counts"]["holders"].values())))}
    for name in DOCUMENTS:
        files[f"{name}.json"] = _write(folder / f"{name}.json", iter([_json(documents[name])]))
    left_out = sum(manifest["counts"]["holders"].values()) - files[HOLDERS]["lines"]
    whole = {**manifest, "holders_forgotten_since": left_out, "files": files}
    _write(folder / MANIFEST, iter([_json(whole)]))
    return whole


def _holders(client: Client, which: Mapping[str, str], count: int) -> Iterator[bytes]:
    with click.progressbar(length=max(1, count), label="writing", file=sys.stderr, hidden=not on_terminal()) as bar:
        for chunk in client.stream(f"{JOB}/holders", parameters=which):
            yield chunk
            bar.update(chunk.count(b"\n"))


def _write(path: Path, chunks: Iterator[bytes]) -> dict[str, Any]:
    """What was written, told so that the file can be checked by itself."""
    digest, size, lines = hashlib.sha256(), 0, 0
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
        file.flush()
        os.fsync(file.fileno())
    return {"bytes": size, "lines": lines, "sha256": digest.hexdigest()}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
