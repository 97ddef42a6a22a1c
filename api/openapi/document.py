"""OpenAPI 3.1 from the routes: msgspec says how it reads and writes a type, so that the description is what holds."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from api.problems import MEDIA_TYPE
from api.routes.endpoint import Endpoint, Reply
from api.schemas import ProblemDetails

_REF = "#/components/schemas/{name}"
_KEY = "key"

#: What any route that needs a key may answer with, and any at all.
_ALWAYS = (400, 500)
_WITH_KEY = (401, 403, 429, 503)

_INFO = {
    "title": "Parallel Workers",
    "description": (
        "Splits an engineering task into independent subtasks, hands them to parallel workers, and keeps every step "
        "in a ledger. Errors are problem details (RFC 9457). Every write may be sent again: it is done once."
    ),
}


def openapi(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Describe the routes."""
    described = sorted(endpoints, key=lambda endpoint: (endpoint.path, endpoint.method))
    kinds = [kind for endpoint in described for kind in _kinds(endpoint)]
    schemas, components = msgspec.json.schema_components([*kinds, ProblemDetails], ref_template=_REF)
    schema_of = dict(zip(map(_key, kinds), schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in described:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of, components)
    queries = {endpoint.query.__name__ for endpoint in described if endpoint.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {**_INFO, "version": version("parallel-workers")},
        "servers": [{"url": "/"}],
        "security": [{_KEY: []}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in queries},
            "securitySchemes": {
                _KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "pw_ID_SECRET",
                    "description": "Made with `pw keys create`; not needed on loopback while there is no key.",
                }
            },
        },
    }


def _kinds(endpoint: Endpoint) -> list[Any]:
    replies = [reply.kind for reply in endpoint.replies.values()]
    found = [*endpoint.in_path.values(), endpoint.query, *endpoint.bodies.values(), *replies]
    return [kind for kind in found if kind not in (None, bytes)]


def _key(kind: Any) -> str:
    # Unions that are equal are not always one object, and not all types can be hashed.
    return repr(kind)


def _operation(endpoint: Endpoint, schema_of: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [_tag(endpoint.path)],
        "parameters": _parameters(endpoint, schema_of, components),
        "responses": _responses(endpoint, schema_of),
    }
    roles = f"Roles: {', '.join(sorted(endpoint.roles))}." if endpoint.roles else "Needs no key."
    operation["description"] = "\n\n".join(filter(None, (endpoint.description, roles)))
    if endpoint.bodies:
        operation["requestBody"] = {
            "required": True,
            "content": {
                media: {"schema": {} if kind is bytes else schema_of[_key(kind)]}
                for media, kind in endpoint.bodies.items()
            },
        }
    if not endpoint.roles:
        operation["security"] = []
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    parts = endpoint.path.strip("/").removeprefix("v1/").replace("{", "").replace("}", "").split("/")
    return "-".join((endpoint.method.lower(), *parts)).replace("_", "-")


def _tag(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[1] if parts[0] == "v1" else "service"


def _parameters(endpoint: Endpoint, schema_of: Mapping[str, Any], components: Mapping[str, Any]) -> list[Any]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": schema_of[_key(kind)]}
        for name, kind in endpoint.in_path.items()
    ]
    if endpoint.query is not None:
        struct = components[endpoint.query.__name__]
        found += [
            {"name": name, "in": "query", "required": name in struct.get("required", ()), "schema": _given(schema)}
            for name, schema in struct["properties"].items()
        ]
    return found + [
        {"name": name, "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}}
        for name, meaning in endpoint.headers.items()
        # OpenAPI ignores a parameter of this name: the media types of the replies say it.
        if name != "Accept"
    ]


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a parameter that is there: text cannot say `null`, and one that is left out says it."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if not options:
        return schema
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    return {**(options[0] if len(options) == 1 else {"anyOf": options}), **rest}


def _responses(endpoint: Endpoint, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    responses = {str(status): _response(status, reply, schema_of) for status, reply in endpoint.replies.items()}
    statuses = {*_ALWAYS, *endpoint.refusals, *(_WITH_KEY if endpoint.roles else ())}
    for status in sorted(statuses - set(endpoint.replies)):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name=ProblemDetails.__name__)}}},
        }
    return responses


def _response(status: int, reply: Reply, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": reply.meaning or HTTPStatus(status).phrase}
    if reply.headers:
        described["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in reply.headers.items()
        }
    if reply.kind is bytes:
        described["content"] = {reply.media_type: {"schema": {"type": "string"}}}
    elif reply.kind is not None:
        described["content"] = {reply.media_type: {"schema": schema_of[_key(reply.kind)]}}
        described["description"] = reply.meaning or _first_line(reply.kind) or described["description"]
    return described


def _first_line(kind: Any) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0] if isinstance(kind, type) else ""
