"""Input schemas as every client's model takes them: flat, without references, choices, or null.

Some providers refuse or ignore `anyOf`, and with it the description beside it. An argument that may be left out is
one that is not required; nobody has to know that it could also be null.
"""

from __future__ import annotations

from typing import Any

import msgspec


def input_schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    """Give the JSON schema of a struct whose fields are plain values."""
    schema: dict[str, Any]
    (schema,) = msgspec.json.schema_components([arguments])[1].values()
    return {**schema, "properties": {name: _plain(value) for name, value in schema["properties"].items()}}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"}:
            plain = choice | plain
    if "enum" in plain:
        plain = {"type": "string"} | plain
    if schema.get("default") is not None:
        plain["default"] = schema["default"]
    return plain
