"""Servers as processes, lines to them that break, and the law that every one of these tests holds the service to."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.api.chaos.crew import Journal
from tests.api.chaos.processes import Nursery, Processes

_STORED = """
    SELECT message_id, position, count(*) OVER (PARTITION BY message_id)
    FROM ledger.event
    WHERE type IN ('started', 'progress', 'blocked', 'completed', 'failed')
"""
_TORN_STREAMS = """
    SELECT count(*)
    FROM (
        SELECT FROM ledger.event
        GROUP BY task_id, stream_id
        HAVING min(version) <> 1 OR max(version) <> count(*) OR count(DISTINCT version) <> count(*)
    ) AS torn
"""
_NOT_ACCEPTED_ONCE = """
    SELECT count(*)
    FROM (
        SELECT FROM ledger.event
        GROUP BY task_id, stream_id
        HAVING count(*) FILTER (WHERE type = 'subtask_planned') > 0
            AND count(*) FILTER (WHERE type = 'subtask_accepted') <> 1
    ) AS wrong
"""
# What is said under a lease is under the last one that was given.
_FENCES_PASSED = """
    SELECT count(*)
    FROM (
        SELECT
            type, lease_epoch,
            max(lease_epoch) FILTER (WHERE type = 'subtask_claimed')
                OVER (PARTITION BY stream_id ORDER BY version) AS present
        FROM ledger.event
    ) AS said
    WHERE type <> 'late_reported' AND lease_epoch IS DISTINCT FROM present AND lease_epoch IS NOT NULL
"""
_EPOCHS_GIVEN_TWICE = """
    SELECT count(*) - count(DISTINCT (stream_id, lease_epoch)) FROM ledger.event WHERE type = 'subtask_claimed'
"""
_EXPIRED = "SELECT count(*) FROM ledger.event WHERE type = 'lease_expired'"

Figures = dict[str, int]


def count(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    return int(row[0])


@pytest.fixture
def reckon(record_property: Callable[[str, object], None]) -> Callable[..., Figures]:
    """Hold what is stored against what workers know: `reckon(url, journal)` gives what is wrong, by name.

    All is well where it is empty.
    """

    def hold(url: str, journal: Journal, *, all_done: bool = True) -> Figures:
        with psycopg.connect(url) as connection:
            rows = connection.execute(_STORED).fetchall()
            places = {message: position for message, position, _ in rows}
            figures = {
                "acknowledged and missing": len(journal.acknowledged.keys() - places.keys()),
                "at another position": sum(
                    places.get(message, position) != position for message, position in journal.acknowledged.items()
                ),
                "stored twice": sum(times > 1 for _, _, times in rows),
                "never sent": len(places.keys() - journal.sent),
                "streams with gaps": count(connection, _TORN_STREAMS),
                "said under another lease": count(connection, _FENCES_PASSED),
                "epochs given twice": count(connection, _EPOCHS_GIVEN_TWICE),
                "accepted more than once": sum(len(commits) > 1 for commits in journal.accepted.values()),
                "leases reaped": count(connection, _EXPIRED),
            }
            if all_done:
                figures["subtasks not accepted once"] = count(connection, _NOT_ACCEPTED_ONCE)
        print(f"{len(journal.acknowledged)} of {len(journal.sent)} messages acknowledged, {len(places)} stored")
        record_property("messages", len(places))
        return {what: number for what, number in figures.items() if number}

    return hold


@pytest.fixture
def until_passed(database_url: str) -> Callable[[float], Awaitable[None]]:
    """Wait until so many seconds have passed by the database's clock."""

    async def wait(seconds: float) -> None:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute("SELECT pg_sleep(%s)", [seconds])

    return wait


@pytest.fixture
def expired(database_url: str) -> Callable[[], set[str]]:
    """The workers whose leases were ended."""

    def look() -> set[str]:
        with psycopg.connect(database_url) as connection:
            rows = connection.execute("SELECT worker_id FROM ledger.event WHERE type = 'lease_expired'").fetchall()
        return {name for (name,) in rows}

    return look


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Forks `pw`."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
async def processes(nursery: Nursery, database_url: str) -> AsyncIterator[Processes]:
    """Starts `pw` on the test's database: `await processes.serve()`."""
    # A short name: a socket's path is 100 bytes at most.
    with tempfile.TemporaryDirectory(prefix="pw-chaos-") as folder:
        started = Processes(nursery, Path(folder), database_url)
        yield started
        await started.close()
