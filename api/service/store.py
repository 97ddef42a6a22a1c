"""The connection over which a process reads and writes what is no history (`service.*`), and reads single events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import LiteralString, Self

import psycopg
from psycopg.rows import TupleRow

from eventstore.postgres.connection import Connection, connect, unreachable


class Store:
    """One connection, used in turn; opened again where it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.rows("SELECT 1")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def rows(self, query: LiteralString, parameters: Mapping[str, object] | None = None) -> list[TupleRow]:
        """Run a statement and give its rows; raises `LedgerError` where the database is out of reach."""
        async with self._turn:
            try:
                try:
                    return await self._ask(query, parameters)
                except psycopg.OperationalError:
                    if self._connection is not None and not self._connection.closed:
                        raise
                    # The database was restarted, or the line was cut, since the last statement.
                    return await self._ask(query, parameters)
            except psycopg.Error as error:
                raise unreachable(error) from error

    async def one(self, query: LiteralString, parameters: Mapping[str, object] | None = None) -> TupleRow | None:
        """Run a statement and give its first row."""
        rows = await self.rows(query, parameters)
        return rows[0] if rows else None

    async def _ask(self, query: LiteralString, parameters: Mapping[str, object] | None) -> list[TupleRow]:
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._url, "service")
        cursor = await self._connection.execute(query, parameters)
        return await cursor.fetchall() if cursor.description else []
