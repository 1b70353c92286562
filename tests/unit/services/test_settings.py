"""Settings: read once, typed, and refused with a sentence that names the variable and what to write."""

from dataclasses import fields
from pathlib import Path

import pytest

from services.settings import HIDDEN, Settings, SettingsInvalid, is_loopback, read_settings

SECRET = "s" * 32
KEY = "k" * 20


def test_without_variables_there_are_defaults() -> None:
    settings = read_settings({})
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8080, Path("data"))
    assert settings.environments == ("development",)
    assert (settings.kafka, settings.secret, settings.admin_key) == (None, None, None)
    assert settings.decision_log == 0, "what names people must be asked for"


def test_variables_are_read_as_their_types() -> None:
    settings = read_settings(
        {
            "PREFLEDGER_PORT": "0",
            "PREFLEDGER_DATA": "/srv/ledger",
            "PREFLEDGER_ENVIRONMENTS": " production , staging ",
            "PREFLEDGER_WAIT_SECONDS": "0.25",
            "PREFLEDGER_BODY_BYTES_MAX": "1000",
            "PREFLEDGER_LOG_LEVEL": "warning",
            "PREFLEDGER_DECISION_LOG": "0.25",
            "PATH": "ours is not to look at",
        }
    )
    assert (settings.port, settings.data, settings.wait_seconds) == (0, Path("/srv/ledger"), 0.25)
    assert settings.environments == ("production", "staging")
    assert (settings.body_bytes_max, settings.log_level, settings.decision_log) == (1000, "warning", 0.25)


def test_the_command_line_wins() -> None:
    assert read_settings({"PREFLEDGER_PORT": "1"}, port=2, host=None).port == 2


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"PREFLEDGER_PROT": "1"}, "PREFLEDGER_PROT is not a setting"),
        ({"PREFLEDGER_PORT_FILE": "x"}, "PREFLEDGER_PORT_FILE is not a setting"),
        ({"PREFLEDGER_PORT": "eighty"}, "PREFLEDGER_PORT is 'eighty': must be a whole number"),
        ({"PREFLEDGER_PORT": "-1"}, "must be a whole number"),
        ({"PREFLEDGER_PORT": "70000"}, "between 0 and 65535"),
        ({"PREFLEDGER_WAIT_SECONDS": "0"}, "between 0 and 3600"),
        ({"PREFLEDGER_WAIT_SECONDS": "nan"}, "between 0 and 3600"),
        ({"PREFLEDGER_ENVIRONMENTS": ","}, "one or more different names"),
        ({"PREFLEDGER_ENVIRONMENTS": "a,a"}, "one or more different names"),
        ({"PREFLEDGER_ENVIRONMENTS": "../a"}, "letters, digits, - and _"),
        ({"PREFLEDGER_ENVIRONMENTS": "é"}, "letters, digits, - and _"),
        ({"PREFLEDGER_LOG_LEVEL": "loud"}, "debug, info, warning or error"),
        ({"PREFLEDGER_LOG_FORMAT": "yaml"}, "must be text or json"),
        *[({"PREFLEDGER_DECISION_LOG": share}, "from 0 (none) to 1") for share in ("1.01", "-0.1", "nan", "inf", "on")],
        ({"PREFLEDGER_DECISION_LOG_DAYS": "0"}, "must be 1 or more"),
        ({"PREFLEDGER_DECISION_LOG_FILE_BYTES_MAX": "4095"}, "no room for an answer"),
        (
            {"PREFLEDGER_DECISION_LOG_FILE_BYTES_MAX": "5000", "PREFLEDGER_DECISION_LOG_BYTES_MAX": "9999"},
            "at least twice PREFLEDGER_DECISION_LOG_FILE_BYTES_MAX",
        ),
        ({"PREFLEDGER_SECRET": "short"}, "fewer than 32 characters"),
        ({"PREFLEDGER_INTAKE": "yes"}, "PREFLEDGER_INTAKE is 'yes': must be on or off"),
        ({"PREFLEDGER_INTAKE": "on"}, "but the log is embedded: set PREFLEDGER_KAFKA"),
        ({"PREFLEDGER_INTAKE_PARTITIONS": "0"}, "an intake has 1 to 100"),
        ({"PREFLEDGER_INTAKE_PARTITIONS": "101"}, "an intake has 1 to 100"),
        ({"PREFLEDGER_INTAKE_SESSION_SECONDS": "0"}, "between 0 and 3600"),
        ({"PREFLEDGER_KAFKA": "broker:9092"}, "every node needs the same PREFLEDGER_SECRET"),
        ({"PREFLEDGER_HOST": "0.0.0.0", "PREFLEDGER_ADMIN_KEY": "short"}, "only allowed on loopback"),
        ({"PREFLEDGER_ADMIN_KEY": "k" * 513}, "can't be sent in a header"),
        ({"PREFLEDGER_ADMIN_KEY": "ké" * 10}, "can't be sent in a header"),
        ({"PREFLEDGER_ADMIN_KEY": "k\nk" * 10}, "can't be sent in a header"),
        ({"PREFLEDGER_ADMIN_KEY": f" {KEY}"}, "can't be sent in a header"),
        ({"PREFLEDGER_SECRET": SECRET, "PREFLEDGER_SECRET_FILE": "/x"}, "both PREFLEDGER_SECRET and PREFLEDGER_SECRET_FILE"),
        ({"PREFLEDGER_SECRET_FILE": "/no/such/file"}, "which can't be read"),
    ],
)
def test_what_can_not_be_used_is_refused_by_name(variables: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        read_settings(variables)
    assert told in str(refusal.value)


def test_a_refusal_does_not_repeat_a_secret() -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        read_settings({"PREFLEDGER_ADMIN_KEY": "unmistakable\x07", "PREFLEDGER_SECRET": SECRET})
    assert "unmistakable" not in str(refusal.value)


def test_a_file_can_hold_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    assert read_settings({"PREFLEDGER_SECRET_FILE": str(file)}).secret == SECRET


def test_an_empty_variable_is_none() -> None:
    assert read_settings({"PREFLEDGER_KAFKA": "", "PREFLEDGER_SECRET_FILE": ""}).kafka is None


def test_secrets_are_not_shown() -> None:
    variables = {"PREFLEDGER_SECRET": SECRET, "PREFLEDGER_ADMIN_KEY": KEY, "PREFLEDGER_KAFKA_PASSWORD": "unmistakable"}
    shown = read_settings(variables).shown()
    assert [shown[name] for name in variables] == [HIDDEN] * 3
    assert shown["PREFLEDGER_PORT"] == "8080"
    assert not {SECRET, KEY, "unmistakable"} & set(shown.values())
    secret = {one.name for one in fields(Settings) if one.metadata["secret"]}
    assert secret == {"secret", "admin_key", "kafka_password", "key"}, "is the new one a secret?"


def test_every_setting_is_described() -> None:
    described = Settings.variables()
    assert len(described) > len(fields(Settings))
    assert all(text.endswith(".") for text in described.values())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("example.com", False)],
)  # fmt: skip
def test_what_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_short_admin_key_is_allowed_on_loopback() -> None:
    assert read_settings({"PREFLEDGER_ADMIN_KEY": "short"}).admin_key == "short"
