"""The report as one page for people: without scripts, with nothing from elsewhere, made to be printed.

Whatever a person wrote, an id, a reason, a property, is text on this page and never markup; what would be unseen, or
would turn the text around it, is spelled out.
"""

import hashlib
import json
import re
import shlex
from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from domain.event import PROPERTIES, SUPPRESSION
from domain.pointer import keys_of
from projections.position import parse_position

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; }
h1, h2, h3 { line-height: 1.2; break-after: avoid; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #bbb; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; } th, td { border: 1px solid #ccc;
padding: .25rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; } thead { background: #f2f2f2;
display: table-header-group; } tr { break-inside: avoid; } ul { margin: 0; padding-left: 1.1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dd { margin: 0; overflow-wrap: anywhere; }
bdi { unicode-bidi: isolate; } small { color: #555; } code { font: 13px/1.4 ui-monospace, monospace; }
@page { margin: 15mm; }
@media print { body { font-size: 9pt; max-width: none; margin: 0; padding: 0; } a { color: inherit;
text-decoration: none; } table { font-size: 8pt; } }
"""
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_WORDS = {
    "PreferenceSetReplaced": "set written anew",
    "PreferenceSetMerged": "set changed",
    "PreferenceSetDeleted": "set emptied",
    "HolderDescribed": "properties changed",
    "HolderForgotten": "holder forgotten",
    "SetsAdopted": "sets taken over from another holder",
    "Parked": "record that can't be read",
}
_OUTCOMES = (
    ("applied", "it counted"),
    ("rejected", "it was refused, and changed nothing"),
    ("duplicate", "the same had been said before, so it changed nothing"),
    ("parked", "the ledger has it, and could not take it in; it changed nothing"),
)
_MORE = (
    ("reason", "why"), ("legal_basis", "legal basis"), ("notice", "wording seen"), ("evidence", "evidence"),
    ("correlation_id", "belongs to"), ("causation_id", "caused by"), ("sentence", "what is wrong with it"),
)  # fmt: skip


class HtmlReport:
    """Writes the parts of a report."""

    media_type = "text/html"
    headers: Mapping[str, str] = {
        "content-security-policy": f"{POLICY}; frame-ancestors 'none'",
        "content-disposition": 'attachment; filename="report.html"',
    }

    def __init__(self) -> None:
        self._head: Mapping[str, Any] = {}
        self._has_sets = False

    def head(self, head: Mapping[str, Any]) -> str:
        """The page's beginning: of whom and when, the properties, what must not be sent."""
        self._head = head
        title = "What the preference ledger keeps of"
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
            '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
            f"<title>{title} {_escaped(head['holder'])}</title><style>{_STYLE}</style></head>\n"
            f"<body><h1>{title} {_text(head['holder'])}</h1>\n{_about(head)}{_documents(head)}<h2>Preferences</h2>\n"
        )

    def preference_set(self, one: Mapping[str, Any]) -> str:
        """One set as a table."""
        self._has_sets = True
        rows = "".join(_leaf_row(path, one["preferences"], one, one["names"]) for path in one["sources"])
        return f"<h3>Set {_text(one['set'])} <small>version {one['version']}</small></h3>\n{_leaf_table(rows)}"

    def changes(self) -> str:
        """The end of the sets, and the head of the table of changes."""
        nothing = "" if self._has_sets else "<p>There is none.</p>\n"
        legend = "".join(f"<li><b>{name}</b>: {meaning}</li>" for name, meaning in _OUTCOMES)
        return (
            f"{nothing}<h2>Everything that was said, the newest first</h2>\n<ul>{legend}</ul>\n"
            "<table><thead><tr><th>Recorded</th><th>What</th><th>Who, how and why</th><th>Before and after</th></tr>"
            "</thead><tbody>\n"
        )

    def change(self, entry: Mapping[str, Any]) -> str:
        """One row."""
        where = entry["set"] if entry["set"] is not None else entry["item"]
        outcome = entry["outcome"] + (f" ({entry['why']})" if "why" in entry else "")
        what = [
            _text(_WORDS.get(entry["type"], entry["type"])),
            *([_text(where)] if where else []),
            f"<b>{_text(outcome)}</b>",
        ]
        when = f"{escape(entry['recorded_at'])}<br><small>claimed: {escape(entry['occurred_at'])}</small>"
        more = f"<br><small>event {escape(entry['event_id'])}</small>" if entry["event_id"] else ""
        return (
            f'<tr id="{_anchor(entry["position"])}"><td>{when}</td><td>{"<br>".join(what)}{more}</td>'
            f"<td>{_said_by(entry)}</td><td>{_changes(entry)}</td></tr>\n"
        )

    def end(self, sources: Iterable[Mapping[str, Any]]) -> str:
        """Who said it all, and how all this can be checked."""
        rows = "".join(
            f"<tr><td>{_text(one['actor'])}</td><td>{_text(one['method'])}</td><td>{one['events']}</td>"
            f"<td>{escape(one['first_recorded_at'])}</td><td>{escape(one['last_recorded_at'])}</td></tr>\n"
            for one in sources
        )
        return (
            "</tbody></table>\n<h2>Sources</h2>\n<p>Everybody who said something of this holder, and by which way.</p>\n"
            "<table><thead><tr><th>Who</th><th>How</th><th>How often</th><th>First</th><th>Last</th></tr></thead>"
            f"<tbody>\n{rows}</tbody></table>\n{_checks(self._head)}</body></html>\n"
        )


def _about(head: Mapping[str, Any]) -> str:
    facts = {
        "Holder": head["holder"],
        "Environment": head["environment"],
        "Ledger": head["ledger_id"],
        "As of position": head["position"],
        "whose record is of": head["recorded_at"],
        "Made at": head["made_at"],
    }
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts.items())
    return (
        f"<dl>{shown}</dl>\n<p>All instants are in UTC. <i>Recorded</i> is when the ledger took a record; <i>claimed</i> is "
        "when its sender says that it was said. Every value names the record that it comes from.</p>\n"
    )


def _documents(head: Mapping[str, Any]) -> str:
    """Properties and suppression."""
    parts = []
    for item, title in ((PROPERTIES, "Properties"), (SUPPRESSION, "What must not be sent")):
        document = head.get(item)
        nothing = "<p>None are known.</p>\n" if item == PROPERTIES else "<p>Nothing was ruled out by forgetting.</p>\n"
        table = nothing
        if document is not None:
            value = document["value"]
            table = _leaf_table(
                "".join(_leaf_row(path, value, {**document, "events": head["events"]}, {}) for path in document["sources"])
            )
        parts.append(f"<h2>{title}</h2>\n{table}")
    return "".join(parts)


def _leaf_table(rows: str) -> str:
    return (
        "<table><thead><tr><th>Of what</th><th>Value</th><th>Since</th><th>Who, how and why</th></tr></thead>"
        f"<tbody>\n{rows}</tbody></table>\n"
    )


def _leaf_row(path: str, tree: Any, sourced: Mapping[str, Any], names: Mapping[str, str]) -> str:
    position = sourced["sources"][path]
    event = sourced["events"][position]
    since = f'<a href="#{_anchor(position)}">{escape(event["recorded_at"])}</a>' if event else ""
    return (
        f"<tr><td>{_path(path, names)}</td><td>{_value(_at(tree, path))}</td><td>{since}</td>"
        f"<td>{_said_by(event) if event else ''}</td></tr>\n"
    )


def _said_by(entry: Mapping[str, Any]) -> str:
    lines = [_text(entry["actor"]), _text(entry["method"])]
    for name, title in _MORE:
        if entry.get(name) is not None:
            value = entry[name]
            lines.append(f"<small>{title}: {_text(value) if isinstance(value, str) else _json(value)}</small>")
    return "<br>".join(line for line in lines if line)


def _changes(entry: Mapping[str, Any]) -> str:
    if entry.get("forgotten"):
        return "The holder was forgotten since: what was said is not shown any more."
    rows = []
    for change in entry["changes"]:
        item = f"{_text(change['item'])}: " if "item" in change else ""
        before, after = (_value(change[side]) if side in change else "nothing" for side in ("before", "after"))
        rows.append(f"<li>{item}{_path(change['path'], entry['names'])}: {before} &rarr; {after}</li>")
    return f"<ul>{''.join(rows)}</ul>" if rows else "Nothing changed."


def _checks(head: Mapping[str, Any]) -> str:
    holder, position = shlex.quote(head["holder"]), shlex.quote(head["position"])
    commands = (
        (f"prefledger report {holder} --as-of {position} --out FILE", "makes this report again, as of the same position"),
        (f"prefledger replay --until {position} --out FOLDER", "folds the log up to it, and writes out what everything was"),
        ("prefledger verify", "compares what the node answers from with its log"),
    )
    shown = "".join(f"<li><code>{_text(command)}</code> {does}</li>" for command, does in commands)
    return (
        f"<h2>How to check it</h2>\n<ul>{shown}</ul>\n<h2>What it does not tell</h2>\n"
        "<p>What the ledger does not know: what the data is used for, who gets it, and how long it is kept. "
        "What this holder said of others. Records that can't be read and do not tell whose they are. "
        "What was said before the holder was forgotten, if it was.</p>\n"
    )


def _anchor(position: str) -> str:
    return f"r{parse_position(position).offset}"


def _at(tree: Any, path: str) -> Any:
    for key in keys_of(path):
        tree = tree[key]
    return tree


def _path(path: str, names: Mapping[str, str]) -> str:
    keys = keys_of(path)
    shown = " &rsaquo; ".join(_text(key) if key else "&ldquo;&rdquo;" for key in keys) or "everything"
    name = next((name for scope, name in names.items() if path == scope or path.startswith(scope + "/")), None)
    return shown if name is None else f"{shown} <small>({_text(name)})</small>"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _json(value)


def _json(value: Any) -> str:
    return f"<code>{_text(json.dumps(value, ensure_ascii=False))}</code>"


def _text(value: str | None) -> str:
    """Text as it stands on a page, whatever way it is written."""
    return "" if value is None else f"<bdi>{_escaped(value)}</bdi>"


def _escaped(value: str) -> str:
    return escape(_UNSEEN.sub(_spelled_out, value))


def _spelled_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
