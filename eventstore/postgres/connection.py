"""Connections to the ledger's database, all set up alike."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from domain.errors import LedgerError

Connection = psycopg.AsyncConnection[TupleRow]

_CONNECT_SECONDS_MAX = 10


async def connect(url: str, purpose: str) -> Connection:
    """Open a connection in autocommit, in UTC, that `pg_stat_activity` shows as `pw PURPOSE`.

    Raises `psycopg.OperationalError` where that fails.
    """
    connection = await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        connect_timeout=_CONNECT_SECONDS_MAX,
        application_name=f"pw {purpose}",
        # A line that has gone silent is given up after some twenty seconds, instead of the system's two hours.
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=2,
        tcp_user_timeout=20_000,
    )
    try:
        # Not an option of the connection: poolers refuse those they do not know.
        await connection.execute("SET TIME ZONE 'UTC'")
    except BaseException:
        await connection.close()
        raise
    return connection


def unreachable(error: psycopg.Error) -> LedgerError:
    """Say in one line that the database does not answer, or not as it should."""
    return LedgerError(f"the ledger cannot be reached: {first_line(error)}")


def first_line(error: BaseException) -> str:
    """Give an error's message without the lines of detail, or its name where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
