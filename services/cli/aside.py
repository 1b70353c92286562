"""Files written aside and put in their place when they are whole: what was cut off never passes for the whole."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click


@contextmanager
def file_aside(out: Path) -> Iterator[Path]:
    """Where to write what is to be `out`. Raises click.ClickException, also for what can't be written inside."""
    if out.exists():
        raise click.ClickException(f"{out} exists already: name another file, or move it away")
    part = out.with_name(out.name + ".part")
    with _told(out):
        try:
            yield part
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def folder_aside(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """Where to write the files that are to be in the new or empty folder `out`, moved there in the order of `names`.

    Raises click.ClickException, also for what can't be written inside.
    """
    part = out.with_name(out.name + ".part")
    with _told(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise click.ClickException(f"{out} is not an empty folder: name another, or move it away")
        part.mkdir(exist_ok=True)
        # What one that was killed has left of these files; anything else is somebody else's.
        _remove(part, names)
        if any(part.iterdir()):
            raise click.ClickException(f"{part} has other files: move it away, then run this again")
        try:
            yield part
            out.mkdir(exist_ok=True)
            for name in names:
                (part / name).replace(out / name)
        finally:
            _remove(part, names)
            part.rmdir()


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename or out} can't be written: {error.strerror}") from None
