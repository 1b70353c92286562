"""The documentation's tables say what the code does: settings, commands, reasons, problems, events, calls and scopes."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from fastapi.routing import APIRoute

from domain.condition import OPERATORS
from domain.policy import DECIDE, OWN_DEFAULT_IN_TENANT
from domain.rule import RULE_MEMBERS
from schemas.released import newest
from services.http.app import ROUTERS
from services.intake.refusal import REFUSAL_HEADERS
from services.intake.validation import TAKEN
from services.keys import Scope
from services.observability.described import METRICS, Described
from services.opt_out_clock.measurement import BUCKETS_SECONDS
from tests.docs.tables import TABLES, Table, found_on
from tests.server_process import ROOT, ServerProcess

API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
HOT_CALLS = {("POST", "/evaluate"), ("POST", "/evaluate/batch")}
"""The two calls that no router has: they are answered before the framework."""

FILLED = "\N{BULLET}"
"""Stands for what a sentence is filled in with."""

Call = tuple[str, str, str]


def documented_calls() -> list[Call]:
    """Method, path and scope of each row of the table of calls."""
    rows = re.findall(r"^\| `([A-Z]+) (/\S*)` \| `?(\w+)`? \|", API, re.MULTILINE)
    assert rows, "docs/api.md has no table of calls"
    return rows


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_a_table_is_what_the_code_says(table: Table) -> None:
    page = (ROOT / table.page).read_text(encoding="utf-8")
    assert found_on(page, table) == table.text(), "bring the page up to the code with: python -m tests.docs.tables"


def test_every_call_is_documented_and_no_other() -> None:
    served = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    } | HOT_CALLS
    documented = {(method, path) for method, path, _ in documented_calls()}
    assert served - documented == set(), "docs/api.md does not tell of calls that there are"
    assert documented - served == set(), "docs/api.md promises calls that there are not"


def first_column(page: str, head: str) -> set[str]:
    """The names in the first column of the table whose head begins so."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"^\| {head} \|.*\n\|[-|]+((?:\n\|.*)*)", text, re.MULTILINE)
    assert found is not None, f"{page} has no table of {head}"
    return {name for row in found[1].splitlines()[1:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_every_operator_of_conditions_is_documented() -> None:
    assert first_column("docs/preferences.md", "Operators") == OPERATORS


def test_every_member_of_a_rule_is_documented() -> None:
    assert first_column("docs/preferences.md", "Member of a rule") == set(RULE_MEMBERS)


def sentences_in_code() -> list[str]:
    """Every text in our modules, with what is filled in replaced by a mark."""
    texts: list[str] = []
    for folder in ("schemas", "projections", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (str(part.value) if isinstance(part, ast.Constant) else FILLED for part in node.values)
                    texts.append("".join(parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return [text.replace("`", "") for text in texts]


def documented_sentences() -> list[str]:
    """What docs/operations.md says that a node says."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.search(r"^\| It says \|.*\n\|[-|]+((?:\n\|.*)*)", page, re.MULTILINE)
    assert found is not None, "docs/operations.md no longer tells what a node says when something is wrong"
    return re.findall(r"^\| `(.*?)` \|", found[1], re.MULTILINE)


@pytest.mark.parametrize("sentence", documented_sentences())
def test_a_node_says_what_the_page_says_that_it_says(sentence: str) -> None:
    pattern = re.sub(r"preferences\\\.NAME|HOST|\b[NMX]\b", FILLED, re.escape(sentence))
    said = [text for text in sentences_in_code() if re.search(pattern, text)]
    assert said, f"an operator who looks for what the node said would not find it: {sentence}"


def test_every_field_of_a_published_event_is_documented() -> None:
    fields = {field["name"]: field["type"] for field in newest().source["fields"]}
    personal = {f"personal.{field['name']}" for field in fields["personal"][0]["fields"]}
    page = (ROOT / "docs" / "intake.md").read_text(encoding="utf-8")
    found = re.search(r"^\| Field \|.*\n\|[-|]+((?:\n\|.*)*)", page, re.MULTILINE)
    assert found is not None, "docs/intake.md no longer tells what to publish"
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", found[1], re.MULTILINE)) == set(fields) | personal
    assert all(f"`{taken}`" in page for taken in TAKEN)
    assert all(f"`{header}`" in page for header in REFUSAL_HEADERS)


def test_every_policy_is_documented() -> None:
    assert first_column("docs/preferences.md", "`decide`") == set(DECIDE)
    assert first_column("docs/preferences.md", "`own_default_in_tenant`") == set(OWN_DEFAULT_IN_TENANT)


def test_every_header_that_a_write_reads_is_documented() -> None:
    for module in ("writes.py", "auth.py"):
        text = (ROOT / "services" / "http" / module).read_text(encoding="utf-8")
        named = {name.lower() for name in re.findall(r'"([iI]f-[a-zA-Z-]+|idempotency-key|prefledger-[a-z-]+)"', text)}
        if module == "writes.py":
            (names,) = re.findall(r"for name in \((.*?)\)", text)
            named |= {f"prefledger-{name.lower()}" for name in re.findall(r'"(.*?)"', names)}
        assert named, f"{module} reads no header any more: this test has lost its subject"
        lost = [name for name in named if f"`{name}" not in API.lower()]
        assert not lost, f"docs/api.md does not tell of the headers {lost}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("tables") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def keys(server: ServerProcess) -> dict[str, str]:
    """A key for each scope, with nothing but that scope."""
    issued: dict[str, str] = {}
    for scope in Scope:
        body = {"name": scope.value, "scopes": [scope.value]}
        answer = httpx.post(f"{server.url}/ledger/v1/keys", headers=server.headers, json=body)
        issued[scope.value] = answer.raise_for_status().json()["key"]
    return issued


def asked(server: ServerProcess, method: str, path: str, key: str | None) -> httpx.Response:
    real = path.format(
        holder="user:x", set_name="default", run_id="x", event_id="x", collection="workflows", key="x", key_id="x",
        decision_id="x", offset="1",
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    return httpx.request(method, f"{server.url}/ledger/v1{real}", headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "scope"), documented_calls(), ids=[f"{method} {path}" for method, path, _ in documented_calls()]
)
def test_a_call_takes_the_scope_that_is_documented(
    server: ServerProcess, keys: dict[str, str], method: str, path: str, scope: str
) -> None:
    if scope == "none":
        assert asked(server, method, path, None).status_code == 200
        return
    assert asked(server, method, path, None).status_code == 401
    other = keys["evaluate" if scope != "evaluate" else "read"]
    refused = asked(server, method, path, other)
    assert (refused.status_code, f"the scope '{scope}'" in refused.json()["detail"]) == (403, True), refused.text


def served_metrics(server: ServerProcess) -> set[tuple[str, str]]:
    """Name and kind of each."""
    return set(re.findall(r"^# TYPE (\w+) (\w+)", httpx.get(f"{server.url}/metrics").text, re.MULTILINE))


def test_every_metric_is_documented(server: ServerProcess) -> None:
    assert served_metrics(server) == {(metric.name, metric.kind) for metric in METRICS}
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    mentioned = set(re.findall(r"`(prefledger_\w+)", text))
    assert mentioned <= {metric.name for metric in METRICS}, "docs/operations.md tells of metrics that there are not"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "docs" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def samples_of(metric: Described) -> set[str]:
    """The names by which a query may ask for a metric."""
    if metric.kind == "histogram":
        return {f"{metric.name}_{part}" for part in ("bucket", "count", "sum")}
    return {metric.name}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule.get("alert")))
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert set(rule["annotations"]) == {"summary", "description"}
    known = {name: metric for metric in METRICS for name in samples_of(metric)}
    asked = re.findall(r"\b(prefledger_\w+)(?:\{(.*?)\})?", rule["expr"])
    assert asked, "this would never fire"
    for name, matchers in asked:
        assert name in known, f"there is no {name}, so this would never fire"
        for label, value in re.findall(r'(\w+)[!=~]+"(.*?)"', matchers):
            if label == "le":
                assert value in {str(bound) for bound in BUCKETS_SECONDS}, f"no bucket ends at {value}"
            else:
                assert label in known[name].labels
    labels = re.findall(r"\b(?:by|on|without|ignoring) ?\((.*?)\)", rule["expr"])
    words = {word for group in labels for word in re.findall(r"\w+", group)}
    assert words <= {"environment", "le", "outcome", "class", "type"}
    filled = " ".join([rule["annotations"]["summary"], rule["annotations"]["description"]])
    assert set(re.findall(r"\$labels\.(\w+)", filled)) <= {"environment", "instance", "class", "partition", "reason"}
