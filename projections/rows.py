"""Rows of read models on their way into tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from eventstore.postgres.connection import Connection, first_line
from projections.builds import Build, table_of
from projections.projection import Projection, Row

_ENCODE = msgspec.json.Encoder().encode
_ENCODE_LINES = msgspec.json.Encoder().encode_lines


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


# Rows as JSON, which msgspec writes many times faster than Python writes anything else, are CSV but for the brackets.
_COPY: LiteralString = "COPY {} ({}) FROM STDIN (FORMAT csv, NULL 'null', QUOTE '\"', ESCAPE '\\')"
#: What JSON may put behind a backslash.
_ESCAPED = re.compile(rb'\\(?:["\\bfnrt]|u[0-9a-f]{4})')
#: Items that an array of Postgres holds without quotes.
_PLAIN = re.compile(r"[\w./:@+=-]+(?:,[\w./:@+=-]+)*", re.ASCII)


def copy(
    connection: psycopg.Connection[TupleRow], projection: Projection, table: str, texts: Iterable[bytes]
) -> None:
    """Fill a table that nobody else knows of with rows as `as_csv` gives them."""
    columns = sql.SQL(", ").join(map(sql.Identifier, projection.columns))
    statement = sql.SQL(_COPY).format(sql.Identifier("projection", table), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copying:
        for text in texts:
            copying.write(text)


def as_csv(rows: Sequence[Row], lists: Sequence[str] = ()) -> bytes:
    """Give rows as CSV with `null` for NULL and a backslash before what is quoted; `lists` are columns of lists."""
    if not rows:
        return b""
    values = [list(row.values()) for row in rows]
    for place in [place for place, name in enumerate(rows[0]) if name in lists]:
        for row in values:
            row[place] = _array(row[place])
    text = _ENCODE_LINES(values)
    # Within a string a line's end is escaped, so that these are the ends of rows.
    text = text[1:-2].replace(b"]\n[", b"\n") + b"\n"
    return _ESCAPED.sub(_unescaped, text) if b"\\" in text else text


def _array(items: Sequence[str | int]) -> str:
    plain = ",".join(map(str, items))
    # Mostly: what is quoted twice takes ten times as long.
    if _PLAIN.fullmatch(plain) and plain.count(",") == len(items) - 1 and "null" not in plain.lower():
        return f"{{{plain}}}"
    quoted = [str(item).replace("\\", "\\\\").replace('"', '\\"') for item in items]
    return "{" + ",".join([f'"{item}"' for item in quoted]) + "}"


def _unescaped(found: re.Match[bytes]) -> bytes:
    """Give what CSV, which knows no other escapes, has in place of an escape of JSON: the character itself."""
    escape = found[0]
    return escape if escape in (b'\\"', b"\\\\") else msgspec.json.decode(b'"%b"' % escape, type=str).encode()
