"""The decision log over real HTTP: every answer can be found by its id, and is asked again about its own moment."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.command_line import Done, answer, ask, run
from tests.integration.http.api import Api, Json, fresh, refused
from tests.integration.http.test_evaluate_replay import World, canonical
from tests.server_process import ServerProcess

PRODUCTION, STAGING, BROKEN = "production", "staging", "broken"
WHOLE = {"PREFLEDGER_ENVIRONMENTS": f"{PRODUCTION},{STAGING},{BROKEN}", "PREFLEDGER_DECISION_LOG": "1"}
UNHEARD_OF = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A node that keeps every answer, but for one environment, whose disk takes none."""
    data = tmp_path_factory.mktemp("node") / "data"
    (data / BROKEN).mkdir(parents=True)
    (data / BROKEN / "decisions").write_text("in the way")
    with ServerProcess(data, environment=WHOLE) as process:
        yield process


@pytest.fixture(scope="module")
def environment() -> str | None:
    return PRODUCTION


@pytest.fixture(scope="module")
def staging(server: ServerProcess) -> Iterator[Api]:
    client = Api(server, environment=STAGING)
    yield client
    client.close()


@pytest.fixture(scope="module")
def broken(server: ServerProcess) -> Iterator[Api]:
    client = Api(server, environment=BROKEN)
    yield client
    client.close()


@pytest.fixture
def world(api: Api) -> Iterator[World]:
    made = World(api)
    made.settle()
    yield made
    made.put_back()


def decision(api: Api, answered: Json) -> Json:
    """What the log says of an answer."""
    return api.get(f"/decisions/{answered['decision_id']}")


def asked(api: Api, question: Json) -> Json:
    return api.ok("POST", "/evaluate", json=question)


def files(server: ServerProcess, environment: str) -> list[Path]:
    return sorted((server.data / environment / "decisions").iterdir())


def test_every_decision_still_comes_out_the_same_after_everything_has_changed(
    api: Api, world: World, server: ServerProcess
) -> None:
    questions = [{**question, **more} for question in world.questions() for more in ({}, {"explain": True})]
    answers = [asked(api, question) for question in questions]
    many = {"recipients": [world.user, "user:nobody", "no recipient"], "workflow": world.workflow, "explain": True}
    batch = api.ok("POST", "/evaluate/batch", json=many)
    world.upset()
    for rebuilt in (False, True):
        if rebuilt:
            assert ask(server, "rebuild").status == 0
        for question, answered in zip(questions, answers, strict=True):
            logged = decision(api, answered)
            assert (logged["same"], logged["difference"]) == (True, None), f"{question} comes out differently: {logged}"
            assert canonical(logged["logged"]) == canonical(logged["present"]) == canonical(answered)
            assert {name: logged[name] for name in ("question", "position", "evaluated_at", "decision_id")} == {
                "question": question,
                **{name: answered[name] for name in ("position", "evaluated_at", "decision_id")},
            }
        logged = decision(api, batch)
        assert (logged["same"], logged["question"]) == (True, many)
        assert logged["logged"]["results"] == batch["results"]
    explained = decision(api, answers[1])["present"]["decisions"][0]
    assert explained["trace"], "an explained decision was re-run without its trace"


def test_a_question_about_the_past_or_with_bounds_on_its_moment_is_re_run_too(api: Api) -> None:
    user = f"user:{fresh()}"
    written = api.put_set(user, {"channel_types": {"email": False}})
    (entry,) = api.history(user)
    moments: list[dict[str, Json]] = [
        {"min_position": written["position"], "max_staleness": 30},
        {"as_of": written["position"]},
        {"as_of": entry["recorded_at"], "at": "2026-03-03T14:02:00.5+01:00"},
        {"as_of": "9999-12-31T23:59:59Z"},
    ]
    answers = [api.evaluate(user, channels=["email"], **moment) for moment in moments]
    api.put_set(user, {"channel_types": {"email": True}})
    for answered in answers:
        logged = decision(api, answered)
        assert logged["same"] is True
        assert logged["present"]["decisions"][0]["deliver"] is False


def test_a_body_is_kept_as_it_was_sent(api: Api) -> None:
    """Over several lines, with other characters than ASCII, and with text that looks like a line of the log."""
    forged = f'{{"decision_id":"{UNHEARD_OF}","release":"9","asked_by":"operator","question":{{}},"answer":{{}}}}'
    question = {"recipient": "user:zoë", "workflow": "w", "data": {"note": "a\u2028b\nc", "forged": json.loads(forged)}}
    content = json.dumps(question, indent=4, ensure_ascii=False).replace("\n", "\r\n").encode()
    answered = api.ok("POST", "/evaluate", content=content)
    assert decision(api, answered)["question"] == question
    raw = b'{"recipient":"user:a","workflow":"w","data":{"forged":\n' + forged.encode() + b"}}"
    api.ok("POST", "/evaluate", content=raw)
    refused(api.request("GET", f"/decisions/{UNHEARD_OF}"), "not-found")


def test_who_asked_is_kept_and_no_secret(api: Api, server: ServerProcess) -> None:
    issued = api.issue_key("evaluate")
    answered = api.with_key(issued["key"]).evaluate("user:a")
    assert decision(api, answered)["asked_by"] == f"key:{issued['id']}"
    assert decision(api, api.evaluate("user:a"))["asked_by"] == "operator"
    kept = b"".join(path.read_bytes() for path in files(server, PRODUCTION))
    assert answered["decision_id"].encode() in kept
    assert issued["key"].split("_", 2)[2].encode() not in kept
    assert server.admin_key.encode() not in kept


def test_the_files_are_for_their_owner_alone(api: Api, server: ServerProcess) -> None:
    decision(api, api.evaluate("user:a"))
    folder = server.data / PRODUCTION / "decisions"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes.pop("decisions") == 0o700
    assert set(modes.values()) == {0o600}


def test_a_workflow_trigger_of_a_dialect_is_kept_when_it_is_decided(api: Api, server: ServerProcess) -> None:
    key = api.issue_key("publish", "evaluate")["key"]
    headers = {"Authorization": f"Bearer {key}"}
    triggered = httpx.post(f"{server.url}/v1/workflows/w/trigger", headers=headers, json={"recipients": ["zoe", "max"]})
    run_id = triggered.raise_for_status().json()["workflow_run_id"]
    evaluation = api.get(f"/workflow-runs/{run_id}")["evaluation"]
    logged = decision(api, evaluation)
    assert logged["same"] is True
    assert logged["logged"]["results"] == evaluation["results"]


# What came out differently.


def changed(server: ServerProcess, answered: Json, before: bytes, after: bytes) -> None:
    """As if the node had answered something else."""
    for path in files(server, PRODUCTION):
        lines = path.read_bytes().splitlines(keepends=True)
        altered = [line.replace(before, after) if answered["decision_id"].encode() in line else line for line in lines]
        if altered != lines:
            with path.open("r+b") as file:
                file.write(b"".join(altered))
            return
    raise AssertionError("the decision is in no file")


def test_an_answer_that_does_not_follow_from_the_ledger_is_told(api: Api, server: ServerProcess) -> None:
    answered = api.evaluate("user:a", channels=["sms", "email"])
    assert decision(api, answered)["same"] is True
    changed(server, answered, b'"email","deliver":true,', b'"email","deliver":false')
    torn = refused(api.request("GET", f"/decisions/{answered['decision_id']}"), "not-found")
    assert "no such answer" in torn["detail"]
    changed(server, answered, b'"email","deliver":false', b'"email","deliver":null,')
    logged = decision(api, answered)
    assert logged["same"] is False
    assert logged["difference"] == {"pointer": "/decisions/1/deliver", "logged": None, "present": True}
    done = by_command(server, answered)
    assert (done.status, done.value) == (1, logged)
    assert done.sentence == "it comes out differently now, first at /decisions/1/deliver"


def test_a_question_that_this_release_does_not_take_is_told(api: Api, server: ServerProcess) -> None:
    answered = api.evaluate("user:a", context=["region:eu"])
    assert decision(api, answered)["same"] is True
    changed(server, answered, b'"context"', b'"no-such"')
    problem = refused(api.request("GET", f"/decisions/{answered['decision_id']}"), "unprocessable")
    assert "does not take the logged question" in problem["detail"]


def test_what_was_forgotten_since_is_not_shown_again(api: Api, server: ServerProcess) -> None:
    forgotten, other = f"user:{fresh('unmistakable')}", f"user:{fresh()}"
    api.put_set(forgotten, {"channel_types": {"email": False}})
    answered = api.evaluate(forgotten, data={"email": "hammond@example.com"})
    many = {"recipients": [other, forgotten], "workflow": "w", "data": {"email": "hammond@example.com"}}
    batch = api.ok("POST", "/evaluate/batch", json=many)
    api.ok("DELETE", f"/holders/{forgotten}")
    after = api.evaluate(forgotten)
    response = api.request("GET", f"/decisions/{answered['decision_id']}")
    assert forgotten not in response.text
    assert "hammond" not in response.text
    assert response.json()["same"] is None
    of_batch = api.request("GET", f"/decisions/{batch['decision_id']}")
    assert forgotten not in of_batch.text
    assert "hammond" not in of_batch.text
    assert of_batch.json()["same"] is True
    assert of_batch.json()["logged"]["results"][0] == batch["results"][0]
    assert decision(api, after)["same"] is True, "what came after the forgetting can still be told"
    done = by_command(server, answered)
    assert done.status == 1
    assert "forgotten" in done.sentence


# Who may ask, and what is not there.


def test_one_environment_does_not_see_the_decisions_of_another(api: Api, staging: Api, server: ServerProcess) -> None:
    user = f"user:{fresh('wall')}"
    here, there = api.evaluate(user), staging.evaluate(user)
    assert decision(staging, there)["same"] is True
    assert decision(api, here)["same"] is True
    refused(api.request("GET", f"/decisions/{there['decision_id']}"), "not-found")
    refused(staging.request("GET", f"/decisions/{here['decision_id']}"), "not-found")
    for name, own in ((PRODUCTION, here), (STAGING, there)):
        kept = b"".join(path.read_bytes() for path in files(server, name))
        assert [one["decision_id"].encode() in kept for one in (here, there)] == [one is own for one in (here, there)]


def test_only_an_auditor_looks_a_decision_up(api: Api) -> None:
    answered = api.evaluate("user:a")
    assert decision(api.with_key(api.issue_key("audit")["key"]), answered)["same"] is True
    others = api.with_key(api.issue_key("evaluate", "read", "publish")["key"])
    problem = refused(others.request("GET", f"/decisions/{answered['decision_id']}"), "forbidden")
    assert "'audit'" in problem["detail"]


def test_an_id_that_is_not_there_and_one_that_is_none(api: Api) -> None:
    problem = refused(api.request("GET", f"/decisions/{UNHEARD_OF}"), "not-found")
    assert "this node's decision log" in problem["detail"]
    for text in ("x", UNHEARD_OF[:-1], "01890a5d-ac96-474b-bcce-b302099a8057", "%2e%2e%2fsecret", "%ff"):
        refused(api.request("GET", f"/decisions/{text}"), "invalid")
    answered = api.evaluate("user:a")
    assert api.get(f"/decisions/{answered['decision_id'].upper()}")["decision_id"] == answered["decision_id"]


# The disk.


def metric(api: Api, name: str, **labels: str) -> float | None:
    wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
    found = re.search(rf"^{name}{{{re.escape(wanted)}}} (\S+)", api.outside("/metrics"), re.MULTILINE)
    return None if found is None else float(found[1])


def test_a_disk_that_takes_nothing_fails_no_evaluation_and_is_counted(api: Api, broken: Api, server: ServerProcess) -> None:
    answers = [broken.evaluate("user:a") for _ in range(3)]
    for answered in answers:
        problem = refused(broken.request("GET", f"/decisions/{answered['decision_id']}"), "not-ready")
        assert "can't be read" in problem["detail"]
    lost = metric(broken, "prefledger_decision_log_lost_total", environment=BROKEN, reason="write_failed")
    assert lost == 3
    assert metric(broken, "prefledger_decision_log_lines_total", environment=BROKEN) == 0
    written = metric(api, "prefledger_decision_log_lines_total", environment=PRODUCTION)
    decision(api, api.evaluate("user:a"))
    assert written is not None
    assert metric(api, "prefledger_decision_log_lines_total", environment=PRODUCTION) == written + 1
    assert server.output().count(f"environment {BROKEN}: the decision log does not keep every answer") == 1


def by_command(server: ServerProcess, answered: Json, *words: str) -> Done:
    return ask(server, "evaluate", "--decision", answered["decision_id"], "--environment", PRODUCTION, *words)


def test_the_command_line_re_runs_a_decision(api: Api, server: ServerProcess) -> None:
    user = f"user:{fresh()}"
    answered = answer(server, "evaluate", user, "w", "--channel", "email", "--explain")
    api.put_set(user, {"channel_types": {"email": False}})
    done = by_command(server, answered, "--json")
    assert (done.status, done.err) == (0, "")
    assert done.value == decision(api, answered)
    assert done.value["same"] is True


@pytest.mark.parametrize("more", [("user:x", "w"), ("--explain",), ("--tenant", "t"), ("--channel", "email")])
def test_a_decision_is_re_run_as_it_was_asked_and_not_otherwise(server: ServerProcess, more: tuple[str, ...]) -> None:
    done = ask(server, "evaluate", "--decision", UNHEARD_OF, *more)
    assert done.status == 2
    assert "give no question beside it" in done.sentence


def test_a_question_needs_recipient_and_workflow(server: ServerProcess) -> None:
    for words, missing in (((), "RECIPIENT"), (("user:x",), "WORKFLOW")):
        done = ask(server, "evaluate", *words)
        assert (done.status, done.sentence) == (2, f"Missing argument '{missing}'.")


# A life of its own: killed, switched off, sampled.


def test_decisions_outlive_a_kill_and_the_log_being_switched_off(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", environment={"PREFLEDGER_DECISION_LOG": "1"})
    with server:
        first: Any = answer(server, "evaluate", "user:a", "w")
        assert run_again(server, first).value["same"] is True
        server.kill()
        server.start()
        second = answer(server, "evaluate", "user:a", "w")
        assert [run_again(server, one).status for one in (first, second)] == [0, 0]
        third = answer(server, "evaluate", "user:a", "w")
        server.stop()
        del server.environment["PREFLEDGER_DECISION_LOG"]
        server.start()
        fourth = answer(server, "evaluate", "user:a", "w")
        assert [run_again(server, one).status for one in (first, second, third)] == [0, 0, 0]
        done = run_again(server, fourth)
        assert (done.status, "PREFLEDGER_DECISION_LOG is 0" in done.sentence) == (1, True)
        assert "prefledger_decision_log_lines_total{" not in httpx.get(f"{server.url}/metrics").text
    assert len(files(server, "development")) == 1


def run_again(server: ServerProcess, answered: Json) -> Done:
    return ask(server, "evaluate", "--decision", answered["decision_id"])


def test_a_share_that_is_none_is_refused_with_the_variable(tmp_path: Path) -> None:
    done = run("settings", settings={"PREFLEDGER_DECISION_LOG": "whole"})
    assert "PREFLEDGER_DECISION_LOG" in done.sentence
