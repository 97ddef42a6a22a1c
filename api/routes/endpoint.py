"""From a function to a route: what it takes and gives is its signature, which its documentation is made from as well.

    @endpoint("POST", "/v1/subtasks/{subtask_id}/release", roles=WORKERS)
    async def release(
        services: Services, principal: Principal, subtask_id: Name, body: ReleaseRequest
    ) -> SubtaskView:

- `body` is the request's JSON and `query` its parameters, both read strictly into their structs
- parameters named in the path are parts of it
- `principal` is the caller, `request` the whole request; other parameters are what the application holds under
  that name
- a struct becomes a reply in JSON, None one without a body, a `ASGIResponse` is sent as it is
"""

from __future__ import annotations

import functools
import inspect
import operator
import re
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_type_hints

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from api.front.layer import PRINCIPAL
from api.routes.reading import convert, decode, decode_query
from api.routes.roles import Roles, check_role

Method = Literal["GET", "POST", "DELETE"]
HttpRequest = Request[Any, Any, Any]
Bodies = Mapping[str, Any]
"""Media type -> the type of its JSON; `bytes`: as it is."""

JSON = "application/json"
#: In a handler's `opt`.
ENDPOINT = "endpoint"

_ENCODE = msgspec.json.Encoder().encode
_IN_PATH = re.compile(r"{(\w+)}")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is no error."""

    #: The type of its JSON; None: no body; `bytes`: as it is.
    kind: Any = None
    media_type: str = JSON
    meaning: str = ""
    #: Headers that mean something in it, and what.
    headers: Mapping[str, str] = {}


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a route."""

    method: Method
    path: str
    roles: Roles
    summary: str
    description: str
    in_path: Mapping[str, Any]
    query: Any = None
    bodies: Bodies = {}
    replies: Mapping[int, Reply]
    #: Statuses of refusals, beside those that any route may answer with.
    refusals: tuple[int, ...] = ()
    #: Request headers that mean something here, and what.
    headers: Mapping[str, str] = {}


Handler = Callable[..., Awaitable[object]]
_Getter = Callable[[HttpRequest], Any]


def endpoint(
    method: Method, path: str, *, roles: Roles, status: int = 200, **said: Any
) -> Callable[[Handler], HTTPRouteHandler]:
    """Make a route of a function.

    What its signature does not say, because it reads the request itself, is given as fields of `Endpoint`.
    """

    def make(function: Handler) -> HTTPRouteHandler:
        hints = get_type_hints(function, include_extras=True)
        returned = hints.pop("return", None)
        in_path = {name: hints[name] for name in _IN_PATH.findall(path)}
        facts = {
            "in_path": in_path,
            "query": hints.get("query"),
            "bodies": {JSON: hints["body"]} if "body" in hints else {},
            "replies": _replies(returned, status),
            **_about(function),
            **said,
        }
        described = Endpoint(method=method, path=path, roles=roles, **facts)
        getters = {name: _getter(name, kind, in_path) for name, kind in hints.items() if name != "body"}
        body = hints.get("body")

        async def handle(request: HttpRequest) -> ASGIResponse:
            # Litestar's guards do the same at several times the cost.
            check_role(request.scope, roles)
            arguments = {name: get(request) for name, get in getters.items()}
            if body is not None:
                # No body at all is one without fields.
                arguments["body"] = decode(await request.body() or b"{}", body)
            return _response(await function(**arguments), status)

        handle.__name__ = function.__name__
        return HTTPRouteHandler(
            _IN_PATH.sub(r"{\1:str}", path),
            http_method=method,
            status_code=status,
            opt={ENDPOINT: described},
        )(handle)

    return make


def _getter(name: str, kind: Any, in_path: Mapping[str, Any]) -> _Getter:
    if name in in_path:
        return lambda request: convert(request.path_params[name], kind, name)
    if name == "query":
        return lambda request: decode_query(request.scope["query_string"], kind)
    if name == "principal":
        return lambda request: request.scope["state"][PRINCIPAL]
    if name == "request":
        return lambda request: request
    return lambda request: request.app.state[name]


def _about(function: Handler) -> dict[str, str]:
    summary, _, description = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
    return {"summary": " ".join(summary.split()).rstrip("."), "description": description}


def _replies(returned: Any, status: int) -> Mapping[int, Reply]:
    """Tell a struct, nothing, or one of them from a function's annotation."""
    kinds = get_args(returned) or (returned,)
    some = [kind for kind in kinds if kind not in (None, NoneType)]
    replies = {status: Reply(kind=functools.reduce(operator.or_, some))} if some else {}
    return replies if len(some) == len(kinds) else replies | {204: Reply(meaning="There is nothing to say.")}


def _response(value: object, status: int) -> ASGIResponse:
    if isinstance(value, ASGIResponse):
        return value
    if value is None:
        return ASGIResponse(body=b"", status_code=204)
    return ASGIResponse(body=_ENCODE(value), status_code=status, media_type=JSON)
