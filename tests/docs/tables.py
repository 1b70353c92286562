"""The tables of the documentation that follow from the code. `python -m tests.docs.tables` writes them anew."""

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import click

from domain.catalogue import EntryKind, parse_entry
from domain.invalid import Invalid
from domain.reason import REASONS
from domain.trace import Verdict
from services.cli.main import main
from services.event_commands import PARSERS
from services.http.catalogue import COLLECTIONS
from services.http.problems import PROBLEMS
from services.intake.refusal import REASONS as REFUSAL_REASONS
from services.intake.topics import intake_settings, refused_settings
from services.log.kafka_topic import BATCH_BYTES_DEFAULT, REPLICAS_ADVISED, REQUIRED_SETTINGS
from services.observability.described import METRICS
from services.policy_presets import PRESETS
from services.settings import Settings
from tests.server_process import ROOT

Rows = Iterable[tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    """One table: its page, the names of its columns, and the rows that it must have."""

    page: str
    columns: tuple[str, ...]
    rows: Callable[[], Rows]

    @property
    def head(self) -> str:
        """The two lines above the rows."""
        return "| " + " | ".join(self.columns) + " |\n|" + "---|" * len(self.columns)

    def text(self) -> str:
        """The whole table as it must stand on its page."""
        return "\n".join([self.head, *("| " + " | ".join(row) + " |" for row in self.rows())])

    def __str__(self) -> str:
        return f"{self.page}: {', '.join(self.columns)}"


def code(*names: str) -> str:
    """Names as they are set in a table."""
    return ", ".join(f"`{name}`" for name in names) or "none"


def settings() -> Rows:
    """Every variable with its default."""
    defaults = Settings().shown()
    return [(code(name), code(*filter(None, [defaults.get(name)])), text) for name, text in Settings.variables().items()]


def commands() -> Iterator[tuple[str, ...]]:
    """Every command with what it does."""
    return _commands_below((), main)


def _commands_below(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield code(" ".join(words)), command.get_short_help_str(limit=1_000)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _commands_below((*words, name), inner)


def verdicts() -> Rows:
    """Every verdict with the text that stands below it in the code."""
    (definition,) = ast.parse(inspect.getsource(Verdict)).body
    assert isinstance(definition, ast.ClassDef)
    texts = [ast.literal_eval(node.value) for node in definition.body if isinstance(node, ast.Expr)]
    return [(code(verdict.value), text) for verdict, text in zip(Verdict, texts[1:], strict=True)]


def catalogue() -> Rows:
    """Every collection with the members that a refusal names."""
    return [(code(name), code(*_members(kind))) for name, kind in COLLECTIONS.items()]


def _members(kind: EntryKind) -> list[str]:
    try:
        parse_entry(kind, "key", {"no such member": 1})
    except Invalid as refusal:
        return refusal.message.partition("it may have ")[2].split(", ")
    raise AssertionError(f"a {kind} takes members that it does not know")


def intake_topics() -> Rows:
    """Every setting that `init` gives to both topics of an intake, where there are brokers enough."""
    intake = intake_settings(REPLICAS_ADVISED)
    refused = refused_settings(REPLICAS_ADVISED, intake_batch_bytes=BATCH_BYTES_DEFAULT)
    return [(code(name), code(intake[name]), code(refused.get(name, "producer"))) for name in intake]


TABLES: Final = (
    Table("README.md", ("Variable", "Default", "Meaning"), settings),
    Table("README.md", ("Command", "What it does"), commands),
    Table("docs/api.md", ("Reason", "Meaning"), lambda: [(code(reason), text) for reason, text in REASONS.items()]),
    Table("docs/api.md", ("Verdict", "Meaning"), verdicts),
    Table("docs/api.md", ("Type", "Members"), lambda: [(code(name), code(*names)) for name, (names, _) in PARSERS.items()]),
    Table("docs/api.md", ("Collection", "Members of a document"), catalogue),
    Table(
        "docs/preferences.md",
        ("Preset", "`decide`", "`own_default_in_tenant`"),
        lambda: [(code(name), code(each.decide), code(each.own_default_in_tenant)) for name, each in PRESETS.items()],
    ),
    Table(
        "docs/operations.md",
        ("Metric", "Kind", "Labels", "Meaning"),
        lambda: [(code(one.name), one.kind, code(*one.labels), one.text) for one in METRICS],
    ),
    Table(
        "docs/operations.md",
        ("Setting", "Value"),
        lambda: [(code(name), code(value)) for name, value in REQUIRED_SETTINGS.items()],
    ),
    Table("docs/intake.md", ("Setting", "Intake", "Refusals"), intake_topics),
    Table(
        "docs/intake.md",
        ("Reason", "Meaning"),
        lambda: [(code(reason), text) for reason, text in REFUSAL_REASONS.items()],
    ),
    Table(
        "docs/api.md",
        ("Type", "Status", "Title"),
        lambda: [(code(name), str(status), title) for name, (status, title) in PROBLEMS.items()],
    ),
)


def found_on(page: str, table: Table) -> str:
    """The table as it stands on the page's text; empty where it does not."""
    found = re.search(re.escape(table.head) + r"(?:\n\|.*)*", page)
    return found[0] if found else ""


def write() -> None:
    """Bring every page up to the code."""
    for table in TABLES:
        path = ROOT / table.page
        page = path.read_text(encoding="utf-8")
        path.write_text(page.replace(found_on(page, table) or table.head, table.text()), encoding="utf-8")


if __name__ == "__main__":
    write()
