"""Keeping the read models up to date, in the process that leads.

Nothing breaks where two processes do it at once (`projections/runner.py`); it is only work done twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg

from eventstore.doorbell import Doorbell
from eventstore.postgres.connection import first_line

if TYPE_CHECKING:
    from projections.runner import Runner

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def projecting(url: str) -> AsyncIterator[None]:
    """Keep the read models of the ledger at `url` up to date until the end of the block."""
    async with Doorbell(url) as doorbell:
        task = asyncio.create_task(_project(url, doorbell), name="read models")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _project(url: str, doorbell: Doorbell) -> None:
    # They take half a second to load, in which a server has other things to do.
    clean_up, runner = await asyncio.to_thread(_load)
    try:
        if removed := await clean_up(url):
            _LOG.info("tables that a rebuild had left were removed", extra={"tables": removed})
    except psycopg.Error as error:
        # The next start removes them as well.
        _LOG.warning("what a rebuild has left could not be removed", extra={"reason": first_line(error)})
    await runner(url, doorbell).run()


def _load() -> tuple[Callable[[str], Awaitable[list[str]]], Callable[[str, Doorbell], Runner]]:
    from projections.models import ALL
    from projections.rebuild import clean_up
    from projections.runner import Runner

    return clean_up, lambda url, doorbell: Runner(url, ALL, doorbell=doorbell)
