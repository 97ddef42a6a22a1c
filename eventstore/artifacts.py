"""Raw tool output, kept whole beside the events that refer to it by hash."""

from __future__ import annotations

import gzip
import hashlib
import zlib

import psycopg
from psycopg.rows import TupleRow

from domain.errors import LedgerError
from domain.ids import TaskId
from eventstore.postgres.connection import unreachable

_STORE = """
    INSERT INTO ledger.artifact (task_id, sha256, encoding, size_bytes, content)
    VALUES (%s, %s, 'gzip', %s, %s)
    ON CONFLICT (task_id, sha256) DO NOTHING
"""
_FETCH = "SELECT content FROM ledger.artifact WHERE task_id = %s AND sha256 = %s"


class ArtifactStore:
    """The artifacts of the ledger, over a connection of its own or one that is shared in turn."""

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def store(self, task_id: TaskId, data: bytes) -> str:
        """Keep the bytes and give their SHA-256 as hexadecimal digits; storing them again changes nothing."""
        digest = hashlib.sha256(data)
        # mtime 0: the same bytes compress to the same bytes.
        packed = gzip.compress(data, compresslevel=6, mtime=0)
        try:
            await self._connection.execute(_STORE, (task_id, digest.digest(), len(data), packed))
        except psycopg.Error as error:
            raise unreachable(error) from error
        return digest.hexdigest()

    async def fetch(self, task_id: TaskId, sha256: str) -> bytes:
        """Give the bytes back; raises `LedgerError` where they are missing or are not what was stored."""
        try:
            cursor = await self._connection.execute(_FETCH, (task_id, bytes.fromhex(sha256)))
            row = await cursor.fetchone()
        except psycopg.Error as error:
            raise unreachable(error) from error
        if row is None:
            raise LedgerError(f"the ledger holds no artifact {sha256[:12]} of {task_id}")
        try:
            data = gzip.decompress(row[0])
        except (OSError, EOFError, zlib.error) as error:
            raise LedgerError(f"artifact {sha256[:12]} of {task_id} is damaged: {error}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise LedgerError(f"artifact {sha256[:12]} of {task_id} is damaged")
        return data
