"""The protocol's side of the tools: listing them, calling them, and saying what went wrong.

An error of ours becomes the result of the call, marked as an error, with the one line that carries the fact: a
model reads results and can act on them, while a protocol error ends in its client.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import mcp_types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server

from api.auth.principal import Principal
from api.mcp.calls import Calls
from api.mcp.instructions import WORK_LOOP
from api.mcp.patience import Patience
from api.mcp.tool import Call, Tool
from domain import errors
from eventstore.clock import Clock

if TYPE_CHECKING:
    from api.service.interface import Services

_LOG = logging.getLogger(__name__)


def make_server(
    services: Services, clock: Clock, tools: Sequence[Tool], calls: Calls, patience: Patience
) -> Server[Any]:
    """Make the server of these tools; it keeps nothing between two requests."""
    by_name = {tool.name: tool for tool in tools}

    async def on_list(
        context: ServerRequestContext[Any], _: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        role = _principal(context).role
        return mcp_types.ListToolsResult(tools=[tool.listing() for tool in tools if role in tool.roles])

    async def on_call(
        context: ServerRequestContext[Any], params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        try:
            call = Call(
                services=services,
                principal=_principal(context),
                clock=clock,
                patience=patience,
                gone=_state(context)["mcp_gone"],
            )
            work = _named(params.name, by_name).call(call, params.arguments or {})
            reply = await calls.carry_out(work, call.gone)
        except errors.ParallelWorkersError as error:
            return _failed(_lines(error))
        except Exception:  # noqa: BLE001 - else the protocol library tells the client whatever the exception says
            _LOG.exception("MCP tool failed", extra={"tool": params.name})
            return _failed("the service has failed; its log says why")
        return reply.result()

    return Server(
        "parallel-workers",
        title="Parallel Workers",
        version=version("parallel-workers"),
        instructions=WORK_LOOP,
        on_list_tools=on_list,
        on_call_tool=on_call,
    )


def _named(name: str, by_name: Mapping[str, Tool]) -> Tool:
    if (tool := by_name.get(name)) is None:
        raise errors.InvalidRequestError(f"there is no tool {name}: {', '.join(by_name)}")
    return tool


def _state(context: ServerRequestContext[Any]) -> dict[str, Any]:
    request = context.request
    state: dict[str, Any] = {} if request is None else request.scope.get("state", {})
    return state


def _principal(context: ServerRequestContext[Any]) -> Principal:
    principal = _state(context).get("principal")
    if not isinstance(principal, Principal):
        raise errors.UnauthenticatedError("nobody has said whose request this is")
    return principal


def _failed(text: str) -> mcp_types.CallToolResult:
    return mcp_types.CallToolResult(content=[mcp_types.TextContent(type="text", text=text)], is_error=True)


def _lines(error: errors.ParallelWorkersError) -> str:
    line = " ".join(str(error).split())
    match error:
        case errors.StaleLeaseError():
            return f"{line}\n\nNext: Stop, put the files back as they were, and call claim_subtask for other work."
        case errors.OverloadedError() | errors.TooManyRequestsError():
            return f"{line}\n\nNext: Try again in {error.retry_after_seconds:g} seconds."
        case _:
            return line
