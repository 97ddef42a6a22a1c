"""(a) Messages: single ones by many clients, beside the same route without the ledger; and batches."""

from __future__ import annotations

import asyncio
import json
import time

from connection import Connection
from figures import Figures, percentile
from work import Leased, claim, message, progress, say, submit

_BATCH = 100


async def prepare(port: int, clients: int) -> list[tuple[Connection, Leased]]:
    """Open lines, each with a lease that has begun."""
    first = await Connection.open(port)
    await submit(first, clients)
    held = []
    for number in range(clients):
        line = await Connection.open(port)
        lease = await claim(line, f"w{number}", 5.0)
        assert lease is not None
        held.append((line, lease))
    await asyncio.gather(*(say(line, message(lease, "started")) for line, lease in held))
    first.close()
    return held


async def single(held: list[tuple[Connection, Leased]], each: int) -> Figures:
    """Let each client send its messages one after the other."""
    waits: list[float] = []

    async def one(line: Connection, lease: Leased) -> None:
        for done in range(each):
            body = progress(lease, done)
            sent = time.perf_counter()
            status, answer = await line.request("POST", "/v1/messages", body)
            waits.append(time.perf_counter() - sent)
            if status not in {200, 201}:
                raise RuntimeError(f"{status} {answer[:300]!r}")

    started = time.perf_counter()
    await asyncio.gather(*(one(line, lease) for line, lease in held))
    seconds = time.perf_counter() - started
    return Figures(per_second=len(waits) / seconds, p50_ms=percentile(waits, 0.5), p99_ms=percentile(waits, 0.99))


async def batches(held: list[tuple[Connection, Leased]], each: int) -> Figures:
    """Let each client send its messages a hundred at a time."""
    waits: list[float] = []

    async def one(line: Connection, lease: Leased) -> None:
        for _ in range(each):
            body = json.dumps([json.loads(progress(lease, done)) for done in range(_BATCH)]).encode()
            sent = time.perf_counter()
            status, answer = await line.request("POST", "/v1/messages", body)
            waits.append(time.perf_counter() - sent)
            if status != 200 or b"rejected" in answer:
                raise RuntimeError(f"{status} {answer[:300]!r}")

    started = time.perf_counter()
    await asyncio.gather(*(one(line, lease) for line, lease in held))
    seconds = time.perf_counter() - started
    return Figures(
        per_second=_BATCH * len(waits) / seconds, p50_ms=percentile(waits, 0.5), p99_ms=percentile(waits, 0.99)
    )
