"""Ending what runs, cleanly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from domain.errors import ParallelWorkersError


async def until_stopped(work: Awaitable[None], stop: asyncio.Event) -> bool:
    """Let the work run to its end, or end it when asked to stop; tell whether it reached its end.

    Passes on what the work raises; of several errors at once the first.
    """
    running = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
    if running.cancelled():
        return False
    if (error := running.exception()) is not None:
        raise first_of(error) from error
    return True


def first_of(error: BaseException) -> BaseException:
    """Give the first error of a group, one of ours before others."""
    if isinstance(error, BaseExceptionGroup):
        error = error.subgroup(ParallelWorkersError) or error
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
