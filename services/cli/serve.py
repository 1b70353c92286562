"""`prefledger serve`."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from projections.views_file import ViewsUnusable
from services.bootstrap import DataInUse, Node
from services.cli.options import example, private_files, settings_given
from services.secrets import SecretLost
from services.server import AddressUnusable, run
from services.settings import Settings

EXAMPLE_HOLDER = "user:jhammond"


@click.command(short_help="Serve the whole ledger.", epilog=example("prefledger serve --data ./data --port 8080"))
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=int, help="The port to listen on.")
@click.option("--data", type=click.Path(path_type=Path), help="The folder of views, secret and embedded log.")
@click.option("--kafka", metavar="HOST:PORT", help="Kafka's bootstrap servers; without it the log is embedded.")
def serve(host: str | None, port: int | None, data: Path | None, kafka: str | None) -> None:
    """Serve everything in one process: the API, the projector, and the embedded log unless Kafka is given."""
    settings = settings_given(host=host, port=port, data=data, kafka=kafka)
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        with private_files():
            run(settings, lambda node, url, keys: announce(settings, node, url, keys))
    except (AddressUnusable, DataInUse, SecretLost, ViewsUnusable) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise click.ClickException(
            f"{error.filename} can't be used ({error.strerror}): check its rights, or name another data folder with --data"
        ) from None


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
