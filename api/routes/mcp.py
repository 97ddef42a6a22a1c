"""`/mcp`: the application that speaks the Model Context Protocol, behind the same keys as everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.handlers import ASGIRouteHandler

from api.routes.endpoint import ENDPOINT, JSON, Endpoint, Reply
from api.routes.roles import CALLERS, check_role

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

_PATH = "/mcp"

_DESCRIBED = Endpoint(
    method="POST",
    path=_PATH,
    roles=CALLERS,
    summary="Speak the Model Context Protocol",
    description="Streamable HTTP, without sessions. What there is for a role, its `tools/list` says.",
    in_path={},
    bodies={JSON: dict[str, Any]},
    replies={
        200: Reply(kind=dict[str, Any], meaning="The protocol's answer."),
        202: Reply(meaning="The protocol's notification was taken."),
    },
    refusals=(405, 406, 413, 415, 421),
)


def mcp_route(app: ASGIApp) -> ASGIRouteHandler:
    """Make the route."""

    async def mcp(scope: Scope, receive: Receive, send: Send) -> None:
        check_role(scope, CALLERS)
        await app(scope, receive, send)

    return ASGIRouteHandler(_PATH, opt={ENDPOINT: _DESCRIBED}, copy_scope=True)(mcp)
