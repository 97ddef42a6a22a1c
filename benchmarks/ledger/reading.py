"""The feed: how fast it catches up, and how far it is behind an append."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

from workload import events, percentile

from eventstore.doorbell import Doorbell
from eventstore.feed import Cursor, Feed
from eventstore.ledger import Ledger


async def catch_up(url: str, after: Cursor | None = None, *, limit: int | None = None) -> tuple[int, float]:
    """Read from a place to the end, or `limit` events; gives events and seconds."""
    read = 0
    started = time.perf_counter()
    async with aclosing(Feed(url).batches(after, follow=False)) as batches:
        async for batch in batches:
            read += len(batch.events)
            if limit is not None and read >= limit:
                break
    return read, time.perf_counter() - started


async def delays_ms(url: str, ledger: Ledger, count: int = 300) -> tuple[float, float]:
    """Append events one by one; p50 and p99 from the receipt to the event's arrival at a reader, in milliseconds.

    An arrival before the receipt counts as 0.
    """
    made = events(count, streams=1)
    arrived: dict[object, float] = {}
    something_came = asyncio.Event()
    position = await _last_place(url)

    async with Doorbell(url) as bell, aclosing(Feed(url, bell).batches(position)) as batches:

        async def read() -> None:
            async for batch in batches:
                now = time.perf_counter()
                arrived.update((record.event.message_id, now) for record in batch.events)
                something_came.set()
                if made[-1].message_id in arrived:
                    return

        reader = asyncio.create_task(read())
        stored: dict[object, float] = {}
        for event in made:
            await ledger.append([event])
            stored[event.message_id] = time.perf_counter()
            while event.message_id not in arrived:
                something_came.clear()
                await something_came.wait()
        await reader
    waits = [max(0.0, arrived[message] - at) * 1000 for message, at in stored.items()]
    return percentile(waits, 0.5), percentile(waits, 0.99)


async def _last_place(url: str) -> Cursor | None:
    cursor = None
    async with aclosing(Feed(url).batches(follow=False)) as batches:
        async for batch in batches:
            cursor = batch.cursor
    return cursor
