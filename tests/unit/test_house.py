"""The house rules that no linter knows: which way imports go, what stays out of the domain, how long things get."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("domain", "schemas", "projections", "services")
"""From the inside out: each may import itself and those before it."""

COMPOSITION_ROOT = "services.bootstrap"
ADAPTERS = ("services.log.sqlite_log", "services.log.kafka_log")

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
TEST_MODULE_LINES_MAX = 700

# What would make the same event fold to another outcome on another machine or another day.
# fmt: off
IMPURE_MODULES = frozenset({
    "asyncio", "concurrent", "ctypes", "fcntl", "getpass", "glob", "http", "importlib", "io", "locale", "logging",
    "mmap", "multiprocessing", "os", "pathlib", "platform", "queue", "random", "sched", "secrets", "select",
    "selectors", "shutil", "signal", "site", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "subprocess",
    "sys", "tempfile", "threading", "time", "urllib", "webbrowser",
})
# fmt: on
PURE_SUBMODULES = frozenset({"urllib.parse", "importlib.resources"})
"""Text handling; files of a package locked by hash, such as the time zones of tzdata."""

IMPURE_BUILTINS = frozenset({"open", "print", "input", "breakpoint", "exec", "eval", "__import__"})
IMPURE_CLOCKS = frozenset({"datetime.now", "datetime.utcnow", "datetime.today", "date.today"})
IMPURE_IDS = frozenset({"uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "uuid1", "uuid4", "uuid6", "uuid7"})

EDGE_PACKAGES = frozenset({"aiokafka", "click", "fastapi", "httpx", "starlette", "uvicorn"})
"""Only `services` talks to networks and people."""

VENDOR = re.compile("knock|courier|novu", re.IGNORECASE)


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    text: str

    @property
    def folder(self) -> str:
        return self.name.partition(".")[0]

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text)


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def modules_below(folder: str) -> list[Module]:
    return [
        Module(dotted_name(path), path, path.read_text(encoding="utf-8")) for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def planted(name: str, text: str) -> Module:
    return Module(name, ROOT / (name.replace(".", "/") + ".py"), text)


def imports_of(module: Module) -> Iterator[tuple[str, int]]:
    """Each imported name, as far as it is spelled (`from a.b import c` is `a.b.c`), with its line."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield from ((f"{source}.{alias.name}", node.lineno) for alias in node.names)


def arrow_faults(module: Module) -> list[str]:
    allowed = FOLDERS[: FOLDERS.index(module.folder) + 1]
    forbidden = {*FOLDERS, "tests", "benchmarks"} - {*allowed}
    return [
        f"{module.path}:{line} imports {name}: {module.folder} may import only {', '.join(allowed)} of ours"
        for name, line in imports_of(module)
        if name.partition(".")[0] in forbidden
    ]


def edge_faults(module: Module) -> list[str]:
    return [
        f"{module.path}:{line} imports {name}: that belongs at the edge, in services"
        for name, line in imports_of(module)
        if name.partition(".")[0] in EDGE_PACKAGES
    ]


def impure_import_faults(module: Module) -> list[str]:
    return [
        f"{module.path}:{line} imports {name}: the domain is plain values, without I/O, clock, chance or framework"
        for name, line in imports_of(module)
        if not is_pure(name)
    ]


def is_pure(name: str) -> bool:
    top = name.partition(".")[0]
    if top == "domain":
        return True
    if any(name == pure or name.startswith(pure + ".") for pure in PURE_SUBMODULES):
        return True
    return top in sys.stdlib_module_names and top not in IMPURE_MODULES


def impure_call_faults(module: Module) -> list[str]:
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    return [f"{module.path}:{call.lineno} {fault}" for call in calls if (fault := impurity(call))]


def impurity(call: ast.Call) -> str | None:
    name = ast.unparse(call.func)
    owner_and_name = ".".join(name.split(".")[-2:])
    if name in IMPURE_BUILTINS:
        return f"calls {name}(): the domain does no I/O"
    if owner_and_name in IMPURE_CLOCKS:
        return f"calls {name}(): the instant is a parameter, so that a replay gives the same answer"
    if owner_and_name in IMPURE_IDS:
        return f"calls {name}(): ids are chosen outside, so that a replay gives the same answer"
    arguments = len(call.args) + len(call.keywords)
    if (name.endswith(".fromtimestamp") and arguments < 2) or (name.endswith(".astimezone") and arguments == 0):
        return f"calls {name}() without a time zone: the answer would depend on the machine's"
    return None


def adapter_faults(module: Module) -> list[str]:
    if module.name == COMPOSITION_ROOT or module.name.startswith("services.log"):
        return []
    return [
        f"{module.path}:{line} imports {name}: only {COMPOSITION_ROOT} chooses a log; take the port instead"
        for name, line in imports_of(module)
        if name.startswith(ADAPTERS)
    ]


def print_faults(module: Module) -> list[str]:
    if module.name == "services.cli" or module.name.startswith("services.cli."):
        return []
    return [
        f"{module.path}:{node.lineno} prints: only the command line speaks to a terminal; use the log"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def vendor_faults(module: Module) -> list[str]:
    return [
        f"{module.path}:{number} names a vendor: dialects live under services/http"
        for number, line in enumerate(module.text.splitlines(), start=1)
        if VENDOR.search(line)
    ]


def length_faults(module: Module) -> list[str]:
    lines = len(module.text.splitlines())
    module_faults = [f"{module.path} has {lines} lines: {MODULE_LINES_MAX} at most"] if lines > MODULE_LINES_MAX else []
    return module_faults + [
        f"{module.path}:{node.lineno} {node.name} has {length} lines: {FUNCTION_LINES_MAX} at most"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]


RULES = {
    "imports go one way": (FOLDERS, arrow_faults),
    "networks and frameworks stay in services": (("domain", "schemas", "projections"), edge_faults),
    "the domain imports nothing impure": (("domain",), impure_import_faults),
    "the domain calls nothing impure": (("domain",), impure_call_faults),
    "the domain names no vendor": (("domain",), vendor_faults),
    "one composition root": (("services",), adapter_faults),
    "only the command line prints": (FOLDERS, print_faults),
    "short modules and functions": (FOLDERS, length_faults),
}


@pytest.mark.parametrize("rule", RULES)
def test_every_module_keeps_the_rule(rule: str) -> None:
    folders, faults_of = RULES[rule]
    modules = [module for folder in folders for module in modules_below(folder)]
    assert modules, f"no module found below {folders}: the rule was not checked at all"
    faults = [fault for module in modules for fault in faults_of(module)]
    assert not faults, "\n".join(faults)


def test_test_modules_stay_readable() -> None:
    lines = {module.path: len(module.text.splitlines()) for module in modules_below("tests")}
    assert {path: count for path, count in lines.items() if count > TEST_MODULE_LINES_MAX} == {}


def test_the_composition_root_wires_both_logs() -> None:
    roots = [module for module in modules_below("services") if module.name == COMPOSITION_ROOT]
    imported = [name for root in roots for name, _ in imports_of(root)]
    for adapter in ADAPTERS:
        assert any(name.startswith(adapter) for name in imported), f"{COMPOSITION_ROOT} never uses {adapter}"


LONG_FUNCTION = "def f() -> None:\n" + "    pass\n" * FUNCTION_LINES_MAX

BREACHES = [
    ("imports go one way", "domain.a", "import schemas.codec"),
    ("imports go one way", "domain.a", "from services import settings"),
    ("imports go one way", "schemas.a", "def f():\n    from projections.views import table"),
    ("imports go one way", "schemas.a", "from ..projections import table"),
    ("imports go one way", "projections.a", "import services"),
    ("imports go one way", "services.a", "from tests.kafka_broker import KAFKA_VERSION"),
    ("networks and frameworks stay in services", "projections.a", "from fastapi import FastAPI"),
    ("the domain imports nothing impure", "domain.a", "import os.path"),
    ("the domain imports nothing impure", "domain.a", "from time import time"),
    ("the domain imports nothing impure", "domain.a", "import msgspec"),
    ("the domain imports nothing impure", "domain.a", "from importlib import import_module"),
    ("the domain calls nothing impure", "domain.a", "x = datetime.now(UTC)"),
    ("the domain calls nothing impure", "domain.a", "x = datetime.datetime.utcnow()"),
    ("the domain calls nothing impure", "domain.a", "x = datetime.fromtimestamp(0)"),
    ("the domain calls nothing impure", "domain.a", "x = uuid4()"),
    ("the domain calls nothing impure", "domain.a", "x = open('file')"),
    ("the domain names no vendor", "domain.a", "# as Knock does"),
    ("one composition root", "services.http.app", "from services.log.kafka_log import KafkaLog"),
    ("one composition root", "services.http.app", "from services.log import sqlite_log"),
    ("only the command line prints", "services.http.app", "print('here')"),
    ("short modules and functions", "services.a", "\n" * (MODULE_LINES_MAX + 1)),
    ("short modules and functions", "services.a", LONG_FUNCTION),
]


@pytest.mark.parametrize(("rule", "name", "text"), BREACHES, ids=[f"{rule}: {name}" for rule, name, _ in BREACHES])
def test_a_breach_is_seen(rule: str, name: str, text: str) -> None:
    assert RULES[rule][1](planted(name, text))


KEPT = [
    ("imports go one way", "services.a", "from projections.views import table\nfrom services.log import port"),
    ("imports go one way", "domain.a.b", "from .c import d\nfrom ..e import f"),
    (
        "the domain imports nothing impure",
        "domain.a",
        "from urllib.parse import quote\nfrom importlib import resources",
    ),
    (
        "the domain calls nothing impure",
        "domain.a",
        "x = datetime.fromtimestamp(0, UTC)\ny = uuid5(a, b)",
    ),
    ("one composition root", "services.bootstrap", "from services.log.kafka_log import KafkaLog"),
    ("only the command line prints", "services.cli.show", "print('here')"),
    ("short modules and functions", "services.a", "\n" * MODULE_LINES_MAX),
]


@pytest.mark.parametrize(("rule", "name", "text"), KEPT, ids=[f"{rule}: {name}" for rule, name, _ in KEPT])
def test_what_is_allowed_is_not_reported(rule: str, name: str, text: str) -> None:
    assert RULES[rule][1](planted(name, text)) == []
