"""`prefledger log`: the embedded log's file, while no node has it open."""

import asyncio
from pathlib import Path

import click

from services.bootstrap import DataInUse, build_embedded_log, lock_data, log_path
from services.cli.options import example, private_files, settings_given
from services.cli.output import note, show_text
from services.log.port import LogUnavailable, LogUnfit


@click.group(short_help="Back the embedded log up.", epilog=example("prefledger log backup backup.sqlite"))
def log() -> None:
    """Look after the embedded log, offline: no node may run on the data folder meanwhile."""


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
    name = environment or settings.environments[0]
    if name not in settings.environments:
        known = ", ".join(settings.environments)
        raise click.ClickException(f"there is no environment {name!r}; PREFLEDGER_ENVIRONMENTS names {known}")
    source = log_path(settings, name)
    if not source.is_file():
        raise click.ClickException(f"there is no log {source}: name the data folder with --data or PREFLEDGER_DATA")
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
