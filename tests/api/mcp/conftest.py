"""MCP over HTTP: a real server on loopback, and clients of both generations of the protocol."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvicorn
from mcp import Client

from api.auth.principal import LOCAL, Principal
from api.mcp.app import McpApp
from eventstore.clock import SystemClock

#: The handshake of the older revisions, and the newest revision, which has none.
GENERATIONS = ("legacy", "2026-07-28")


class StubServices:
    """Services that give what they were told to, and remember what they were asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def ask(*arguments: Any, **keywords: Any) -> Any:
            self.asked.append((name, arguments, keywords))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            given = answer(*arguments, **keywords) if callable(answer) else answer
            return await given if asyncio.iscoroutine(given) else given

        return ask


@asynccontextmanager
async def _listening(app: Any) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    # Whoever connects before the server accepts waits in the socket's backlog.
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=5))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def _serve(services: Any, principal: Principal | None = LOCAL) -> AsyncIterator[str]:
    mcp = McpApp(services, SystemClock())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        state = {} if principal is None else {"principal": principal}
        await mcp({**scope, "state": state}, receive, send)

    async with mcp.run(), _listening(app) as url:
        yield url


@pytest.fixture
def serve() -> Callable[..., AbstractAsyncContextManager[str]]:
    """`serve(services, principal)` serves the tools to that caller and gives the URL."""
    return _serve


@pytest.fixture
def stub() -> Callable[..., StubServices]:
    """`stub(name=answer, ...)`: services with these answers; a function is asked, an exception raised."""
    return StubServices


@pytest.fixture(params=GENERATIONS)
def connect(request: pytest.FixtureRequest) -> Callable[[str], Client]:
    """A client of the official SDK, for each generation of the protocol."""
    return lambda url: Client(url, mode=request.param)


@pytest.fixture
def text_of() -> Callable[[Any], str]:
    """Give the text of a call's result."""
    return lambda result: "\n".join(block.text for block in result.content)
