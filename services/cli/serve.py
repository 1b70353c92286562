"""`prefledger serve`."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import click

from projections.views_file import ViewsUnusable
from services.bootstrap import DataInUse, Node
from services.cli.options import example, private_files, settings_given
from services.observability.logs import set_up_logs
from services.observability.traces import NodeTraces
from services.secrets import SecretLost
from services.server import AddressUnusable, run
from services.settings import Settings, SettingsInvalid
from services.tracing.switch import trace_options

log = logging.getLogger(__name__)

EXAMPLE_HOLDER = "user:jhammond"


@click.command(short_help="Serve the whole ledger.", epilog=example("prefledger serve --data ./data --port 8080"))
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=int, help="The port to listen on.")
@click.option("--data", type=click.Path(path_type=Path), help="The folder of views, secret and embedded log.")
@click.option("--kafka", metavar="HOST:PORT", help="Kafka's bootstrap servers; without it the log is embedded.")
def serve(host: str | None, port: int | None, data: Path | None, kafka: str | None) -> None:
    """Serve everything in one process: the API, the projector, and the embedded log unless Kafka is given."""
    settings = settings_given(host=host, port=port, data=data, kafka=kafka)
    set_up_logs(settings.log_format, settings.log_level)
    traces = traces_wanted()
    try:
        with private_files():
            tell = announce if settings.log_format == "text" else announce_to_machines
            run(settings, lambda node, url, keys: tell(settings, node, url, keys), traces)
    except (AddressUnusable, DataInUse, SecretLost, ViewsUnusable) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise click.ClickException(
            f"{error.filename} can't be used ({error.strerror}): check its rights, or name another data folder with --data"
        ) from None


def traces_wanted() -> NodeTraces | None:
    """What OpenTelemetry's variables ask for. Raises click.ClickException."""
    try:
        options = trace_options(os.environ)
        if options is None:
            return None
        # A tenth of a second and ten megabytes, for those who want it.
        from services.tracing.tracing import Tracing

        return Tracing(options)
    except SettingsInvalid as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.ClickException(f"OpenTelemetry's variables (OTEL_...) can't be used: {error}") from None


def announce(settings: Settings, node: Node, url: str, keys: Mapping[str, str]) -> None:
    """Tell a person where everything is. The first admin keys are shown here once and kept nowhere."""
    log = f"Kafka at {settings.kafka}" if settings.kafka is not None else "embedded (SQLite)"
    lines = [
        "",
        f"  Preference ledger   {url}",
        f"  API and its docs    {url}/ledger/v1/docs",
        f"  Log                 {log}",
        f"  Data folder         {settings.data.resolve()}",
        f"  Environments        {', '.join(settings.environments)}",
    ]
    lines += [f"  Admin key           {key}  ({environment})" for environment, key in keys.items()]
    if keys:
        lines.append("                      (shown this once; the ledger keeps only its hash)")
    for name, ledger in node.ledgers.items():
        if not ledger.readiness.is_ready():
            lines.append(f"  NOT READY           {name}: {ledger.readiness.trouble() or ledger.progress.state.value}")
    key = next(iter(keys.values()), None)
    shown_key = key or "$PREFLEDGER_KEY"
    lines += [
        "",
        "  Try:",
        f"    curl -s -X PUT {url}/ledger/v1/holders/{EXAMPLE_HOLDER}/preferences/default \\",
        f"      -H 'Authorization: Bearer {shown_key}' -d '{{\"channel_types\": {{\"email\": false}}}}'"
        if key is not None
        else f'      -H "Authorization: Bearer {shown_key}" -d \'{{"channel_types": {{"email": false}}}}\'',
        "",
    ]
    click.echo("\n".join(lines))


def announce_to_machines(settings: Settings, node: Node, url: str, keys: Mapping[str, str]) -> None:
    """The same as lines of the log, but for first keys: those are no log's business."""
    log.info("serving %s at %s", ", ".join(settings.environments), url)
    for name, ledger in node.ledgers.items():
        if not ledger.readiness.is_ready():
            log.warning("environment %s is not ready: %s", name, ledger.readiness.trouble() or ledger.progress.state.value)
    for environment, key in keys.items():
        click.echo(f"Admin key of {environment}, shown this once: {key}")
