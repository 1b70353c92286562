"""Settings: `PREFLEDGER_*` variables and nothing else, read once into one typed object."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

PREFIX = "PREFLEDGER_"
HIDDEN = "(hidden)"
SECRET_CHARACTERS_MIN = 32
ADMIN_KEY_CHARACTERS_MIN = 20
ADMIN_KEY_CHARACTERS_MAX = 512
DECISION_LOG_FILE_BYTES_MIN = 4_096
INTAKE_PARTITIONS_MAX = 100


class SettingsInvalid(Exception):
    """A variable that is unknown or can't be used. The text names it and says what to write."""


def _text(value: str) -> str:
    return value


def _integer(value: str) -> int:
    if not value.isdigit():
        raise ValueError("must be a whole number")
    return int(value)


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 < seconds <= 3600:
        raise ValueError("must be a number of seconds between 0 and 3600")
    return seconds


def _share(value: str) -> float:
    with suppress(ValueError):
        share = float(value)
        if 0 <= share <= 1:
            return share
    raise ValueError("must be a number from 0 (none) to 1 (every one)")


def _names(value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names or len(set(names)) != len(names):
        raise ValueError("must be one or more different names, separated by commas")
    for name in names:
        # The name is part of a topic's name and of a folder's.
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or len(name) > 60:
            raise ValueError(f"{name!r} must be at most 60 letters, digits, - and _")
    return names


def _path(value: str) -> Path:
    return Path(value)


def _switch(value: str) -> bool:
    if value not in ("on", "off"):
        raise ValueError("must be on or off")
    return value == "on"


def setting(
    default: object, parse: Callable[[str], object], description: str, *, secret: bool = False, of_file: bool = False
) -> Any:
    """One field of `Settings`. `of_file`: the variable with `_FILE` appended names a file that holds the value."""
    return field(
        default=default,
        metadata={"parse": parse, "description": description, "secret": secret, "of_file": of_file},
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside. Sizes in bytes, waits in seconds."""

    host: str = setting("127.0.0.1", _text, "The address to listen on.")
    port: int = setting(8080, _integer, "The port to listen on.")
    data: Path = setting(Path("data"), _path, "The folder of views, secret and, without Kafka, the log.")
    kafka: str | None = setting(None, _text, "Kafka's bootstrap servers, HOST:PORT,...; without it the log is embedded.")
    kafka_replication: int | None = setting(
        None, _integer, "The replication factor of topics that `init` makes; 3, or fewer where there are fewer brokers."
    )
    kafka_security_protocol: str = setting("PLAINTEXT", _text, "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    kafka_sasl_mechanism: str = setting("PLAIN", _text, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    kafka_username: str | None = setting(None, _text, "The SASL user name.")
    kafka_password: str | None = setting(None, _text, "The SASL password.", secret=True, of_file=True)
    kafka_ca_file: Path | None = setting(None, _path, "The certificate authority's file, for TLS.")
    environments: tuple[str, ...] = setting(
        ("development",),
        _names,
        "The environments, one ledger each; the first is the one an admin key means by itself.",
    )
    secret: str | None = setting(
        None, _text, "At least 32 characters, the same on every node; embedded, DATA/secret is made.",
        secret=True, of_file=True,
    )  # fmt: skip
    admin_key: str | None = setting(
        None, _text, "The operator's own key, never stored; at least 20 characters unless the host is loopback.",
        secret=True, of_file=True,
    )  # fmt: skip
    body_bytes_max: int = setting(2 * 1024 * 1024, _integer, "The largest request body.")
    body_timeout_seconds: float = setting(
        30.0, _seconds, "How long a request's headers, and then its body, may take to come."
    )
    wait_seconds: float = setting(5.0, _seconds, "How long a request waits for the projection to reach a position.")
    append_timeout_seconds: float = setting(10.0, _seconds, "How long an append may take before it is unknown.")
    lag_records_max: int = setting(10_000, _integer, "How far behind the log's end a node may be and still append.")
    decision_log: float = setting(
        0.0, _share, "The share of evaluation answers that the decision log keeps, from 0 (none) to 1 (every one)."
    )
    decision_log_file_bytes_max: int = setting(100 * 1024 * 1024, _integer, "The largest file of a decision log.")
    decision_log_bytes_max: int = setting(
        10 * 1024 * 1024 * 1024, _integer, "How much an environment's decision log may take; its oldest files go first."
    )
    decision_log_days: int = setting(
        90, _integer, "For how many days the decision log keeps an answer; then its file goes, within another day."
    )
    intake: bool = setting(
        False, _switch, "on: also take events from the topic preferences.ENVIRONMENT.intake; needs Kafka."
    )
    intake_partitions: int = setting(1, _integer, "The partitions of the intake topics that `init` makes.")
    intake_session_seconds: float = setting(
        10.0, _seconds, "How long a node may be silent before another one goes on with its part of the intake."
    )
    ready_stale_seconds_max: float | None = setting(
        None, _seconds, "How old the views may be before /readyz says 503; without it they never are too old for that."
    )
    log_level: str = setting("info", _text, "debug, info, warning or error.")
    log_format: str = setting("text", _text, "The node's own log: text for people, or json, an object a line.")
    url: str = setting("http://127.0.0.1:8080", _text, "The node that the command line asks.")
    key: str | None = setting(None, _text, "The API key that the command line sends.", secret=True, of_file=True)

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Every variable that is understood, with its description."""
        described: dict[str, str] = {}
        for one in fields(cls):
            name = PREFIX + one.name.upper()
            described[name] = one.metadata["description"]
            if one.metadata["of_file"]:
                described[name + "_FILE"] = f"A file that holds {name}."
        return described

    def shown(self) -> dict[str, str]:
        """What is in force, variable by variable, with secrets hidden."""
        rows: dict[str, str] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if value is None:
                rows[PREFIX + one.name.upper()] = ""
            elif one.metadata["secret"]:
                rows[PREFIX + one.name.upper()] = HIDDEN
            else:
                rows[PREFIX + one.name.upper()] = _shown(value)
        return rows


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def read_settings(environ: Mapping[str, str] = os.environ, **given: object) -> Settings:
    """The settings of these variables; `given` (from the command line, None where not) wins. Raises SettingsInvalid."""
    known = Settings.variables()
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            raise SettingsInvalid(f"{name} is not a setting; `prefledger settings` lists those that are")
    values: dict[str, Any] = {}
    for one in fields(Settings):
        text = _value_of(environ, PREFIX + one.name.upper(), of_file=one.metadata["of_file"])
        if text is not None:
            try:
                values[one.name] = one.metadata["parse"](text)
            except ValueError as error:
                shown = HIDDEN if one.metadata["secret"] else repr(text)
                raise SettingsInvalid(f"{PREFIX}{one.name.upper()} is {shown}: {error}") from None
    values.update({name: value for name, value in given.items() if value is not None})
    settings = Settings(**values)
    _check(settings)
    return settings


def _value_of(environ: Mapping[str, str], name: str, *, of_file: bool) -> str | None:
    text = environ.get(name) or None
    path = environ.get(f"{name}_FILE") if of_file else None
    if not path:
        return text
    if text is not None:
        raise SettingsInvalid(f"both {name} and {name}_FILE are set; keep one")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SettingsInvalid(f"{name}_FILE names {path}, which can't be read: {error.strerror}") from None


def _check(settings: Settings) -> None:
    if settings.secret is not None and len(settings.secret) < SECRET_CHARACTERS_MIN:
        raise SettingsInvalid(f"{PREFIX}SECRET has fewer than {SECRET_CHARACTERS_MIN} characters; make a longer one")
    if settings.kafka is not None and settings.secret is None:
        raise SettingsInvalid(
            f"with Kafka every node needs the same {PREFIX}SECRET (or {PREFIX}SECRET_FILE); "
            "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    _check_intake(settings)
    admin_key = settings.admin_key
    if admin_key is not None and len(admin_key) < ADMIN_KEY_CHARACTERS_MIN and not is_loopback(settings.host):
        raise SettingsInvalid(
            f"{PREFIX}ADMIN_KEY has fewer than {ADMIN_KEY_CHARACTERS_MIN} characters, which is only allowed on loopback"
        )
    if admin_key is not None and not _fits_header(admin_key):
        raise SettingsInvalid(
            f"{PREFIX}ADMIN_KEY can't be sent in a header: use letters, digits and signs of ASCII, "
            f"at most {ADMIN_KEY_CHARACTERS_MAX} of them"
        )
    if not 0 <= settings.port <= 65535:
        raise SettingsInvalid(f"{PREFIX}PORT is {settings.port}; a port is between 0 and 65535")
    _check_decision_log(settings)
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingsInvalid(f"{PREFIX}LOG_LEVEL is {settings.log_level!r}: must be debug, info, warning or error")
    if settings.log_format not in ("text", "json"):
        raise SettingsInvalid(f"{PREFIX}LOG_FORMAT is {settings.log_format!r}: must be text or json")


def _check_decision_log(settings: Settings) -> None:
    if settings.decision_log_days < 1:
        raise SettingsInvalid(f"{PREFIX}DECISION_LOG_DAYS is {settings.decision_log_days}; must be 1 or more")
    if settings.decision_log_file_bytes_max < DECISION_LOG_FILE_BYTES_MIN:
        raise SettingsInvalid(
            f"{PREFIX}DECISION_LOG_FILE_BYTES_MAX is {settings.decision_log_file_bytes_max}; "
            f"must be {DECISION_LOG_FILE_BYTES_MIN} or more, or there is no room for an answer"
        )
    if settings.decision_log_bytes_max < 2 * settings.decision_log_file_bytes_max:
        raise SettingsInvalid(
            f"{PREFIX}DECISION_LOG_BYTES_MAX is {settings.decision_log_bytes_max}; must be at least twice "
            f"{PREFIX}DECISION_LOG_FILE_BYTES_MAX, because files are removed whole"
        )


def _check_intake(settings: Settings) -> None:
    if settings.intake and settings.kafka is None:
        raise SettingsInvalid(
            f"{PREFIX}INTAKE is on, and the intake is a Kafka topic, but the log is embedded: "
            f"set {PREFIX}KAFKA, or take {PREFIX}INTAKE away and publish over HTTP"
        )
    if not 1 <= settings.intake_partitions <= INTAKE_PARTITIONS_MAX:
        raise SettingsInvalid(
            f"{PREFIX}INTAKE_PARTITIONS is {settings.intake_partitions}; an intake has 1 to {INTAKE_PARTITIONS_MAX}"
        )


def _fits_header(key: str) -> bool:
    return len(key) <= ADMIN_KEY_CHARACTERS_MAX and key.isascii() and key.isprintable() and key == key.strip()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
