"""The tables of read models: which one is read, which is being made, and up to where each holds the ledger.

A read model's table is `projection.NAME_NUMBER`; the view `projection.NAME` shows the live one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, LiteralString

import msgspec
from psycopg import errors, sql

from eventstore.feed import Cursor
from eventstore.postgres.connection import Connection
from projections.columns import type_of
from projections.projection import Projection

#: "pwRebuld" in ASCII: held by whoever makes tables anew. Without it, tables that are being made are nobody's.
REBUILD_LOCK_KEY = 0x7077_5265_6275_6C64

_SCHEMA = "projection"

Status = Literal["live", "building"]

_SELECT: LiteralString = """
    SELECT name, number, version, status, position, cursor
    FROM projection.build
    WHERE status = %s
    ORDER BY name
"""
_INSERT: LiteralString = """
    INSERT INTO projection.build (name, number, version, status)
    SELECT %(name)s, coalesce(max(number), 0) + 1, %(version)s, 'building'
    FROM projection.build
    WHERE name = %(name)s
    RETURNING number
"""
_ADVANCE: LiteralString = """
    UPDATE projection.build
    SET position = %(position)s, cursor = %(cursor)s
    WHERE status = %(status)s AND name = ANY (%(names)s)
"""
_OWNER: LiteralString = """
    SELECT pg_get_userbyid(relowner)
    FROM pg_class
    WHERE oid = %(view)s::regclass AND relowner <> current_user::regrole
"""
_SET_LIVE: LiteralString = "UPDATE projection.build SET status = 'live' WHERE name = %s AND number = %s"
_DELETE: LiteralString = "DELETE FROM projection.build WHERE name = %s AND number = %s"
# What a dead rebuild has left: tables of no build, and builds that are not live.
_LEFT_BEHIND: LiteralString = """
    SELECT relname
    FROM pg_class
    WHERE relnamespace = 'projection'::regnamespace AND relkind = 'r'
        AND relname ~ '_[0-9]+$'
        AND NOT EXISTS (
            SELECT FROM projection.build
            WHERE status = 'live' AND relname = name || '_' || number
        )
"""
# A sample as large as usual takes as long as copying the rows of a million events, and tells no more of such tables.
_SET_SAMPLE: LiteralString = "SET LOCAL default_statistics_target = 20"
# Whoever wants to read a view queues up behind a change of it that waits for others who read.
_SET_LOCK_TIMEOUT: LiteralString = "SET LOCAL lock_timeout = '1s'"


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One table of a read model."""

    name: str
    number: int
    #: Of the fold that fills it.
    version: int
    status: Status
    position: int
    #: None: before the first event.
    cursor: Cursor | None

    @property
    def table(self) -> str:
        """The table's name within the schema."""
        return f"{self.name}_{self.number}"

    @property
    def place(self) -> tuple[str, int, int]:
        """What somebody else changes with every step: which table it is, and up to where it is."""
        return (self.name, self.number, self.position)


def table_of(build: Build) -> sql.Identifier:
    """Give a build's table as SQL."""
    return sql.Identifier(_SCHEMA, build.table)


async def load_builds(connection: Connection, status: Status, *, lock: bool = False) -> list[Build]:
    """List the builds of a status by name; with `lock`, nobody else moves them before the transaction has ended."""
    cursor = await connection.execute(_SELECT + " FOR UPDATE" if lock else _SELECT, (status,))
    return [
        Build(
            name=name,
            number=number,
            version=version,
            status=found,
            position=position,
            cursor=Cursor.parse(place) if place is not None else None,
        )
        for name, number, version, found, position, place in await cursor.fetchall()
    ]


async def advance(connection: Connection, status: Status, names: Iterable[str], cursor: Cursor) -> None:
    """Note that builds hold everything up to a place."""
    binds = {"status": status, "names": list(names), "position": cursor.position, "cursor": str(cursor)}
    await connection.execute(_ADVANCE, binds)


async def make_builds(connection: Connection, projections: Sequence[Projection]) -> list[Build]:
    """Make empty tables without keys, which are not read yet."""
    async with connection.transaction():
        for one in projections:
            await connection.execute(_INSERT, {"name": one.name, "version": one.version})
        names = {one.name: one for one in projections}
        builds = [build for build in await load_builds(connection, "building") if build.name in names]
        for build in builds:
            await connection.execute(_create(names[build.name], build))
            await _give_to_reader(connection, build)
    return builds


async def _give_to_reader(connection: Connection, build: Build) -> None:
    """Give a table to the owner of the view, with whose rights the view reads it."""
    view = sql.Identifier(_SCHEMA, build.name).as_string()
    row = await (await connection.execute(_OWNER, {"view": view})).fetchone()
    if row is not None:
        owner = sql.SQL("ALTER TABLE {} OWNER TO {}").format(table_of(build), sql.Identifier(str(row[0])))
        await connection.execute(owner)


def _create(projection: Projection, build: Build) -> sql.Composed:
    columns = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            # From our own models.
            sql.SQL(type_of(column)),
            sql.SQL("" if column.nullable else " NOT NULL"),
        )
        for column in projection.table.__table__.columns  # type: ignore[attr-defined]
    ]
    return sql.SQL("CREATE TABLE {} ({}) WITH (fillfactor = 70)").format(table_of(build), sql.SQL(", ").join(columns))


async def add_keys(connection: Connection, projection: Projection, build: Build) -> None:
    """Index a table that has been filled, and have the planner know it."""
    keys = sql.SQL(", ").join(map(sql.Identifier, projection.keys))
    await connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table_of(build), keys))
    async with connection.transaction():
        await connection.execute(_SET_SAMPLE)
        await connection.execute(sql.SQL("ANALYZE {}").format(table_of(build)))


async def flip(connection: Connection, projections: Mapping[str, Projection], old: Build | None, new: Build) -> None:
    """Have everybody read the new table of a read model from the end of the transaction on."""
    await connection.execute(_view(projections[new.name], new))
    if old is not None:
        await connection.execute(_DELETE, (old.name, old.number))
    await connection.execute(_SET_LIVE, (new.name, new.number))
    await connection.execute("DELETE FROM projection.set_aside WHERE name = %s", (new.name,))


def _view(projection: Projection, build: Build) -> sql.Composed:
    columns: list[sql.Composable] = [sql.Identifier(name) for name in projection.columns]
    columns += [
        sql.SQL("{} AS {}").format(sql.SQL(expression), sql.Identifier(name))
        for name, expression in projection.computed.items()
    ]
    return sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}").format(
        sql.Identifier(_SCHEMA, projection.name), sql.SQL(", ").join(columns), table_of(build)
    )


async def remove_left_behind(connection: Connection) -> list[str]:
    """Remove tables that nobody reads any more and nobody makes; gives their names.

    One that somebody still reads is left for the next time. The caller holds `REBUILD_LOCK_KEY`.
    """
    await connection.execute("DELETE FROM projection.build WHERE status = 'building'")
    removed = []
    for (name,) in await (await connection.execute(_LEFT_BEHIND)).fetchall():
        with contextlib.suppress(errors.LockNotAvailable):
            async with connection.transaction():
                await connection.execute(_SET_LOCK_TIMEOUT)
                await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(_SCHEMA, str(name))))
            removed.append(str(name))
    return removed


async def wait_briefly_for_locks(connection: Connection) -> None:
    """Have the transaction give up (SQLSTATE 55P03) where somebody else holds what it needs for too long."""
    await connection.execute(_SET_LOCK_TIMEOUT)
