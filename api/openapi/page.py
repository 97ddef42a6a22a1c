"""The description as a page for people: plain HTML, without a script, and without anything from another host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 13px/1.4 ui-monospace, monospace }
pre { overflow-x: auto; padding: .6rem; border: 1px solid #8884; border-radius: 4px }
summary { cursor: pointer; padding: .3rem 0 }
details { border-bottom: 1px solid #8884 }
details > :not(summary) { margin-left: 1rem }
.method { display: inline-block; min-width: 4rem; font-weight: bold }
td, th { text-align: left; padding: .1rem 1rem .1rem 0; vertical-align: top }
"""


def page(document: Mapping[str, Any]) -> str:
    """Write the page."""
    info = document["info"]
    return "".join(
        (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>",
            "<p><a href='/schema/openapi.json'>openapi.json</a></p>",
            *_by_tag(document),
            "<h2>Types</h2>",
            *(_type(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
            "</body></html>",
        )
    )


def _by_tag(document: Mapping[str, Any]) -> Iterator[str]:
    operations: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operations.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    for tag in sorted(operations):
        yield f"<h2>{escape(tag)}</h2>"
        yield from operations[tag]


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    rows = [
        (parameter["name"], f"{parameter['in']}; {_kind(parameter['schema'])}")
        for parameter in operation["parameters"]
    ]
    bodies = [
        (media, _kind(content["schema"]))
        for media, content in operation.get("requestBody", {"content": {}})["content"].items()
    ]
    replies = [
        (
            status,
            f"{reply['description']} {', '.join(_kind(one['schema']) for one in reply.get('content', {}).values())}",
        )
        for status, reply in operation["responses"].items()
    ]
    return (
        f"<details><summary><span class='method'>{method.upper()}</span><code>{escape(path)}</code>"
        f" {escape(operation['summary'])}</summary><p>{escape(operation['description'])}</p>"
        f"{_table('Parameters', rows)}{_table('Body', bodies)}{_table('Answers', replies)}</details>"
    )


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<h4>{title}</h4><table>{cells}</table>"


def _type(name: str, schema: Mapping[str, Any]) -> str:
    text = escape(json.dumps(schema, indent=2))
    return f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary><pre>{text}</pre></details>"


def _kind(schema: Mapping[str, Any]) -> str:
    """Name a type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(_kind(option) for option in options)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return str(schema.get("type", "anything"))
