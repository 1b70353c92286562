"""`prefledger init`: makes the logs of the environments, and the first record in each."""

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from services.bootstrap import (
    DataInUse,
    build_embedded_log,
    build_kafka_log,
    kafka_options,
    lock_data,
    log_path,
)
from services.cli.options import example, private_files, settings_given
from services.cli.output import note, show_text
from services.intake.topics import IntakeTopics, create_intake, fetch_intake, reasons_to_warn_of_intake
from services.ledger import Ledger
from services.log.kafka_outcome import unreachable
from services.log.kafka_settings import connection_settings
from services.log.kafka_topic import ledger_topic
from services.log.port import EventLog, LogUnavailable, LogUnfit
from services.opening import read_opened
from services.secrets import SecretLost, SecretMismatch, Secrets, embedded_secret
from services.settings import Settings

TOPICS_SECONDS_MAX = 30.0


@click.command(
    short_help="Make the ledgers: a Kafka topic each, or a file.",
    epilog=example(
        "PREFLEDGER_SECRET_FILE=secret prefledger init --kafka 127.0.0.1:9092",
        "prefledger init --environments staging,production",
    ),
)
@click.option("--data", type=click.Path(path_type=Path), help="The folder of secret and embedded log.")
@click.option("--kafka", metavar="HOST:PORT", help="Kafka's bootstrap servers; without it the log is embedded.")
@click.option("--environments", metavar="NAMES", help="The environments, with commas; PREFLEDGER_ENVIRONMENTS if not given.")
def init(data: Path | None, kafka: str | None, environments: str | None) -> None:
    """Make the ledger of each environment: its Kafka topic or its file, and the record that opens it.

    With PREFLEDGER_INTAKE on also the topics of its intake.
    What is there already is left as it is, so running this again is safe.
    """
    settings = settings_given(data=data, kafka=kafka, environments=environments)
    try:
        with ExitStack() as stack:
            stack.enter_context(private_files())
            if settings.kafka is None:
                stack.enter_context(lock_data(settings.data))
            # A ledger has views; those of a node that runs on the data folder are not ours to touch.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prefledger-init-")))
            asyncio.run(_init_all(settings, folder))
    except (DataInUse, LogUnavailable, LogUnfit, SecretLost, SecretMismatch) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{settings.data} can't be written: {error.strerror or error}") from None


async def _init_all(settings: Settings, folder: Path) -> None:
    secret = settings.secret or embedded_secret(settings.data)
    for environment in settings.environments:
        log, place = await _make_log(settings, environment)
        views = folder / environment
        views.mkdir()
        ledger = Ledger(environment, log, Secrets(secret, environment), views, settings)
        try:
            await _open(ledger, place)
        finally:
            await ledger.stop()
        if settings.intake:
            await _make_intake(settings, environment)


async def _make_log(settings: Settings, environment: str) -> tuple[EventLog, str]:
    """The environment's log, started, and what it is called. Warns of settings that may lose records."""
    if settings.kafka is None:
        path = log_path(settings, environment)
        path.parent.mkdir(parents=True, exist_ok=True)
        embedded = build_embedded_log(settings, environment)
        await embedded.start()
        return embedded, f"the file {path}"
    topic = f"the topic {ledger_topic(environment)} at {settings.kafka}"
    kafka = build_kafka_log(settings, environment)
    if await kafka.create_topic(replicas=settings.kafka_replication):
        show_text(f"{environment}: made {topic}.")
    await kafka.start()
    for warning in kafka.warnings:
        note(f"Warning: {warning}")
    return kafka, topic


async def _open(ledger: Ledger, place: str) -> None:
    opened = await ledger.open()
    body = await read_opened(ledger.log, place)
    ledger.secrets.verify(body.secret_check)
    done = "opened the ledger" if opened else "is open already: the ledger"
    show_text(f"{ledger.environment}: {done} {body.ledger_id} in {place}.")


async def _make_intake(settings: Settings, environment: str) -> None:
    """The topics of the environment's intake. Raises LogUnavailable, LogUnfit."""
    servers, topics = settings.kafka or "", IntakeTopics(environment)
    connection = connection_settings(servers, kafka_options(settings))
    try:
        async with asyncio.timeout(TOPICS_SECONDS_MAX):
            made = await create_intake(
                connection, topics, partitions=settings.intake_partitions, replicas=settings.kafka_replication
            )
            facts = await fetch_intake(connection, topics)
    except TimeoutError as error:
        raise LogUnavailable(unreachable(servers, error)) from error
    for topic in made:
        show_text(f"{environment}: made the topic {topic} at {servers}.")
    for warning in reasons_to_warn_of_intake(servers, topics, facts):
        note(f"Warning: {warning}")
