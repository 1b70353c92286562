"""`prefledger report`: everything that the ledger keeps of one holder, as a file to hand over."""

import sys
from pathlib import Path

import click

from services.cli.addresses import holder_path
from services.cli.aside import file_aside
from services.cli.client import Client
from services.cli.options import asks_node, example, private_files
from services.cli.output import note, on_terminal


@click.command(
    short_help="Write what is kept of one holder to a page.",
    epilog=example(
        "prefledger report user:jhammond --out jhammond.html",
        "prefledger report user:jhammond --format json --as-of 2026-03-03T14:02:00Z --out jhammond.json",
    ),
)
@click.argument("holder")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option(
    "--format", "format_", type=click.Choice(["html", "json"]), default="html", show_default=True,
    help="A page for people, or the same for machines.",
)  # fmt: skip
@click.option("--as-of", metavar="MOMENT", help="A position, or an instant: as everything was then.")
@asks_node
def report(client: Client, holder: str, out: Path, format_: str, as_of: str | None) -> None:
    """Write everything that the ledger keeps of HOLDER to a file: all sets with the source of each choice, everything
    that was said, and by whom. It answers a person's request for the data about them.

    The page has no scripts and needs nothing from elsewhere. Of a user, an object or a tenant.
    """
    parameters = {"format": format_, "as_of": as_of}
    with private_files(), file_aside(out) as part, part.open("wb") as file:
        pieces = client.stream(f"{holder_path(holder)}/report", parameters=parameters)
        # How much there will be is not known beforehand: the bar only shows that it goes on.
        with click.progressbar(pieces, label="writing", file=sys.stderr, hidden=not on_terminal()) as bar:
            for piece in bar:
                file.write(piece)
    note(f"Wrote {out}: it is about a person, so mind who can read it.")
