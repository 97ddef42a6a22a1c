"""From the position that a reader names to a place in the ledger that a feed goes on from."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import tenacity
from psycopg import errors

from domain.errors import CursorError
from eventstore.feed import Cursor
from eventstore.postgres.connection import Connection, connect, unreachable

#: An append that is under way for longer than this many tries of two seconds is no reason to wait any more.
_SETTLING_TRIES = 15

_SETTLED: LiteralString = "SELECT ledger.settled_position()"

# The event at the place, or the last before it: a position may be one that was rolled back, or archived.
_AT: LiteralString = """
    SELECT incarnation.id, event.position, event.message_id, (SELECT max(position) FROM ledger.event)
    FROM ledger.incarnation
    LEFT JOIN LATERAL (
        SELECT position, message_id FROM ledger.event WHERE position <= %s ORDER BY position DESC OFFSET %s LIMIT 1
    ) AS event ON true
"""


async def place_at(url: str, position: int) -> Cursor | None:
    """Find the place after a position; None is the beginning.

    Raises `CursorError` for a position that this ledger has not come to, and `LedgerError` where it is away.
    """
    if position <= 0:
        return None
    try:
        async with await connect(url, "stream") as connection:
            cursor, last = await _look(connection, position, back=0)
    except psycopg.Error as error:
        raise unreachable(error) from error
    if position > last:
        raise CursorError(
            f"the ledger ends at position {last}: position {position} is of another ledger, or was lost"
        )
    return cursor


async def place_before_end(url: str, back: int) -> tuple[Cursor | None, int]:
    """Find the place so many events before the end, and the position of the last event.

    All below the end is settled: no event will ever be added there. Raises `LedgerError` where the ledger is away.
    """
    try:
        async with await connect(url, "stream") as connection:
            settled = await _settled(connection)
            end, _ = await _look(connection, settled, back=0)
            start, _ = await _look(connection, settled, back=back)
    except psycopg.Error as error:
        raise unreachable(error) from error
    return start, end.position if end else 0


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(errors.LockNotAvailable),
    stop=tenacity.stop_after_attempt(_SETTLING_TRIES),
    reraise=True,
)
async def _settled(connection: Connection) -> int:
    row = await (await connection.execute(_SETTLED)).fetchone()
    return int(row[0]) if row else 0


async def _look(connection: Connection, position: int, *, back: int) -> tuple[Cursor | None, int]:
    row = await (await connection.execute(_AT, (position, back))).fetchone()
    if row is None:
        raise CursorError("the ledger has no incarnation: it was not made by pw migrate")
    incarnation, found, message, last = row
    return (None if found is None else Cursor(incarnation, found, message)), last or 0
