"""Postgres is killed under load and comes back: what was acknowledged is there once, and nobody loses anything."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.client.address import Address
from api.client.client import Client
from api.schemas import ProgressMessage
from tests.api.chaos.crew import Journal, Worker, submit
from tests.api.chaos.line import open_line
from tests.api.chaos.processes import FOREVER, Nursery, Processes
from tests.eventstore.chaos.test_postgres_killed import Server

Figures = dict[str, int]

WORKERS = 6
SUBTASKS = 24
LEASE_SECONDS = 3.0


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """A folder with a cluster; the server's account can enter it."""
    folder = Path(tempfile.mkdtemp(prefix="pw-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def database(used_folder: Path) -> Iterator[Server]:
    """A Postgres that may be killed."""
    with ExitStack() as uses:
        yield Server(used_folder, uses, f"service_{uuid4().hex}")


@pytest.fixture
async def processes(nursery: Nursery, database: Server) -> AsyncIterator[Processes]:
    with tempfile.TemporaryDirectory(prefix="pw-chaos-") as folder:
        started = Processes(nursery, Path(folder), database.url)
        yield started
        await started.close()


@pytest.mark.parametrize("seed", [1], ids="seed={}".format)
async def test_a_killed_database_costs_no_message_and_no_lease(
    processes: Processes, database: Server, reckon: Callable[..., Figures], seed: int
) -> None:
    chance = random.Random(seed)
    journal = Journal()
    await processes.serve()
    async with AsyncExitStack() as stack:
        line, quiet = [await stack.enter_async_context(open_line(processes.socket())) for _ in range(2)]
        client, other = [
            await stack.enter_async_context(Client.open(Address.of(between.url))) for between in (line, quiet)
        ]
        task = await submit(client, files=SUBTASKS)
        patient = Worker(lambda: other, "patient")
        waiting = asyncio.create_task(patient.claim(repository="/later", wait_seconds=300.0))
        crew = [Worker(lambda: client, f"w{number}", journal) for number in range(WORKERS)]
        working = asyncio.gather(*(worker.work(task.id) for worker in crew))
        for _ in range(2):
            await journal.until_acknowledged(chance.randint(1, 40))
            await asyncio.to_thread(database.kill)
            await asyncio.to_thread(database.start)
        await working
        assert (await client.task(task.id)).status == "completed"
        assert not waiting.done()
        later = await submit(client, files=1, repository="/later")
        lease = await waiting

    print(f"seed {seed}: answers by status: {dict(line.statuses)}")
    assert lease is not None
    assert lease.task_id == later.id
    assert quiet.statuses == {200: 1}
    assert {*line.statuses} <= {200, 201, 204, 503}
    assert journal.acknowledged.keys() == journal.sent
    assert dict(reckon(database.url, journal, all_done=False).items()) == {}


async def test_while_the_database_is_away_nothing_is_acknowledged_and_no_lease_runs_out(
    processes: Processes, database: Server
) -> None:
    for name in ("a", "b"):
        await processes.serve(name, lease_seconds=LEASE_SECONDS)
        # The first one leads, and ends leases.
        await processes.until_metric("a", "pw_leader", 1.0)
    async with AsyncExitStack() as stack:
        at_leader, at_other = [
            await stack.enter_async_context(Client.open(Address.of(f"unix:{processes.socket(name)}")))
            for name in ("a", "b")
        ]
        await submit(at_leader, files=2)
        alive, silent = Worker(lambda: at_other, "alive"), Worker(lambda: at_leader, "silent")
        for worker in (alive, silent):
            assert await worker.claim(wait_seconds=FOREVER) is not None
            await worker.start()
        message = alive.message(ProgressMessage, completed=1, total=2)

        await asyncio.to_thread(database.kill)
        saying = asyncio.create_task(alive.say(message))
        loop = asyncio.get_running_loop()
        back_at = loop.time() + 2 * LEASE_SECONDS
        while loop.time() < back_at:
            refused = await register_at(processes, "newcomer")
        assert not saying.done()
        await asyncio.to_thread(database.start)
        [receipt] = await saying
        await alive.beat_until(lambda: ended(database.url) == {"silent"})

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["type"] == "urn:problem-type:parallel-workers/ledger"
    assert receipt.status in ("created", "duplicate")
    with psycopg.connect(database.url) as connection:
        stored = connection.execute(
            "SELECT position FROM ledger.event WHERE message_id = %s", [message.message_id]
        ).fetchall()
    assert stored == [(receipt.position,)]


async def register_at(processes: Processes, name: str) -> httpx.Response:
    """Ask for something that needs the database, once."""
    transport = httpx.AsyncHTTPTransport(uds=str(processes.socket("a")))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=FOREVER) as http:
        return await http.post("/v1/workers", json={"worker_id": name})


def ended(url: str) -> set[str]:
    """The workers whose leases were ended."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT worker_id FROM ledger.event WHERE type = 'lease_expired'").fetchall()
    return {name for (name,) in rows}
