"""`replay` on a whole node: what everything was at one moment, folded from the log and from nothing else."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from projections.views_file import current_number, path_of
from tests.integration.command_line import answer, ask, refused
from tests.integration.http.api import Api
from tests.integration.http.api import refused as refused_by_api
from tests.integration.relay import cutting_off
from tests.server_process import ServerProcess

Json = Any

CROWD: Final = 250
"""Three pages of holders."""
FILES: Final = {"manifest.json", "holders.ndjson", "catalogue.json", "keys.json", "bulk.json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("replay") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Iterator[Api]:
    with closing(Api(server)) as client:
        yield client


@pytest.fixture(scope="module")
def moment(api: Api) -> str:
    """A position with something of everything before it, and changes to all of that after it."""
    crowd = [
        {"type": "PreferenceSetReplaced", "holder": f"user:{number}", "preferences": {"channel_types": {"push": False}}}
        for number in range(CROWD)
    ]
    assert {one["outcome"] for one in api.ok("POST", "/events", json={"events": crowd})["results"]} == {"applied"}
    api.put_set("user:ann", {"channel_types": {"email": False, "sms": True}}, Prefledger_Actor="user:ann")
    api.patch_set("user:ann", {"channel_types": {"sms": False}}, Prefledger_Actor="agent:zoe", Prefledger_Method="call")
    api.put_set("user:ann", {"enabled": False}, "tenant:acme")
    api.ok("PUT", "/holders/user:ann", json={"timezone": "Europe/Paris"})
    api.put_set("user:gone", {"enabled": False})
    api.ok("DELETE", "/holders/user:gone?suppress=commercial")
    api.put_set("environment", {"channel_types": {"chat": False}})
    api.define("workflows", "w", name="W")
    api.define("categories", "never", name="N")
    api.ok("DELETE", "/catalogue/categories/never")
    api.ok("PUT", "/catalogue/policy", json={"decide": "most_specific_wins", "own_default_in_tenant": "never"})
    api.issue_key("read")
    position: str = api.put_set("user:last", {"channel_types": {"email": False}})["position"]
    api.put_set("user:ann", {"channel_types": {"email": True}})
    api.ok("PATCH", "/holders/user:ann", json={"timezone": None})
    api.put_set("user:later", {"enabled": True})
    api.define("workflows", "w", name="another")
    return position


def replayed(server: ServerProcess, until: str, out: Path) -> dict[str, Json]:
    """The files of a replay, by name; those of lines as a list."""
    done = ask(server, "replay", "--until", until, "--out", str(out))
    assert done.status == 0, done.err
    files = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}
    assert set(files) == FILES
    assert done.value == json.loads(files["manifest.json"])
    return {
        name: [json.loads(line) for line in text.split("\n") if line] if name.endswith("ndjson") else json.loads(text)
        for name, text in files.items()
    }


@pytest.fixture(scope="module")
def files(server: ServerProcess, moment: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    return replayed(server, moment, tmp_path_factory.mktemp("out") / "state")


@pytest.fixture(scope="module")
def holders(files: dict[str, Json]) -> dict[str, Json]:
    lines = files["holders.ndjson"]
    assert len({line["holder"] for line in lines}) == len(lines)
    return {line["holder"]: line for line in lines}


def test_every_holder_is_as_it_was_and_nobody_who_came_later_is_there(
    api: Api, moment: str, files: dict[str, Json], holders: dict[str, Json]
) -> None:
    known = {entry["holder"] for entry in api.get("/holders", limit=1000)["entries"]} | {"user:gone"}
    assert set(holders) == known - {"user:later"}
    for holder, line in holders.items():
        then = api.get(f"/holders/{holder}", as_of=moment)
        assert [one["set"] for one in line["sets"]] == sorted(then["sets"])
        assert line.get("properties", {"value": {}})["value"] == then["properties"]
        assert line.get("suppression", {"value": {"suppress": "none"}})["value"]["suppress"] == then["suppress"]
        told = api.get(f"/holders/{holder}/preferences", as_of=moment)["sets"] if line["sets"] else []
        assert [{key: one[key] for key in ("set", "preferences", "version")} for one in line["sets"]] == told
    assert files["manifest.json"]["counts"]["sets"] == sum(len(line["sets"]) for line in holders.values())
    assert files["manifest.json"]["counts"]["holders"]["user"] == CROWD + 3


def test_every_value_names_the_event_that_it_comes_from(api: Api, moment: str, holders: dict[str, Json]) -> None:
    ann = holders["user:ann"]
    (default,) = [one for one in ann["sets"] if one["set"] == "default"]
    leaves = api.get("/holders/user:ann/preferences/default/provenance", as_of=moment)["leaves"]
    decided = {leaf["path"]: next(event for event in leaf["events"] if event["decides"]) for leaf in leaves}
    assert set(decided) == {"/channel_types/email", "/channel_types/sms"}
    for path, event in decided.items():
        told = ann["events"][default["sources"][path]]
        assert told == {name: event[name] for name in event if name not in ("before", "after", "decides")}
    assert ann["events"][default["sources"]["/channel_types/sms"]]["actor"] == "agent:zoe"
    for line in holders.values():
        everything = [*line["sets"], *(line[name] for name in ("properties", "suppression") if name in line)]
        used = {position for one in everything for position in one["sources"].values()}
        assert used == set(line["events"]), "a value has no source, or an event is told that gave no value"


def test_the_catalogue_is_there_as_it_was(api: Api, moment: str, files: dict[str, Json]) -> None:
    catalogue = files["catalogue.json"]
    then = api.get("/catalogue", as_of=moment)
    for name in ("workflows", "categories", "channels", "sections"):
        assert {key: entry["value"] for key, entry in catalogue[name].items()} == then[name]
    assert catalogue["policy"]["value"] == then["policy"]
    workflow = catalogue["workflows"]["w"]
    assert workflow["value"] == {"name": "W"}
    used = {position for entry in (workflow, catalogue["policy"]) for position in entry["sources"].values()}
    assert used == set(catalogue["events"])


def test_keys_are_told_of_without_their_secrets(server: ServerProcess, files: dict[str, Json], api: Api) -> None:
    (key,) = files["keys.json"]["keys"].values()
    assert (key["value"]["kind"], key["value"]["scopes"]) == ("secret", ["read"])
    with closing(sqlite3.connect(views_of(server))) as views:
        (body,) = views.execute("SELECT CAST(body AS TEXT) FROM items WHERE item LIKE 'key:%'").fetchone()
        streams = [stream.hex() for (stream,) in views.execute("SELECT stream FROM holders")]
    leaves = json.loads(body)[0]
    written = json.dumps(files)
    for secret in (leaves["/secret_hash"], leaves["/sealed_secret"], "secret_hash", "sealed_secret", *streams):
        assert secret not in written, "what opens doors was written to a file that goes to auditors"
    assert api.get("/keys")["keys"][0]["id"] in written


def views_of(server: ServerProcess) -> Path:
    folder = server.data / "development"
    return path_of(folder, current_number(folder))


def test_the_manifest_says_what_the_files_are(files: dict[str, Json], moment: str, server: ServerProcess) -> None:
    manifest = files["manifest.json"]
    assert (manifest["position"], manifest["until"], manifest["settled"]) == (moment, moment, True)
    assert manifest["records"] == sum(manifest["counts"]["records"].values())
    assert manifest["environment"] == "development"
    assert set(manifest["files"]) == FILES - {"manifest.json"}
    assert list((server.data / "development").glob("views-0*")) == [], "the node kept what was read out"


def test_a_later_run_comes_to_the_same_byte_for_byte(
    server: ServerProcess, api: Api, moment: str, files: dict[str, Json], tmp_path: Path
) -> None:
    api.put_set("user:ann", {"channel_types": {"email": False, "chat": False}})
    out = tmp_path / "again"
    again = replayed(server, moment, out)
    assert again["manifest.json"] == files["manifest.json"]
    for name, told in again["manifest.json"]["files"].items():
        content = (out / name).read_bytes()
        assert told == {
            "bytes": len(content), "lines": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
    assert {oct(path.stat().st_mode & 0o777) for path in out.iterdir()} == {"0o600"}, "others may read about people"
    assert oct(out.stat().st_mode & 0o777) == "0o700"


def test_the_digest_is_the_one_of_views_that_stand_there(server: ServerProcess, api: Api, tmp_path: Path) -> None:
    """A rebuild compares the live views at the same record, so one number says the same of all three."""
    rebuilt = answer(server, "rebuild")
    assert replayed(server, api.position(), tmp_path / "x")["manifest.json"]["digest"] == rebuilt["digest"]


def test_an_instant_means_every_record_that_was_recorded_by_then(server: ServerProcess, api: Api, tmp_path: Path) -> None:
    written = [api.put_set("user:clock", {"digest": str(number)}) for number in range(3)]
    entries = {entry["position"]: entry for entry in api.history("user:clock")}
    recorded_at = entries[written[1]["position"]]["recorded_at"]
    then = api.get("/holders/user:clock/preferences/default", as_of=recorded_at)
    files = replayed(server, recorded_at, tmp_path / "then")
    assert files["manifest.json"]["position"] == then["position"], "replay and as_of do not mean the same moment"
    (line,) = [line for line in files["holders.ndjson"] if line["holder"] == "user:clock"]
    assert line["sets"][0]["preferences"] == then["preferences"]
    assert files["manifest.json"]["settled"] is True
    future = replayed(server, "2999-01-01T00:00:00Z", tmp_path / "future")["manifest.json"]
    assert (future["position"], future["settled"]) == (api.position(), False)


def test_nothing_comes_from_the_live_views(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        position = answer(server, "set", "user:bob", '{"enabled": false}')["position"]
        with closing(sqlite3.connect(views_of(server), isolation_level=None)) as views:
            views.execute("UPDATE holders SET set_body = CAST(replace(CAST(set_body AS TEXT), 'false', 'true') AS BLOB)")
        assert answer(server, "get", "user:bob")["preferences"] == {"enabled": True}, "the views were not hit"
        (bob,) = [line for line in replayed(server, position, tmp_path / "o")["holders.ndjson"] if line["sets"]]
    assert bob["sets"][0]["preferences"] == {"enabled": False}


def test_who_was_forgotten_since_is_not_shown_again(server: ServerProcess, api: Api, tmp_path: Path) -> None:
    api.put_set("user:shy", {"kept": {"note": "telltale"}})
    position = api.position()
    before = replayed(server, position, tmp_path / "before")
    api.ok("DELETE", "/holders/user:shy")
    after = replayed(server, position, tmp_path / "after")
    assert "telltale" in json.dumps(before)
    assert "telltale" not in json.dumps(after), "what was to be forgotten came back from the log"
    assert "user:shy" not in json.dumps(after)
    counted = [files["manifest.json"]["holders_forgotten_since"] for files in (before, after)]
    assert counted[1] == counted[0] + 1
    assert before["manifest.json"]["digest"] == after["manifest.json"]["digest"]


def test_nothing_is_ever_written_over(server: ServerProcess, moment: str, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "mine").write_text("mine")
    words = ("replay", "--until", moment, "--out")
    assert "is not an empty folder" in refused(server, *words, str(out))
    assert "is not an empty folder" in refused(server, *words, str(out / "mine"))
    aside = tmp_path / "new.part"
    aside.mkdir()
    (aside / "somebody else's").write_text("mine")
    assert "has other files" in refused(server, *words, str(tmp_path / "new"))
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine", "mine"]
    empty = tmp_path / "empty"
    empty.mkdir()
    replayed(server, moment, empty)
    assert "can't be written" in refused(server, *words, str(tmp_path / "no" / "such" / "folder"))
    refused(server, "replay", "--out", str(tmp_path / "y"), status=2)


def test_one_that_was_cut_off_leaves_nothing_and_is_run_again(
    server: ServerProcess, moment: str, files: dict[str, Json], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with cutting_off(server, "/replay/holders") as url:
        broken = ask(server, "replay", "--until", moment, "--out", str(out), settings={"PREFLEDGER_URL": url})
    assert broken.status == 1, "half of the holders pass for all of them"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "holders.ndjson").write_text("what one that was killed left")
    assert replayed(server, moment, out)["manifest.json"]["digest"] == files["manifest.json"]["digest"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_moment_that_there_is_not_is_refused(server: ServerProcess, api: Api, moment: str, tmp_path: Path) -> None:
    refused_by_api(api.request("POST", "/replay?until=yesterday"), "invalid")
    refused_by_api(api.request("POST", "/replay?until=2026-03-03"), "invalid")
    refused_by_api(api.request("POST", "/replay?until=1999-01-01T00:00:00Z"), "unprocessable")
    with ServerProcess(tmp_path / "other") as other, closing(Api(other)) as stranger:
        refused_by_api(api.request("POST", f"/replay?until={stranger.put_set('user:x', {})['position']}"), "other-ledger")
    tail = "A" if moment[-1] != "A" else "E"
    refused_by_api(api.request("POST", f"/replay?until={moment[:-1]}{tail}"), "other-ledger")
    assert api.get("/replay")["phase"] != "folding"
    assert "no record yet" in refused(server, "replay", "--until", "1999-01-01T00:00:00Z", "--out", str(tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_only_what_was_replayed_can_be_read(api: Api, moment: str) -> None:
    for what in ("holders", "environment"):
        refused_by_api(api.request("GET", f"/replay/{what}?position={moment}"), "conflict")
    assert api.ok("POST", "/replay", status=202, params={"until": moment})["phase"] == "folding"
    while api.get("/replay")["phase"] in ("folding", "digesting"):
        pass
    lines = api.request("GET", "/replay/holders", params={"position": moment})
    assert lines.headers["cache-control"] == "no-store"
    assert len(lines.text.splitlines()) > CROWD
    refused_by_api(api.request("GET", f"/replay/holders?position={api.position()}"), "conflict")
    assert api.ok("DELETE", "/replay", params={"position": api.position()})["phase"] == "done", "another's was removed"
    assert api.ok("DELETE", "/replay")["phase"] == "none"
    refused_by_api(api.request("GET", f"/replay/holders?position={moment}"), "conflict")
