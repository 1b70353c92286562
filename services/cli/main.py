"""The `prefledger` command."""

import click

from services.cli import serve
from services.version import VERSION


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="prefledger")
def main() -> None:
    """The preference ledger: who wants which notifications, since when, and who said so."""


main.add_command(serve.serve)
