"""Every command that asks a node, against a real one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.command_line import answer, ask, refused, run
from tests.server_process import ServerProcess

DINOSAURS = {
    "channel_types": {"email": True, "sms": False},
    "workflows": {"dinosaurs-loose": {"channel_types": {"email": False, "in_app_feed": True, "sms": True}}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("cli") / "data") as started:
        yield started


@pytest.fixture
def somebody() -> str:
    """A user that no other test writes."""
    return f"user:{uuid4().hex}"


# get and set


def test_a_set_is_written_and_read_back(server: ServerProcess, somebody: str) -> None:
    written = answer(server, "set", somebody, json.dumps(DINOSAURS))
    assert (written["preferences"], written["version"], written["outcome"]) == (DINOSAURS, 1, "applied")
    read = answer(server, "get", somebody, "--min-position", written["position"])
    assert (read["preferences"], read["version"]) == (DINOSAURS, 1)


def test_a_holder_never_heard_of_has_an_empty_set(server: ServerProcess, somebody: str) -> None:
    assert answer(server, "get", somebody)["preferences"] == {}


@pytest.mark.parametrize(
    ("holder", "set_name"),
    [
        ("user:a/b c%2F:d", "default"),
        ("user:日本", "tenant:x/y"),
        ("object:col%3Aon:id:with:colons", "default"),
        ("user:someone", "context:region:eu,tenant:acme"),
        ("user:someone", "subscription:top%3Aic:s/1"),
        ("tenant:acme", "default"),
        ("environment", "default"),
    ],
)
def test_every_kind_of_holder_and_set_has_an_address(server: ServerProcess, holder: str, set_name: str) -> None:
    answer(server, "set", holder, set_name, '{"channel_types": {"push": true}}')
    read = answer(server, "get", holder, set_name)
    assert (read["holder"], read["set"]) == (holder, set_name)
    assert read["preferences"] == {"channel_types": {"push": True}}


def test_merge_changes_what_is_named_and_null_takes_away(server: ServerProcess, somebody: str) -> None:
    answer(server, "set", somebody, json.dumps(DINOSAURS))
    merged = answer(server, "set", somebody, '{"channel_types": {"sms": null, "push": false}}', "--merge")
    assert merged["preferences"]["channel_types"] == {"email": True, "push": False}
    assert merged["preferences"]["workflows"] == DINOSAURS["workflows"]


def test_a_write_to_another_version_is_refused(server: ServerProcess, somebody: str) -> None:
    answer(server, "set", somebody, "{}", "--if-match", "0")
    assert "another version" in refused(server, "set", somebody, "{}", "--if-match", "0")
    answer(server, "set", somebody, '{"channel_types": {"sms": false}}', "--if-match", "1")


def test_who_and_why_reach_the_history_in_any_script(server: ServerProcess, somebody: str) -> None:
    answer(server, "set", somebody, "{}", "--actor", "user:støtte", "--reason", "100% sicher: 確認")
    (entry,) = ask(server, "history", somebody, "--json").lines
    assert (entry["actor"], entry["reason"], entry["method"]) == ("user:støtte", "100% sicher: 確認", "command-line")


def test_a_document_can_come_from_standard_input(server: ServerProcess, somebody: str) -> None:
    written = answer(server, "set", somebody, "tenant:acme", "-", given=json.dumps(DINOSAURS).encode())
    assert (written["set"], written["preferences"]) == ("tenant:acme", DINOSAURS)


def test_a_flood_on_standard_input_is_not_read_to_its_end(server: ServerProcess, somebody: str) -> None:
    assert "more than 2097152 bytes" in refused(server, "set", somebody, "-", given=b" " * 2_097_153)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "the body is not JSON"),
        ("", "the body is not JSON"),
        ('{"channel_types": {"fax": true}}', "'fax' is not a channel type"),
        ('{"channel_types": {"sms": true, "sms": false}}', "stands twice"),
        ("[]", "must be an object"),
    ],
)
def test_a_document_that_is_none_is_refused_in_a_sentence(
    server: ServerProcess, somebody: str, document: str, sentence: str
) -> None:
    assert sentence in refused(server, "set", somebody, document)
    assert ask(server, "history", somebody).out == "", "a refused document left something in the ledger"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("get", "jhammond"), "'jhammond' names no holder; write user:ID"),
        (("get", "user:x", "defaults"), "'defaults' names no preference set; write default"),
        (("set", "user:x", "default", "{}", "{}"), "after the holder come a set and a document"),
        (("set", "user:x"), "Missing argument"),
        (("get", "user:x", "--if-match", "1"), "No such option"),
        (("set", "user:x", "{}", "--if-match", "-1"), "is not in the range"),
    ],
)
def test_a_mistyped_command_is_answered_without_asking_the_node(
    server: ServerProcess, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(server, *words, status=2)


def test_the_past_is_shown_by_position_and_by_instant(server: ServerProcess, somebody: str) -> None:
    first = answer(server, "set", somebody, '{"channel_types": {"sms": false}}')
    (entry,) = ask(server, "history", somebody, "--json").lines
    answer(server, "set", somebody, '{"channel_types": {"sms": true}}')
    by_position = answer(server, "get", somebody, "--as-of", first["position"])
    assert by_position["preferences"] == {"channel_types": {"sms": False}}
    by_instant = answer(server, "get", somebody, "--as-of", entry["recorded_at"])
    assert by_instant["preferences"] == {"channel_types": {"sms": False}}
    assert "not a position" in refused(server, "get", somebody, "--as-of", "yesterday")


def test_resolved_shows_the_layers_merged(server: ServerProcess, somebody: str) -> None:
    tenant = f"tenant:{uuid4().hex}"
    answer(server, "set", tenant, '{"channel_types": {"chat": false}}')
    answer(server, "set", somebody, '{"channel_types": {"sms": false}}')
    resolved = answer(server, "get", somebody, "--resolved", "--tenant", tenant.removeprefix("tenant:"))
    assert resolved["preferences"]["channel_types"].items() >= {"chat": False, "sms": False}.items()
    assert resolved["origins"]["/channel_types/chat"]["holder"] == tenant
    assert resolved["origins"]["/channel_types/sms"]["holder"] == somebody
    assert "goes with resolved" in refused(server, "get", somebody, "--tenant", "acme")


# evaluate


def decided(answered: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    return {one["channel_type"]: (one["deliver"], one["reason"]) for one in answered["decisions"]}


def test_channels_are_decided_with_their_reasons(server: ServerProcess, somebody: str) -> None:
    answer(server, "set", somebody, json.dumps(DINOSAURS))
    words = ("--channel", "email", "--channel", "sms", "--channel", "in_app_feed")
    assert decided(answer(server, "evaluate", somebody, "dinosaurs-loose", *words)) == {
        "email": (False, "channel_type_opt_out"),
        "sms": (False, "channel_type_opt_out"),
        "in_app_feed": (True, "preference_allow"),
    }


def test_every_part_of_a_question_reaches_the_node(server: ServerProcess, somebody: str) -> None:
    condition = {"conditions": [{"variable": "data.kind", "operator": "equal_to", "argument": "big"}]}
    hours = [{"start": "09:00", "end": "17:00"}]
    preferences = {
        "channel_types": {"push": condition},
        "channels": {"phone-1": False},
        "categories": {"news": False},
        "schedule": {
            "enabled": True,
            "weekly": {"monday": {"enabled": True, "hours": hours}},
        },
    }
    answer(server, "set", somebody, json.dumps(preferences))
    monday, sunday = "2026-03-02T10:00:00Z", "2026-03-01T10:00:00Z"

    def reasons(*words: str) -> list[str]:
        return [one["reason"] for one in answer(server, "evaluate", somebody, "w", *words)["decisions"]]

    at = ("--at", monday)
    assert reasons(*at, "--channel", "sms", "--channel", "sms:phone-1") == ["default_allow", "channel_opt_out"]
    assert reasons(*at, "--channel", "push", "--data", '{"kind": "big"}') == ["preference_allow"]
    assert reasons(*at, "--channel", "push", "--data", '{"kind": "small"}') == ["condition_not_met"]
    assert reasons(*at, "--channel", "sms", "--category", "news") == ["category_opt_out"]
    assert reasons("--at", sunday, "--channel", "sms") == ["outside_schedule"]
    own = '{"decide": "every_rule_allows", "own_default_in_tenant": "never"}'
    assert reasons(*at, "--channel", "sms:phone-1", "--tenant", "acme", "--policy", own) == ["default_allow"]
    assert reasons(*at, "--channel", "sms:phone-1", "--tenant", "acme", "--policy", "courier") == ["default_allow"]
    assert reasons(*at, "--channel", "sms:phone-1", "--tenant", "acme") == ["channel_opt_out"]


def test_a_decision_is_explained_and_replayed(server: ServerProcess, somebody: str) -> None:
    written = answer(server, "set", somebody, '{"channel_types": {"sms": false}}', "--actor", somebody)
    first = answer(server, "evaluate", somebody, "w", "--channel", "sms", "--explain")
    (decision,) = first["decisions"]
    assert decision["decided_by"]["actor"] == somebody
    assert decision["trace"][-1]["verdict"] == "blocks"
    answer(server, "set", somebody, "{}")
    when = ("--as-of", written["position"], "--at", first["evaluated_at"])
    again = answer(server, "evaluate", somebody, "w", "--channel", "sms", "--explain", *when)
    assert again["decisions"] == first["decisions"]


def test_a_question_that_is_none_is_refused(server: ServerProcess, somebody: str) -> None:
    assert "this is not JSON" in refused(server, "evaluate", somebody, "w", "--data", "{", status=2)
    assert "'fax' is not a channel type" in refused(server, "evaluate", somebody, "w", "--channel", "fax")
    assert "no policy preset" in refused(server, "evaluate", somebody, "w", "--policy", "mine")


# history


def test_history_shows_the_newest_and_says_that_there_is_more(server: ServerProcess, somebody: str) -> None:
    for number in range(3):
        answer(server, "set", somebody, json.dumps({"channel_types": {"sms": number % 2 == 0}}))
    newest = ask(server, "history", somebody, "--limit", "2", "--json")
    assert [entry["version"] for entry in newest.lines] == [3, 2]
    assert "There is more" in newest.err
    whole = ask(server, "history", somebody, "--all", "--json")
    assert [entry["version"] for entry in whole.lines] == [3, 2, 1]
    assert "There is more" not in whole.err
    assert "There is more" not in ask(server, "history", somebody, "--limit", "3").err


def test_history_is_narrowed_by_what_and_when(server: ServerProcess, somebody: str) -> None:
    answer(server, "set", somebody, '{"channel_types": {"sms": false}}')
    answer(server, "set", somebody, "tenant:acme", '{"channel_types": {"push": false}}')
    refused(server, "set", somebody, "{}", "--if-match", "9")
    (in_tenant,) = ask(server, "history", somebody, "--set", "tenant:acme", "--json").lines
    assert in_tenant["changes"] == [{"path": "/channel_types/push", "after": False}]
    (about_sms,) = ask(server, "history", somebody, "--path", "/channel_types/sms", "--json").lines
    assert about_sms["set"] == "default"
    (rejected,) = ask(server, "history", somebody, "--outcome", "rejected", "--json").lines
    assert rejected["why"] == "version-mismatch"
    assert ask(server, "history", somebody, "--to", "2020-01-01T00:00:00Z").out == ""
    assert len(ask(server, "history", somebody, "--from", "2020-01-01T00:00:00Z", "--json").lines) == 2


# keys


def test_a_key_lives_and_dies(server: ServerProcess, somebody: str) -> None:
    issued = ask(server, "keys", "issue", "reader", "--scope", "read")
    assert "never shown again" in issued.err
    key = {"PREFLEDGER_KEY": issued.value["key"]}
    assert ask(server, "get", somebody, settings=key).status == 0
    assert "lacks the scope 'publish'" in ask(server, "set", somebody, "{}", settings=key).sentence
    listed = {one["id"]: one for one in ask(server, "keys", "list", "--json").lines}
    assert listed[issued.value["id"]]["scopes"] == ["read"]
    assert issued.value["key"] not in ask(server, "keys", "list").out
    assert answer(server, "keys", "revoke", issued.value["id"])["revoked"] is True
    assert "not valid" in ask(server, "get", somebody, settings=key).sentence


def test_a_key_that_cannot_be_issued_or_revoked(server: ServerProcess) -> None:
    assert "Missing option '--scope'" in ask(server, "keys", "issue", "nobody").err
    assert "is not one of 'publish'" in refused(server, "keys", "issue", "nobody", "--scope", "all", status=2)
    assert "there is no key 'nothing'" in refused(server, "keys", "revoke", "nothing")


def test_a_key_can_come_from_a_file(server: ServerProcess, somebody: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(server.admin_key + "\n")
    settings = {"PREFLEDGER_URL": server.url, "PREFLEDGER_KEY_FILE": str(file)}
    assert run("get", somebody, settings=settings).status == 0


# rebuild


def test_a_rebuild_ends_with_the_digest_that_both_views_have(server: ServerProcess, somebody: str) -> None:
    answer(server, "set", somebody, json.dumps(DINOSAURS))
    done = answer(server, "rebuild")
    assert (done["phase"], len(done["digest"]), done["trouble"]) == ("done", 64, None)
    assert done["records_folded"] == done["records_total"] > 0
    assert answer(server, "get", somebody)["preferences"] == DINOSAURS
    assert answer(server, "rebuild", "--cancel")["phase"] == "done", "there was nothing to give up"


# provenance


def test_provenance_groups_every_page_by_value(server: ServerProcess, somebody: str) -> None:
    answer(server, "set", somebody, '{"channel_types": {"sms": false, "push": true}}')
    answer(server, "set", somebody, "--merge", '{"channel_types": {"sms": true}}', "--actor", "user:ann")
    push, sms = ask(server, "provenance", somebody, "--json").lines
    assert (push["path"], push["value"], len(push["events"])) == ("/channel_types/push", True, 1)
    assert (sms["events"][0]["actor"], sms["events"][0]["decides"]) == ("user:ann", True)
    first = sms["events"][-1]["position"]
    (then,) = ask(server, "provenance", somebody, "default", "/channel_types/sms", "--as-of", first, "--json").lines
    assert (then["value"], len(then["events"])) == (False, 1)
    nothing = ask(server, "provenance", somebody, "default", "/schedule")
    assert (nothing.status, nothing.out) == (0, "")
    assert "Nothing was ever said there" in nothing.err
