"""The `prefledger` command."""

from importlib import import_module

import click

from services.cli.options import example
from services.version import VERSION

COMMANDS = {
    "serve": "services.cli.serve:serve",
    "init": "services.cli.init:init",
    "publish": "services.cli.publish:publish",
    "get": "services.cli.preferences:get",
    "set": "services.cli.preferences:set_",
    "evaluate": "services.cli.evaluate:evaluate",
    "history": "services.cli.history:history",
    "provenance": "services.cli.provenance:provenance",
    "export": "services.cli.export:export",
    "report": "services.cli.report:report",
    "rebuild": "services.cli.rebuild:rebuild",
    "verify": "services.cli.verify:verify",
    "replay": "services.cli.replay:replay",
    "opt-outs": "services.cli.opt_outs:opt_outs",
    "parked": "services.cli.parked:parked",
    "keys": "services.cli.keys:keys",
    "log": "services.cli.log:log",
    "schemas": "services.cli.schemas:schemas",
    "settings": "services.cli.settings:settings",
}
"""Where each command is: only the one that is asked for is loaded, because a server's parts take a second to load."""


class Commands(click.Group):
    """The commands, loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """The commands in the order in which a reader meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """One command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=example("prefledger serve --data ./data", "prefledger get user:jhammond"),
)
@click.version_option(VERSION, prog_name="prefledger")
def main() -> None:
    """The preference ledger: who wants which notifications, since when, and who said so."""
