"""The keys that there are, in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, LiteralString, Self

import msgspec
import psycopg
from psycopg.rows import TupleRow

from api.auth.principal import Role
from api.auth.tokens import Token
from domain.errors import UsageError
from eventstore.clock import Clock
from eventstore.postgres.connection import Connection, connect, unreachable

_COLUMNS: LiteralString = "key_id, name, role, created_at, expires_at, revoked_at"
_INSERT: LiteralString = """
    INSERT INTO service.api_key (key_id, name, role, secret_hash, created_at, expires_at)
    VALUES (%s, %s, %s, %s, %s, %s)
"""
_LIST: LiteralString = f"SELECT {_COLUMNS}, secret_hash FROM service.api_key ORDER BY created_at, key_id"  # noqa: S608
_REVOKE: LiteralString = f"""
    UPDATE service.api_key SET revoked_at = coalesce(revoked_at, %s) WHERE key_id = %s RETURNING {_COLUMNS}
"""  # noqa: S608


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without its secret."""

    key_id: str
    name: str
    role: Role
    created_at: datetime
    #: None: never.
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Tell whether it opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Keys:
    """The table of keys, over a connection of its own that is opened again where it was lost.

    All methods raise `LedgerError` where the database cannot be reached.
    """

    def __init__(self, url: str, clock: Clock, connection: Connection) -> None:
        self._url = url
        self._clock = clock
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, clock: Clock) -> AsyncIterator[Self]:
        """Connect."""
        try:
            connection = await connect(url, "keys")
        except psycopg.Error as error:
            raise unreachable(error) from error
        keys = cls(url, clock, connection)
        try:
            yield keys
        finally:
            await keys._connection.close()

    async def create(self, name: str, role: Role, *, expires_at: datetime | None = None) -> tuple[Key, Token]:
        """Make a key; the token is not stored and cannot be given again."""
        token = Token.new(self._clock)
        now = self._clock.now()
        await self._execute(_INSERT, (token.key_id, name, role, token.hashed(), now, expires_at))
        key = Key(key_id=token.key_id, name=name, role=role, created_at=now, expires_at=expires_at, revoked_at=None)
        return key, token

    async def list_all(self) -> list[Key]:
        """List all keys, also those that are no good any more, oldest first."""
        return [key for key, _ in await self.hashes()]

    async def hashes(self) -> list[tuple[Key, bytes]]:
        """List all keys with the SHA-256 of their secrets."""
        return [(_key(row), row[-1]) for row in await self._execute(_LIST, ())]

    async def revoke(self, key_id: str) -> Key:
        """End a key for good; raises `UsageError` where there is none of that id."""
        rows = await self._execute(_REVOKE, (self._clock.now(), key_id))
        if not rows:
            raise UsageError(f"there is no key {key_id!r}")
        return _key(rows[0])

    async def _execute(self, query: LiteralString, parameters: Sequence[Any]) -> list[TupleRow]:
        try:
            try:
                return await self._ask(query, parameters)
            except psycopg.OperationalError:
                if not self._connection.closed:
                    raise
                self._connection = await connect(self._url, "keys")
                return await self._ask(query, parameters)
        except psycopg.Error as error:
            raise unreachable(error) from error

    async def _ask(self, query: LiteralString, parameters: Sequence[Any]) -> list[TupleRow]:
        cursor = await self._connection.execute(query, parameters)
        return await cursor.fetchall() if cursor.description else []


def _key(row: TupleRow) -> Key:
    key_id, name, role, created_at, expires_at, revoked_at = row[:6]
    return Key(
        key_id=key_id, name=name, role=role, created_at=created_at, expires_at=expires_at, revoked_at=revoked_at
    )
