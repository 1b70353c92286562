"""`prefledger schemas`: the schemas of what is written to the log."""

import click

from schemas.compatibility import check_released
from services.cli.options import example
from services.cli.output import show_text


@click.group(short_help="Look at the schemas of the log's records.", epilog=example("prefledger schemas check"))
def schemas() -> None:
    """Look at the schemas of the log's records, offline."""


@schemas.command(short_help="Check that released schemas are as they were.", epilog=example("prefledger schemas check"))
def check() -> None:
    """Prove that every schema ever released is unchanged, and that this release reads what each of them wrote."""
    problems = check_released()
    for problem in problems:
        show_text(problem)
    if problems:
        raise click.ClickException(f"{len(problems)} problems: a released schema must never change; add a new one")
    show_text("Every released schema is unchanged and compatible.")
