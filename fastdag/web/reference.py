"""The OpenAPI description as a page to read: plain HTML, made here, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import msgspec

__all__ = ["page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
code, pre { font: 14px/1.4 ui-monospace, monospace; }
pre { background: #f4f4f4; padding: .75rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; padding: .3rem .6rem .3rem 0; }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd; } pre { background: #262626; } h2, th, td { border-color: #444; }
}
"""


def page(document: Mapping[str, Any]) -> str:
    """The page for a description made by `openapi.describe`."""
    title = escape(document["info"]["title"])
    body = "\n".join(_body(document))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{title} <small>{escape(document['info']['version'])}</small></h1>\n{body}\n</body></html>\n"
    )


def _body(document: Mapping[str, Any]) -> Iterator[str]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method not in ("parameters", "head"):
                yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
                yield from _operation(operation, item["parameters"])
    yield "<h2>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3>{_code(schema)}'


def _operation(operation: Mapping[str, Any], shared: list[Any]) -> Iterator[str]:
    yield f"<p>{escape(operation['summary'])}</p>"
    if "description" in operation:
        yield f"<pre>{escape(operation['description'])}</pre>"
    parameters = [*shared, *operation.get("parameters", ())]
    if parameters:
        rows = (
            (f"{p['name']}{'' if p['required'] else '?'}", p["in"], p.get("description", ""), p["schema"])
            for p in parameters
        )
        yield "<table><tr><th>Parameter<th>In<th>Meaning<th>Schema</tr>"
        for name, where, meaning, schema in rows:
            yield f"<tr><td><code>{escape(name)}</code><td>{where}<td>{escape(meaning)}<td>{_inline(schema)}</tr>"
        yield "</table>"
    if "requestBody" in operation:
        yield f"<p>Body: {_inline(operation['requestBody']['content']['application/json']['schema'])}</p>"
    yield "<table><tr><th>Status<th>Meaning<th>Content</tr>"
    for status, response in operation["responses"].items():
        content = "".join(f"{media} {_inline(held['schema'])}" for media, held in response.get("content", {}).items())
        yield f"<tr><td>{escape(status)}<td>{escape(response['description'])}<td>{content}</tr>"
    yield "</table>"


def _inline(schema: Mapping[str, Any]) -> str:
    name = escape(str(schema.get("$ref", "")).rpartition("/")[2])
    return f'<a href="#{name}">{name}</a>' if name else f"<code>{escape(_json(schema, 0))}</code>"


def _code(schema: Any) -> str:
    return f"<pre>{escape(_json(schema, 2))}</pre>"


def _json(schema: Any, indent: int) -> str:
    return msgspec.json.format(msgspec.json.encode(schema), indent=indent).decode()
