"""`prefledger log`: what is done to a log itself, not through a node."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import click

from domain.invalid import Invalid
from services.bootstrap import DataInUse, build_embedded_log, build_log, lock_data, log_path
from services.cli.options import example, private_files, settings_given
from services.cli.output import note, show_text
from services.log.kafka_topic import ledger_topic
from services.log.port import LogUnavailable, LogUnfit
from services.secrets import SecretLost, SecretMismatch, Secrets, embedded_secret
from services.settings import Settings
from services.taking_out import TakenOut, take_out


@click.group(short_help="Look after a log.", epilog=example("prefledger log backup backup.sqlite"))
def log() -> None:
    """Look after a log itself. For an embedded one no node may run on the data folder meanwhile."""


@log.command(
    short_help="Copy an environment's embedded log to a file.",
    epilog=example("prefledger log backup /backups/development.sqlite --environment development"),
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The folder of the embedded log.")
@click.option("--environment", help="Whose log; the first environment's, if not given.")
def backup(target: Path, data: Path | None, environment: str | None) -> None:
    """Write a compact, synced copy of an environment's log to the file TARGET, which must not exist yet.

    Keep DATA/secret with it: without the secret a log can't be served again.
    """
    settings = settings_given(data=data)
    if settings.kafka is not None:
        raise click.ClickException("the log is in Kafka, so there is no file: back the topic up with Kafka's own means")
    name = _environment_of(settings, environment)
    _check_file(settings, name)
    try:
        with private_files(), lock_data(settings.data):
            bounds = asyncio.run(build_embedded_log(settings, name).backup(target))
    except FileExistsError:
        raise click.ClickException(f"there is something at {target} already; name a file that does not exist") from None
    except (DataInUse, LogUnavailable, LogUnfit) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{target} can't be written: {error.strerror or error}") from None
    show_text(f"{name}: copied {bounds.end} records to {target}.")
    note(f"Keep a copy of {settings.data / 'secret'} too: without it the log can't be served again.")


@log.command(
    short_help="Take out a record that a node can't fold.",
    epilog=example(
        'prefledger log skip 4711 --reason "written by a broken import"',
        'prefledger log skip 4711 --reason "a newer node was a mistake" --kafka 127.0.0.1:9092',
    ),
)
@click.argument("record", metavar="POSITION|OFFSET")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the history.")
@click.option("--data", type=click.Path(path_type=Path), help="The folder of secret and embedded log.")
@click.option("--kafka", metavar="HOST:PORT", help="Kafka's bootstrap servers; without it the log is embedded.")
@click.option("--environment", help="Whose log; the first environment's, if not given.")
def skip(record: str, reason: str, data: Path | None, kafka: str | None, environment: str | None) -> None:
    """Say to every node, for ever, that one record does not count: it is parked, whatever it says.

    Meant for a record that stops nodes: of a schema that no release will know, or one that meets a bug. Nodes that have
    counted it make their views anew. The word is a record too: to take it back, take that one out.
    """
    settings = settings_given(data=data, kafka=kafka)
    name = _environment_of(settings, environment)
    if settings.kafka is None:
        _check_file(settings, name)
    try:
        with ExitStack() as stack:
            stack.enter_context(private_files())
            if settings.kafka is None:
                stack.enter_context(lock_data(settings.data))
            done = asyncio.run(_skip(settings, name, record, reason))
    except Invalid as error:
        raise click.ClickException(error.message) from None
    except (DataInUse, LogUnavailable, LogUnfit, SecretLost, SecretMismatch) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{settings.data} can't be written: {error.strerror or error}") from None
    show_text(f"{name}: record {done.offset} ({done.was}) is taken out by record {done.by_offset}.")
    note("Nodes that run make their views anew if they have counted it; start those that stopped at it.")


async def _skip(settings: Settings, name: str, record: str, reason: str) -> TakenOut:
    secrets = Secrets(settings.secret or embedded_secret(settings.data), name)
    event_log = build_log(settings, name)
    place = f"the topic {ledger_topic(name)}" if settings.kafka is not None else f"the file {log_path(settings, name)}"
    await event_log.start()
    try:
        timeout_seconds = settings.append_timeout_seconds
        return await take_out(event_log, name, secrets, place, record, reason, timeout_seconds=timeout_seconds)
    finally:
        await event_log.stop()


def _environment_of(settings: Settings, named: str | None) -> str:
    name = named or settings.environments[0]
    if name not in settings.environments:
        known = ", ".join(settings.environments)
        raise click.ClickException(f"there is no environment {name!r}; PREFLEDGER_ENVIRONMENTS names {known}")
    return name


def _check_file(settings: Settings, name: str) -> None:
    source = log_path(settings, name)
    if not source.is_file():
        raise click.ClickException(f"there is no log {source}: name the data folder with --data or PREFLEDGER_DATA")
