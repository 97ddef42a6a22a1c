"""Fifty clients want one subtask, over real connections to two servers: one gets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import psycopg
import pytest

from api.client.address import Address
from api.client.client import Client
from api.schemas import Lease
from tests.api.chaos.crew import Worker, submit
from tests.api.chaos.processes import Processes

CLIENTS = 50
ROUNDS = 6

_CLAIMED = "SELECT worker_id FROM ledger.event WHERE type = 'subtask_claimed' ORDER BY position"


@pytest.fixture
async def clients(processes: Processes) -> AsyncIterator[list[Client]]:
    """Fifty clients with lines of their own, every other one at another server."""
    servers = await asyncio.gather(processes.serve_tcp("a"), processes.serve_tcp("b"))
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Client.open(Address.of(servers[number % 2][1])))
            for number in range(CLIENTS)
        ]


async def test_of_fifty_clients_that_ask_at_one_moment_one_gets_the_subtask(
    clients: list[Client], database_url: str
) -> None:
    winners: list[str] = []
    for number in range(ROUNDS):
        task = await submit(clients[0], files=1)
        workers = [Worker(lambda client=client: client, f"w{place}") for place, client in enumerate(clients)]  # type: ignore[misc]
        barrier = asyncio.Barrier(CLIENTS)

        async def ask(worker: Worker, task_id: str = task.id, barrier: asyncio.Barrier = barrier) -> bool:
            # By then its line is open, and its server knows the task.
            await worker.look(task_id)
            await barrier.wait()
            return await worker.claim(task_id=task_id) is not None

        got = await asyncio.gather(*map(ask, workers))
        winners += [worker.name for worker, has in zip(workers, got, strict=True) if has]
        assert len(winners) == number + 1

    with psycopg.connect(database_url) as connection:
        claimed = [name for (name,) in connection.execute(_CLAIMED)]
    print("winners:", *winners)
    assert claimed == winners


async def test_of_fifty_that_wait_at_two_servers_each_subtask_wakes_one(
    clients: list[Client], database_url: str
) -> None:
    workers = [Worker(lambda client=client: client, f"w{place}") for place, client in enumerate(clients)]  # type: ignore[misc]
    waiting = {asyncio.create_task(worker.claim(wait_seconds=300.0)) for worker in workers}
    leases: list[Lease] = []
    for number in range(ROUNDS):
        task = await submit(clients[number % 2], files=1)
        woken, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        leases += [lease for lease in (claim.result() for claim in woken) if lease is not None]
        assert [lease.task_id for lease in leases[number:]] == [task.id]
    for claim in waiting:
        claim.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    with psycopg.connect(database_url) as connection:
        claimed = [name for (name,) in connection.execute(_CLAIMED)]
    assert claimed == [lease.worker_id for lease in leases]
