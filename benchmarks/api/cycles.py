"""(c) Whole cycles by 64 agents: claim, start, progress, complete; beside job queues that do a job each."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
from connection import Connection
from psycopg.conninfo import conninfo_to_dict
from work import claim, message, say, submit

AGENTS = 64


async def ours(port: int, jobs: int) -> float:
    """Give cycles a second; each message is a request of its own, as an agent's are."""
    first = await Connection.open(port)
    await submit(first, jobs)
    lines = [await Connection.open(port) for _ in range(AGENTS)]
    done = 0

    async def agent(number: int) -> None:
        nonlocal done
        while (lease := await claim(lines[number], f"agent-{number}")) is not None:
            await say(lines[number], message(lease, "started"))
            await say(lines[number], message(lease, "progress", completed=1, total=2, status="half"))
            await say(lines[number], message(lease, "completed", summary="done"))
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(agent(number) for number in range(AGENTS)))
    seconds = time.perf_counter() - started
    for line in (first, *lines):
        line.close()
    return done / seconds


async def of_procrastinate(url: str, jobs: int) -> float:
    """Give jobs a second, enqueued beforehand, done by a worker with as many at once."""
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, max_size=10))

    @app.task(name="job")
    async def job(number: int) -> None:
        del number

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await job.batch_defer_async(*({"number": number} for number in range(jobs)))
        started = time.perf_counter()
        await app.run_worker_async(concurrency=AGENTS, wait=False, install_signal_handlers=False, listen_notify=False)
        return jobs / (time.perf_counter() - started)


async def of_pgqueuer(url: str, jobs: int) -> float:
    """Give jobs a second, enqueued beforehand, done in batches of as many."""
    from pgqueuer import PgQueuer
    from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
    from pgqueuer.types import QueueExecutionMode

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        queuer = PgQueuer(PsycopgDriver(connection))
        await queuer.qm.queries.install()

        @queuer.entrypoint("job")
        async def job(_: Any) -> None:
            return

        await queuer.qm.queries.enqueue(["job"] * jobs, [None] * jobs, [0] * jobs)
        started = time.perf_counter()
        await queuer.qm.run(batch_size=AGENTS, mode=QueueExecutionMode.drain)
        return jobs / (time.perf_counter() - started)


def url_of_new_database(url: str, name: str) -> str:
    """Make an empty database on the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    parameters = {**conninfo_to_dict(url), "dbname": name}
    return " ".join(f"{key}={value}" for key, value in parameters.items())
