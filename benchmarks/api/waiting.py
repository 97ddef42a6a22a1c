"""(b) A thousand idle agents: what they cost, and how soon one of them has a subtask that becomes ready."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

import psutil
import psycopg
from connection import Connection
from figures import percentile
from work import claim, submit

_WATCHED_SECONDS = 20.0
_SETTLING_SECONDS = 15.0
_WAIT_SECONDS = 300.0

_STATEMENTS = """
    SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database WHERE datname = current_database()
"""


class Idle(NamedTuple):
    """What waiting costs, and what it takes to get work."""

    statements_per_second: float
    #: Of one processor.
    cpu_share: float
    p50_ms: float
    p99_ms: float
    echo_p50_ms: float
    echo_p99_ms: float


async def measure(port: int, url: str, server: psutil.Process, agents: int, rounds: int) -> Idle:
    """Let agents wait, look at what that costs, and hand one subtask from each to the next."""
    lines = [await Connection.open(port) for _ in range(agents)]
    echo = await Connection.open(port)
    arrivals: asyncio.Queue[tuple[int, float, dict[str, Any]]] = asyncio.Queue()

    async def wait(number: int) -> None:
        # The last wait ends with the task, which is cancelled.
        while True:
            lease = await claim(lines[number], f"idle-{number}", _WAIT_SECONDS)
            if lease is not None:
                arrivals.put_nowait((number, time.perf_counter(), lease))
                await released[number].wait()
                released[number].clear()

    released = [asyncio.Event() for _ in range(agents)]
    waiting = [asyncio.create_task(wait(number)) for number in range(agents)]
    # Postgres counts late: what it took to come is to be counted before.
    await asyncio.sleep(_SETTLING_SECONDS)
    statements, cpu = await _cost_of_waiting(url, server)
    await submit(echo, 1)
    took, echoes = [], []
    for _ in range(rounds):
        number, _, lease = await arrivals.get()
        body = {"worker_id": lease["worker_id"], "lease_epoch": lease["lease_epoch"], "reason": "next"}
        # The holder hands it back, which makes it ready for the others.
        sent = time.perf_counter()
        await lines[number].call("POST", f"/v1/subtasks/{lease['subtask_id']}/release", body)
        held = await arrivals.get()
        took.append(held[1] - sent)
        arrivals.put_nowait(held)
        released[number].set()
        sent = time.perf_counter()
        await echo.request("GET", "/healthz")
        echoes.append(time.perf_counter() - sent)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for line in (*lines, echo):
        line.close()
    return Idle(
        statements,
        cpu,
        percentile(took, 0.5),
        percentile(took, 0.99),
        percentile(echoes, 0.5),
        percentile(echoes, 0.99),
    )


async def _cost_of_waiting(url: str, server: psutil.Process) -> tuple[float, float]:
    """Give transactions a second, each of which is one statement here, and the server's share of a processor."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        before, began = await _count(connection), time.perf_counter()
        used = sum(server.cpu_times()[:2])
        await asyncio.sleep(_WATCHED_SECONDS)
        seconds = time.perf_counter() - began
        # Our own look is one of them.
        statements = (await _count(connection) - before - 1) / seconds
        return statements, (sum(server.cpu_times()[:2]) - used) / seconds


async def _count(connection: psycopg.AsyncConnection[Any]) -> int:
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    row = await (await connection.execute(_STATEMENTS)).fetchone()
    return int(row[0]) if row else 0
