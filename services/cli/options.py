"""What several commands have in common: settings read with a sentence for what is wrong, and the node to ask."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from services.cli.client import Client
from services.settings import Settings, SettingsInvalid, read_settings


def example(*lines: str) -> str:
    """A command's epilog: lines to copy, kept as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def settings_given(*, environments: str | None = None, **given: object) -> Settings:
    """The settings in force; those given on the command line win. Raises click.ClickException."""
    environ = {**os.environ, "PREFLEDGER_ENVIRONMENTS": environments} if environments is not None else os.environ
    try:
        return read_settings(environ, **given)
    except SettingsInvalid as error:
        raise click.ClickException(str(error)) from None


def asks_node(function: Callable[..., None]) -> Callable[..., None]:
    """A command that speaks HTTP: adds --url and --environment, and hands the command a client."""

    @click.option("--url", help="The node to ask; PREFLEDGER_URL, or http://127.0.0.1:8080, if not given.")
    @click.option("--environment", help="With the operator's key: the environment meant, if not the node's first.")
    @functools.wraps(function)
    def command(*args: object, url: str | None, environment: str | None, **kwargs: object) -> None:
        with Client(settings_given(url=url), environment) as client:
            function(client, *args, **kwargs)

    return command


@contextmanager
def private_files() -> Iterator[None]:
    """What is made inside is for its owner alone: folders 0700, files 0600. A log and its views tell of people."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


json_option = click.option("--json", "raw", is_flag=True, help="Print the answer on one line, as the node sent it.")
