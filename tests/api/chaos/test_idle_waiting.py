"""A thousand agents that wait for work cost the database next to nothing."""

from __future__ import annotations

import asyncio
import json

import psycopg

from tests.api.chaos.processes import Processes

AGENTS = 1000
SECONDS = 5
STATEMENTS_PER_SECOND_MAX = 5

# Statements are transactions here: nothing that waits has a longer one.
_STATEMENTS = """
    SELECT xact_commit + xact_rollback, extract(epoch FROM clock_timestamp())::float8
    FROM pg_stat_database
    WHERE datname = current_database()
"""
# Postgres counts late: by then it has counted all that came before the agents waited.
_COUNTED = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relid = 'service.worker'::regclass"


async def wait_for_work(processes: Processes, number: int) -> asyncio.StreamWriter:
    """Ask for work with a line of its own, and leave the answer unread."""
    body = json.dumps({"worker_id": f"w{number}", "wait_seconds": 300}).encode()
    _, writer = await asyncio.open_unix_connection(processes.socket())
    head = f"POST /v1/claims HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return writer


async def count(observer: psycopg.AsyncConnection) -> tuple[int, float]:
    """Give the statements so far, and the time by the database's clock in seconds."""
    row = await (await observer.execute(_STATEMENTS)).fetchone()
    assert row is not None
    return row[0], row[1]


async def test_a_thousand_waiting_claims_cost_fewer_than_five_statements_a_second(processes: Processes) -> None:
    await processes.serve(PW_READ_MODELS="true")
    writers = [await wait_for_work(processes, number) for number in range(AGENTS)]
    await processes.until_metric("a", "pw_claims_waiting", float(AGENTS))
    async with await psycopg.AsyncConnection.connect(processes.url, autocommit=True) as observer:
        while await (await observer.execute(_COUNTED)).fetchone() != (AGENTS,):  # noqa: ASYNC110 - a fact of another process
            await asyncio.sleep(0.1)
        # What the server did at its start, and what it did for those who came, is still being counted.
        await observer.execute("SELECT pg_sleep(%s)", [2 * SECONDS])
        before, began = await count(observer)
        await observer.execute("SELECT pg_sleep(%s)", [SECONDS])
        after, ended = await count(observer)
    for writer in writers:
        writer.close()
    print(f"{after - before} statements in {ended - began:.2f} s with {AGENTS} agents waiting")
    assert after - before < STATEMENTS_PER_SECOND_MAX * (ended - began)
