"""Checks of the database: that it answers, is new enough and up to date, and that its clock agrees with ours."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import psycopg
from psycopg.rows import TupleRow

from api.doctor.finding import Finding
from domain.errors import LedgerError
from eventstore.clock import Clock
from eventstore.postgres.database import check_version, connection_problem, redacted_url
from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.folders import data_folder
from eventstore.postgres.migrations import pending_migrations

_CONNECT_SECONDS_MAX = 5

#: Times of senders and of the database are compared; seconds make no difference.
_CLOCK_SECONDS_MAX = 30.0


def check_database(url: str | None, clock: Clock) -> list[Finding]:
    """Look at the database at `url`, or start the embedded one; nothing in it is changed."""
    try:
        shown = redacted_url(url) if url else "embedded"
        with _server(url) as given:
            return _look(given, shown, clock)
    except LedgerError as error:
        return [Finding(name="Postgres", status="failed", detail=str(error))]


def _server(url: str | None) -> AbstractContextManager[str]:
    return nullcontext(url) if url else embedded_server(data_folder())


def _look(url: str, shown: str, clock: Clock) -> list[Finding]:
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS_MAX) as connection:
            check_version(connection.info.server_version, shown)
            version = f"{connection.info.server_version // 10_000}.{connection.info.server_version % 10_000}"
            postgres = Finding(name="Postgres", status="ok", detail=f"{version}, {shown}")
            return [postgres, _migrations(connection), _clock(connection, clock)]
    except psycopg.Error as error:
        detail = f"cannot reach the database at {shown}: {connection_problem(error)}"
        return [Finding(name="Postgres", status="failed", detail=detail)]


def _migrations(connection: psycopg.Connection[TupleRow]) -> Finding:
    try:
        pending = sorted(pending_migrations(connection))
    except psycopg.errors.InsufficientPrivilege:
        detail = "this login may not read which are there: give it one of the roles of docs/ledger.md"
        return Finding(name="migrations", status="failed", detail=detail)
    if pending:
        detail = f"{', '.join(pending)} will be applied by the next command, or by pw migrate"
        return Finding(name="migrations", status="warning", detail=detail)
    return Finding(name="migrations", status="ok", detail="all applied")


def _clock(connection: psycopg.Connection[TupleRow], clock: Clock) -> Finding:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    seconds = abs((clock.now() - row[0]).total_seconds()) if row else 0.0
    if seconds > _CLOCK_SECONDS_MAX:
        detail = f"this machine and the database are {seconds:.0f} seconds apart"
        return Finding(name="clock", status="warning", detail=detail)
    return Finding(name="clock", status="ok", detail="agrees with the database")
