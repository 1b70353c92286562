"""The report on one person, over HTTP and as a file: all there is, nothing else, and safe to open."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from tests.integration.command_line import ask, refused
from tests.integration.http.api import Api, set_path
from tests.integration.http.api import refused as refused_by_api
from tests.integration.relay import cutting_off
from tests.server_process import ServerProcess
from tests.unit.services.http.test_report_html import Page

Json = Any

CHANGES: Final = 5_000
ANN: Final = "user:ann"
NASTY: Final = "<script>alert('id')</script>"
NASTY_PATH: Final = "user:%3Cscript%3Ealert('id')%3C%2Fscript%3E"
GIVEN: Final = {
    "evidence": {"form": "<b>4711</b>"}, "notice": {"id": "privacy", "version": "3", "locale": "da"},
    "legal_basis": "consent", "reason": "it is tourist season", "correlation_id": "ticket-9",
}  # fmt: skip
ALL: Final = "applied,rejected,duplicate,parked"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("report") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Iterator[Api]:
    with closing(Api(server)) as client:
        yield client


@pytest.fixture(scope="module")
def position(api: Api) -> str:
    """Where the ledger is when everything was said about Ann."""
    api.define("workflows", "dinosaurs-loose", name="Dinosaurs on the loose")
    event = {
        "type": "PreferenceSetReplaced", "holder": ANN, "actor": ANN, "method": "preference-centre",
        "occurred_at": "2026-03-03T14:02:00Z",
        "preferences": {"channel_types": {"email": False}, "workflows": {"dinosaurs-loose": {"enabled": False}}},
    }  # fmt: skip
    api.ok("POST", "/events", json={"events": [{**event, **GIVEN}]})
    api.patch_set(ANN, {"channel_types": {"email": None, "sms": True}})
    api.put_set(ANN, {"commercial": False}, "tenant:acme")
    api.put_set(ANN, {"enabled": False}, "subscription:news:1")
    api.ok("DELETE", set_path(ANN, "subscription:news:1"))
    api.ok("PUT", f"/holders/{ANN}", json={"timezone": "Europe/Paris", NASTY: None})
    assert api.request("PUT", set_path(ANN), json={}, headers={"If-Match": '"77"'}).status_code == 412
    return api.position()


def reported(api: Api, holder: str = ANN, **params: str) -> Json:
    return api.ok("GET", f"/holders/{holder}/report", params={"format": "json", **params})


def test_a_report_has_every_set_with_the_source_of_every_choice(api: Api, position: str) -> None:
    report = reported(api)
    assert [(one["set"], one["version"], one["preferences"]) for one in report["sets"]] == [
        (one["set"], one["version"], one["preferences"]) for one in api.get(f"/holders/{ANN}/preferences")["sets"]
    ]
    for one in report["sets"]:
        for leaf in api.get(f"{set_path(ANN, one['set'])}/provenance")["leaves"]:
            if "value" not in leaf:
                assert leaf["path"] not in one["sources"]
                continue
            (decided,) = [event for event in leaf["events"] if event["decides"]]
            told = one["events"][one["sources"][leaf["path"]]]
            assert told == {name: value for name, value in decided.items() if name not in ("before", "after", "decides")}
    assert report["sets"][0]["names"] == {"/workflows/dinosaurs-loose": "Dinosaurs on the loose"}
    assert report["properties"]["value"] == api.get(f"/holders/{ANN}")["properties"]
    assert report["position"] == position


def test_a_report_has_everything_that_was_said_and_by_whom(api: Api, position: str) -> None:
    report = reported(api, as_of=position)
    history = [{key: value for key, value in entry.items() if key != "names"} for entry in report["history"]]
    assert history == api.history(ANN, outcome=ALL, limit=1000)
    assert {entry["outcome"] for entry in history} == {"applied", "rejected"}
    first = history[-1]
    assert {**first, "evidence": {"form": first["evidence"]["form"]}} == {**first, **GIVEN}, "what was given is not told"
    assert sum(one["events"] for one in report["sources"]) == len(history)
    assert (ANN, "preference-centre") in {(one["actor"], one["method"]) for one in report["sources"]}


def test_the_page_tells_what_the_document_for_machines_tells(api: Api, position: str) -> None:
    response = api.request("GET", f"/holders/{ANN}/report", params={"as_of": position})
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    page, report = Page(response.text), reported(api, as_of=position)
    assert len(page.ids) == len(set(page.ids)) == len(report["history"])
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids), "a value's source is not on the page"
    for entry in report["history"]:
        for text in (entry["event_id"], entry["recorded_at"], entry["occurred_at"], entry["actor"], entry["outcome"]):
            assert text in page.text
    for text in (
        "Dinosaurs on the loose", "tenant:acme", "privacy", "consent", "tourist season", "ticket-9", "4711", position,
        "Europe/Paris", NASTY,
    ):  # fmt: skip
        assert text in page.text, text


def test_ids_that_are_markup_stay_ids(api: Api) -> None:
    api.put_set(NASTY_PATH, {"workflows": {NASTY: {"channels": {NASTY: False}}}}, Prefledger_Actor="%3Cimg%20src=x%3E")
    page = Page(api.request("GET", f"/holders/{NASTY_PATH}/report").text)
    assert page.text.count(NASTY) > 5
    assert "<img src=x>" in page.text
    assert f"prefledger report 'user:{NASTY}'".replace("'id'", "'\"'\"'id'\"'\"'") in page.text, (
        "no shell takes that command"
    )


def test_a_report_is_the_same_later_but_for_what_was_forgotten(api: Api, position: str) -> None:
    before = reported(api, as_of=position)
    api.put_set(ANN, {"channel_types": {"push": False}})
    again = reported(api, as_of=position)
    assert {**again, "made_at": ""} == {**before, "made_at": ""}
    api.put_set("user:shy", {"kept": {"note": "telltale"}}, Prefledger_Reason="telltale")
    api.ok("DELETE", "/holders/user:shy?suppress=all")
    for form in ("html", "json"):
        text = api.request("GET", "/holders/user:shy/report", params={"format": form}).text
        assert "telltale" not in text
        assert "suppress" in text, "who must not be sent to is not told"


def test_a_long_history_comes_whole_while_others_are_answered(api: Api, server: ServerProcess) -> None:
    for start in range(0, CHANGES, 1_000):
        events = [
            {"type": "PreferenceSetMerged", "holder": "user:busy", "preferences": {"digest": str(number)}}
            for number in range(start, start + 1_000)
        ]
        assert {one["outcome"] for one in api.ok("POST", "/events", json={"events": events})["results"]} == {"applied"}
    pages: list[str] = []
    reading = Thread(target=lambda: pages.append(_page_of(server, "user:busy")))
    reading.start()
    answered = 0
    while reading.is_alive():
        api.evaluate("user:busy")
        answered += 1
        time.sleep(0.01)
    reading.join()
    assert answered > 5, "nobody else was answered while one report was made"
    assert pages[0].count("<tr id=") == CHANGES
    assert f"{CHANGES - 1}" in pages[0]


def _page_of(server: ServerProcess, holder: str) -> str:
    with closing(Api(server)) as api:
        return api.request("GET", f"/holders/{holder}/report").text


def test_who_is_not_known_has_an_empty_report(api: Api) -> None:
    report = reported(api, "user:never-heard-of")
    assert (report["sets"], report["history"], report["sources"]) == ([], [], [])
    assert "There is none." in Page(api.request("GET", "/holders/user:never-heard-of/report").text).text


def test_what_is_no_report_is_refused(api: Api) -> None:
    refused_by_api(api.request("GET", "/holders/environment/report"), "invalid")
    refused_by_api(api.request("GET", f"/holders/{ANN}/report?format=pdf"), "invalid")
    refused_by_api(api.request("GET", f"/holders/{ANN}/report?as_of=1999-01-01T00:00:00Z"), "unprocessable")
    refused_by_api(api.request("GET", f"/holders/{ANN}/report?asof=x"), "bad-request")


def test_the_command_writes_a_file_for_its_owner_alone(
    server: ServerProcess, api: Api, position: str, tmp_path: Path
) -> None:
    page, document = tmp_path / "ann.html", tmp_path / "ann.json"
    done = ask(server, "report", ANN, "--out", str(page), "--as-of", position)
    assert (done.status, done.out) == (0, ""), done.err
    assert position in Page(page.read_text(encoding="utf-8")).text
    assert ask(server, "report", ANN, "--format", "json", "--as-of", position, "--out", str(document)).status == 0
    assert {**json.loads(document.read_text()), "made_at": ""} == {**reported(api, as_of=position), "made_at": ""}
    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {"0o600"}
    assert "exists already" in refused(server, "report", ANN, "--out", str(page))
    assert "can't be written" in refused(server, "report", ANN, "--out", str(tmp_path / "no" / "folder" / "x"))


def test_a_report_that_was_cut_off_is_no_report(server: ServerProcess, position: str, tmp_path: Path) -> None:
    with cutting_off(server, "/report") as url:
        broken = ask(
            server, "report", ANN, "--as-of", position, "--out", str(tmp_path / "x"), settings={"PREFLEDGER_URL": url}
        )
    assert broken.status == 1
    assert list(tmp_path.iterdir()) == [], "half of what is kept of a person passes for all of it"
