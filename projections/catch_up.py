"""Bringing the read models up to what the ledger holds now, by whoever is about to read them."""

from __future__ import annotations

import psycopg

from domain.errors import LedgerError
from eventstore.postgres.connection import Connection, connect, unreachable
from projections.builds import load_builds
from projections.models import ALL
from projections.problem_tables import catch_up_problems
from projections.reading import settled_position
from projections.runner import Runner


async def catch_up(url: str, *, events_max: int | None = None) -> int:
    """Take into the live read models what is settled in the ledger now; gives the position that they are at.

    Whoever else moves them on meanwhile does no harm: each event is in each table once. Tables of another version are
    left to a rebuild; 0 where that is so of all. Raises `LedgerError` where the database is away, was restored from
    a backup that lacks what the tables hold (`CursorError`), or where about more than `events_max` are missing, for
    which a rebuild is the quicker way.
    """
    try:
        async with await connect(url, "catch up") as connection:
            until = await settled_position(connection)
            missing = until - await _position(connection)
    except psycopg.Error as error:
        raise unreachable(error) from error
    if events_max is not None and missing > events_max:
        raise LedgerError(f"the read models are some {missing:,} events behind: pw rebuild --all is the quickest way")
    runner = Runner(url, ALL)
    await runner.catch_up(until)
    await catch_up_problems(url)
    return runner.position


async def _position(connection: Connection) -> int:
    versions = {projection.name: projection.version for projection in ALL}
    builds = await load_builds(connection, "live")
    return min((one.position for one in builds if versions.get(one.name) == one.version), default=0)
