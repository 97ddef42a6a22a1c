"""Serving an application on a unix socket, within a process that does other things as well."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # What signals mean is decided by whoever owns the process.
        yield


@asynccontextmanager
async def served(app: Any, path: Path) -> AsyncIterator[None]:
    """Serve an ASGI application at `path` until the end of the block; requests under way are answered first."""
    config = uvicorn.Config(app, log_config=None, access_log=False, http="httptools")
    server = _Server(config)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        # Before anybody connects: whoever is early waits in line.
        listening.listen()
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="server")
        try:
            yield
        finally:
            server.should_exit = True
            await serving
