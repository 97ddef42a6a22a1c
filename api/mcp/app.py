"""`/mcp`: the tools over the protocol's streamable HTTP, as an ASGI application.

Both generations of the protocol are served: revisions that begin with a handshake (2024-11-05 to 2025-11-25), and the
stateless one (2026-07-28). Neither keeps a session here, so that any process may answer any request. What a session
would be needed for is not offered: resources, prompts, questions to the user, a stream of notifications (GET is
refused).

Who calls is found out before (`api/front/callers.py`), and so is whether a request came for a foreign name or on
behalf of a foreign page: the library's own checks of Host and Origin are left off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.mcp.calls import Calls
from api.mcp.patience import Patience
from api.mcp.server import make_server
from api.mcp.tools import TOOLS
from eventstore.clock import Clock

if TYPE_CHECKING:
    from api.service.interface import Services

#: No tool takes more than some texts of 20,000 characters.
BODY_BYTES_MAX = 1024 * 1024


class McpApp:
    """The ASGI application; it answers while `run` is entered.

    Whoever stands in front puts the caller's `Principal` into `scope["state"]["principal"]`; without one nothing is
    answered.
    """

    def __init__(self, services: Services, clock: Clock) -> None:
        self._calls = Calls()
        self._patience = Patience(services, clock)
        self._server = make_server(services, clock, TOOLS, self._calls, self._patience)
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve until the end of the block, which ends the requests that are still waiting."""
        manager = StreamableHTTPSessionManager(self._server, stateless=True, max_request_body_size=BODY_BYTES_MAX)
        beating = asyncio.create_task(self._patience.run(), name="MCP signs of life")
        try:
            async with manager.run():
                self._manager = manager
                try:
                    yield
                finally:
                    self._manager = None
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await self._calls.finish()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":
            # Else a handshake client's GET would hold a connection open for notifications that never come.
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        if self._manager is None:
            raise RuntimeError("the MCP application is called outside of its run()")
        gone = asyncio.Event()

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        try:
            state = {**scope.get("state", {}), "mcp_gone": gone}
            await self._manager.handle_request({**scope, "state": state}, watched, send)
        finally:
            gone.set()
