"""Rows of read models on their way into tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from eventstore.postgres.connection import Connection, first_line
from projections.builds import Build, table_of
from projections.projection import Projection, Row

_ENCODE = msgspec.json.Encoder().encode


async def put(
    connection: Connection, projection: Projection, build: Build, rows: Sequence[Row]
) -> list[tuple[Row, str]]:
    """Insert rows, or put them in the place of those that are there under their keys.

    Gives the rows that the table does not take, with the reason: they are found by halving.
    """
    if not rows:
        return []
    try:
        async with connection.transaction():
            # One text whatever their number, which the database takes apart by the table's own types.
            await connection.execute(_upsert(projection, build), (_ENCODE(rows).decode(),))
    except psycopg.DataError as error:
        if len(rows) == 1:
            return [(rows[0], first_line(error))]
        middle = len(rows) // 2
        refused = await put(connection, projection, build, rows[:middle])
        return refused + await put(connection, projection, build, rows[middle:])
    return []


def _upsert(projection: Projection, build: Build) -> sql.Composed:
    keys = projection.keys
    others = [name for name in projection.columns if name not in keys]
    return sql.SQL(
        "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)"
        " ON CONFLICT ({keys}) DO UPDATE SET ({columns}) = ROW ({values})"
    ).format(
        table=table_of(build),
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
        columns=sql.SQL(", ").join(map(sql.Identifier, others)),
        values=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in others),
    )


async def remove_tasks(connection: Connection, build: Build, task_ids: Sequence[str]) -> None:
    """Remove all rows of tasks."""
    if task_ids:
        statement = sql.SQL("DELETE FROM {} WHERE task_id = ANY (%s)").format(table_of(build))
        await connection.execute(statement, (list(task_ids),))


def copy(connection: psycopg.Connection[TupleRow], table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Fill a table that nobody else knows of."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier("projection", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copying:
        for row in rows:
            values: list[Any] = list(row.values())
            copying.write_row(values)
