"""The API's description as a page: made here from the OpenAPI document, with no script and nothing from elsewhere.

A page on which people work with an admin key must not run what another host serves.
"""

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; } details { border: 1px solid #ddd; border-radius: .4rem;
margin: .5rem 0; padding: .4rem .8rem; } summary { cursor: pointer; } code, pre { font: 14px/1.4 ui-monospace, monospace; }
pre { background: #f6f6f6; padding: .8rem; overflow: auto; }
.method { display: inline-block; width: 4.5rem; font-weight: 600; }
table { border-collapse: collapse; } td, th { border: 1px solid #ddd; padding: .2rem .6rem; text-align: left; }
"""
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "X-Content-Type-Options": "nosniff"}


def docs_page(document: Mapping[str, Any], openapi_path: str) -> str:
    """The whole page for an OpenAPI document."""
    sections: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            sections.setdefault(tag, []).append(_operation(method, path, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in sections.items())
    schemas = "".join(
        f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'
        for name, schema in document.get("components", {}).get("schemas", {}).items()
    )
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1><p>{escape(document['info'].get('description', ''))}</p>"
        f'<p>The same for machines: <a href="{escape(openapi_path)}">OpenAPI 3.1</a>.</p>'
        f"{body}<h2>Schemas</h2>{schemas}</body></html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"]
    if operation.get("parameters"):
        parts.append(_parameters(operation["parameters"]))
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body, <code>{escape(content_type)}</code>:</p>{_content(content)}")
    for status, response in operation.get("responses", {}).items():
        parts.append(f"<p>Answer {escape(str(status))}: {escape(response.get('description', ''))}</p>")
        parts += [_content(content) for content in response.get("content", {}).values()]
    summary = f'<span class="method">{escape(method.upper())}</span><code>{escape(path)}</code>'
    return f"<details><summary>{summary}</summary>{''.join(parts)}</details>"


def _parameters(parameters: Iterable[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td>{escape(parameter.get('description', ''))}</td></tr>"
        for parameter in parameters
    )
    return f"<table><tr><th>Parameter</th><th>In</th><th></th></tr>{rows}</table>"


def _content(content: Mapping[str, Any]) -> str:
    shown = content.get("example", content.get("schema", {}))
    reference = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    link = f'<p>Schema: <a href="#schema-{escape(reference)}"><code>{escape(reference)}</code></a></p>' if reference else ""
    return link if reference and "example" not in content else link + _json(shown)


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
