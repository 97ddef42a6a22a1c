"""Connections to a ledger of the test's own, and events to put into it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.events import Event, EventBody, Progress
from domain.ids import StreamId, WorkerId, task_of
from eventstore.ledger import Ledger

Connection = psycopg.AsyncConnection[TupleRow]

_MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def new_event() -> Callable[..., Event]:
    """Make an event, each with a message id of its own unless one is given."""
    numbers = itertools.count(1)

    def make(
        stream: str = "tree-1.1",
        body: EventBody | None = None,
        *,
        message: UUID | None = None,
        worker: str | None = None,
        epoch: int | None = None,
        occurred_at: datetime = _MOMENT,
    ) -> Event:
        return Event(
            task_id=task_of(stream),
            stream_id=StreamId(stream),
            message_id=message or UUID(int=next(numbers)),
            occurred_at=occurred_at,
            body=body or Progress(completed=1, total=2),
            worker_id=WorkerId(worker) if worker is not None else None,
            lease_epoch=epoch,
        )

    return make


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Callable[[], Awaitable[Connection]]]:
    """Open one more connection to the test's database."""
    async with AsyncExitStack() as stack:

        async def open_one() -> Connection:
            connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
            return await stack.enter_async_context(connection)

        yield open_one


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    async with Ledger.open(database_url) as ledger:
        yield ledger


@pytest.fixture
async def until_blocked(
    connect: Callable[[], Awaitable[Connection]],
) -> Callable[[Connection], Awaitable[None]]:
    """Wait until the server says that a connection waits for a lock."""
    observer = await connect()
    query = "SELECT wait_event_type IS NOT DISTINCT FROM 'Lock' FROM pg_stat_activity WHERE pid = %s"

    async def wait(connection: Connection) -> None:
        async with asyncio.timeout(30):
            while await (await observer.execute(query, [connection.info.backend_pid])).fetchone() != (True,):
                pass

    return wait
