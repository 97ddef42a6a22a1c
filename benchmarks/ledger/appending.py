"""Our appends: batches by one caller, and many callers with one event each."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

from workload import events, percentile

from domain.events import Event
from eventstore.ledger import Ledger


@dataclass(frozen=True)
class Callers:
    """What so many callers got, each of whom sends one event and waits for its receipt before the next."""

    events_per_second: float
    p50_ms: float
    p99_ms: float


async def append_seconds(ledger: Ledger, batches: Sequence[Sequence[Event]]) -> float:
    """Store batches one after the other."""
    started = time.perf_counter()
    for batch in batches:
        await ledger.append(batch)
    return time.perf_counter() - started


async def callers(ledger: Ledger, count: int, each: int) -> Callers:
    """Let `count` callers send `each` events, every caller those of one worker."""
    made = events(count * each, streams=count)
    waits: list[float] = []

    async def one(number: int) -> None:
        for event in made[number::count]:
            sent = time.perf_counter()
            await ledger.append([event])
            waits.append(time.perf_counter() - sent)

    started = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    seconds = time.perf_counter() - started
    return Callers(len(made) / seconds, percentile(waits, 0.5) * 1000, percentile(waits, 0.99) * 1000)


def processes(url: str, count: int, callers_each: int, each: int) -> float:
    """Let processes of `callers_each` callers append at the same time; events per second of all together."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count + 1)
    workers = [context.Process(target=_process, args=(url, callers_each, each, barrier)) for _ in range(count)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started
    if failed := [worker.exitcode for worker in workers if worker.exitcode]:
        raise RuntimeError(f"a process ended with {failed[0]}")
    return count * callers_each * each / seconds


def _process(url: str, count: int, each: int, barrier: Barrier) -> None:
    async def run() -> None:
        async with Ledger.open(url) as ledger:
            await callers(ledger, count, 2)
            barrier.wait()
            await callers(ledger, count, each)

    asyncio.run(run())
