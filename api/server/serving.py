"""Serving an application within a process that decides itself what signals mean."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

#: How long requests under way may take when the server ends; whoever is cut off then comes again elsewhere.
GRACE_SECONDS = 10

#: Nginx and the cloud's balancers keep idle lines for a minute, and a line must not end on this side first.
_KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """uvicorn, which leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Do nothing."""
        yield


@asynccontextmanager
async def serving(app: Any, listener: socket.socket, *, grace_seconds: int = GRACE_SECONDS) -> AsyncIterator[Server]:
    """Serve an ASGI application on a socket that listens until the end of the block.

    Then nobody new is let in, and requests under way are answered, within the grace.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        http="httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace_seconds,
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="server")
    try:
        yield server
    finally:
        server.should_exit = True
        await task
