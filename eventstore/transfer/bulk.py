"""Connections that move many rows at once, and the form in which `COPY` takes and gives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from domain.errors import LedgerError
from eventstore.postgres.connection import first_line, unreachable

Connection = psycopg.Connection[TupleRow]

#: Neither of the two control characters is in any JSON text, so nothing of it is ever escaped.
COPY_FORM: LiteralString = "(FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')"

_CONNECT_SECONDS_MAX = 10
_SETTLE_ATTEMPTS = 5


@contextmanager
def bulk_connection(url: str, purpose: str) -> Iterator[Connection]:
    """Connect in autocommit and UTC, without a limit of time, shown by `pg_stat_activity` as `pw PURPOSE`.

    What the database raises inside the block leaves it as `LedgerError`, in one line.
    """
    try:
        connection = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS_MAX,
            application_name=f"pw {purpose}",
            client_encoding="UTF8",
        )
    except psycopg.Error as error:
        raise unreachable(error) from error
    try:
        with connection:
            connection.execute("SET TIME ZONE 'UTC'")
            connection.execute("SET statement_timeout = 0")
            yield connection
    except psycopg.Error as error:
        raise LedgerError(f"the {purpose} was cut off by the database: {first_line(error)}") from error


def settled_position(connection: Connection) -> int:
    """Give the position up to which nothing will change; 0 for an empty ledger.

    Raises `LedgerError` where appends leave no moment to learn it.
    """
    for _ in range(_SETTLE_ATTEMPTS):
        try:
            row = connection.execute("SELECT ledger.settled_position()").fetchone()
        except psycopg.errors.LockNotAvailable:
            continue
        return int(row[0]) if row is not None else 0
    raise LedgerError("an append has been under way all the time: try again")
