"""Bringing the read models up to the ledger while somebody watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from eventstore.postgres.connection import Connection, connect, unreachable
from projections.builds import load_builds
from projections.catch_up import catch_up
from projections.reading import settled_position

#: How often it is shown how far the read models are, in seconds.
_SHOWN_EACH_SECONDS = 0.5

OnProgress = Callable[[int, int], None]
"""Is told the position that was reached, and the last one."""


async def take_in(url: str, on_progress: OnProgress) -> None:
    """Take into the read models what is in the ledger; raises `LedgerError` where that cannot be."""
    work = asyncio.create_task(catch_up(url))
    try:
        async with await connect(url, "postmortem") as connection:
            end = await settled_position(connection)
            while not (await asyncio.wait({work}, timeout=_SHOWN_EACH_SECONDS))[0]:
                on_progress(await _reached(connection), end)
        await work
    except psycopg.Error as error:
        raise unreachable(error) from error
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _reached(connection: Connection) -> int:
    return min((build.position for build in await load_builds(connection, "live")), default=0)
