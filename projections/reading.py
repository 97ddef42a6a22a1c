"""Reading events for folds: whole tasks, many of them, as fast as the database gives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from domain.errors import LedgerError
from domain.events import RecordedEvent
from eventstore.codec import RECORD, decode_records
from eventstore.postgres.connection import Connection

#: Payloads of one text, as they are stored, often compressed. A row each would wake the client for every eight
#: kilobytes, at the cost of most of its time.
_STORED_BYTES = 256 * 1024

# Lines of JSON hold no control characters: between these two, which quote and part what never comes, CSV is the text
# as it is, which spares the escaping at one end and its undoing at the other.
_COPY: LiteralString = f"""
    COPY (
        SELECT string_agg(record, E'\\n' ORDER BY task_id, position)
        FROM (
            SELECT
                task_id, position, {RECORD} AS record,
                sum(pg_column_size(payload)) OVER (ORDER BY task_id, position ROWS UNBOUNDED PRECEDING)
                    / %(stored_bytes)s AS place
            FROM ledger.event
            WHERE task_id BETWEEN %(first)s AND %(last)s AND position <= %(until)s
        ) AS numbered
        GROUP BY place
        ORDER BY place
    ) TO STDOUT (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')
"""  # noqa: S608

_TASK: LiteralString = f"""
    SELECT {RECORD}
    FROM ledger.event
    WHERE task_id = %s AND position <= %s
    ORDER BY position
"""  # noqa: S608


def read_tasks(
    connection: psycopg.Connection[TupleRow], first: str, last: str, until: int
) -> Iterator[list[RecordedEvent]]:
    """Give the events of the tasks from one name to another, task by task, up to a position.

    Raises `LedgerError`, which names the position, where one cannot be read by this release.
    """
    binds = {"first": first, "last": last, "until": until, "stored_bytes": _STORED_BYTES}
    with connection.cursor() as cursor, cursor.copy(_COPY, binds) as texts:
        for text in texts:
            # What has several lines is quoted.
            yield decode_records(bytes(text).strip(b"\x01\n").decode())


async def read_task(connection: Connection, task_id: str, until: int) -> list[RecordedEvent]:
    """Give a task's events up to a position, without those that this release cannot read."""
    rows = await (await connection.cursor(binary=True).execute(_TASK, (task_id, until))).fetchall()
    lines = [str(line) for (line,) in rows]
    try:
        return decode_records("\n".join(lines))
    except LedgerError:
        return [record for line in lines for record in _readable(line)]


def _readable(line: str) -> list[RecordedEvent]:
    try:
        return decode_records(line)
    except LedgerError:
        return []
