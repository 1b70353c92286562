"""`prefledger settings`: the variables in force."""

import click

from services.cli.options import example
from services.cli.output import show_text
from services.settings import Settings, SettingsInvalid, read_settings


@click.command(short_help="Print the settings in force.", epilog=example("prefledger settings --describe"))
@click.option("--describe", is_flag=True, help="Say of each variable what it is for, and name those that hold files.")
def settings(describe: bool) -> None:
    """Print the settings in force, as lines of NAME=VALUE; secrets are hidden. All are environment variables."""
    try:
        show_text("\n".join(_lines(read_settings(), describe=describe)))
    except SettingsInvalid as error:
        # Whoever mistyped a name needs the list of names.
        show_text("\n".join(_lines(Settings(), describe=True)))
        raise click.ClickException(f"{error}. These are the settings, each with its default") from None


def _lines(in_force: Settings, *, describe: bool) -> list[str]:
    shown = in_force.shown()
    if not describe:
        return [f"{name}={value}" for name, value in shown.items()]
    lines: list[str] = []
    for name, description in Settings.variables().items():
        lines += [f"# {description}", f"{name}={shown.get(name, '')}", ""]
    return lines[:-1]
