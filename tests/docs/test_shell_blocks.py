"""The comparison of what a page shows with what is printed: it forgives what varies, and nothing else."""

from pathlib import Path

import pytest

from tests.docs.shell_blocks import Block, run_blocks, same

POSITION, OTHER_POSITION = "AT2Mhn2sK0D0AAEAAAAAAAAAAnQxdAA", "Abdhf5XPSU5zAAEAAAAAAAAAAuayoYs"


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ('{"version": 1}', '{"version":1}\n'),
        (f'{{"position": "{POSITION}"}}', f'{{"position": "{OTHER_POSITION}"}}'),
        ('{"at": "2026-03-03T14:02:00Z"}', '{"at": "2027-01-01T00:00:00.123Z"}'),
        ('{"stale_seconds": 0.1}', '{"stale_seconds": 27}'),
        ('{"a": 1}\n200\n{"b": 2}', '{"a":1}\n200\n{\n"b": 2}\n'),
        ("first\n...\nlast", "first\nsecond\nthird\nlast\n"),
        ("first\n...\nlast", "first\nlast\n"),
        ("...\nlast", "first\nlast"),
        ("first\n...", "first\nlast"),
    ],
)
def test_what_varies_is_forgiven(shown: str, printed: str) -> None:
    assert same(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ('{"version": 1}', '{"version": 2}'),
        ('{"version": 1}', '{"version": 1, "more": 2}'),
        ('{"version": 1}', ""),
        (f'{{"position": "{POSITION}"}}', '{"position": null}'),
        ("first\n...\nlast", "first\nsecond"),
        ("first\nlast", "first\nsecond\nlast"),
        ("a.c", "abc"),
        ("first", "first\nTraceback"),
    ],
)
def test_anything_else_is_not(shown: str, printed: str) -> None:
    assert not same(shown, printed)


def block(line: int, text: str, *, fails: bool = False) -> Block:
    return Block("page.md", line, "heading", text, fails, None)


def test_blocks_share_a_shell_and_a_failure_ends_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    blocks = [
        block(1, "export NAME=ledger\nHERE=1"),
        block(2, 'echo "$NAME $HERE"'),
        block(3, "false", fails=True),
        block(4, "false\necho on"),
        block(5, "echo never"),
    ]
    told = run_blocks(blocks, root, {})
    assert [told[each].as_told for each in blocks] == [True, True, True, False, False]
    assert told[blocks[1]].text == "ledger 1\n"


def test_a_command_that_should_be_refused_and_is_not_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    lenient = block(1, "true", fails=True)
    assert not run_blocks([lenient], root, {})[lenient].as_told
