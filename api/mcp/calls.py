"""Tool calls that are under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from api.mcp.tool import Reply

_LOG = logging.getLogger(__name__)


class Calls:
    """Carries tool calls through to their end.

    The protocol library cancels a call as soon as its client has gone. What such a call was about to store, or to
    hand out, must not stop half-way: it is told that nobody waits any more, and ends by itself.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Reply]] = set()

    async def carry_out(self, work: Coroutine[Any, Any, Reply], gone: asyncio.Event) -> Reply:
        """Wait for a call; cancelled, set `gone` and leave the call to itself."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            gone.set()
            task.add_done_callback(_log_failure)
            raise

    async def finish(self) -> None:
        """Wait until no call is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def _log_failure(task: asyncio.Task[Reply]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.info("MCP call failed after its client had gone", extra={"error": str(error)})
