"""(d) Five hundred readers of the event stream: what each gets, and how late."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import NamedTuple

from connection import Connection
from figures import percentile
from messages import prepare
from work import progress

_ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)
#: Of so many readers one is asked when each event came; the others only count.
_TIMED_OF = 25
_SENT_PER_SECOND = 200


class Streams(NamedTuple):
    """What readers get of what was sent, behind the moment at which it was sent."""

    events: int
    missing: int
    twice: int
    p50_ms: float
    p99_ms: float


async def measure(port: int, readers: int, events: int) -> Streams:
    """Let readers read while messages are sent at an even pace."""
    held = await prepare(port, 4)
    sent: dict[int, float] = {}
    seen: list[list[tuple[int, float]]] = [[] for _ in range(readers)]
    connected = asyncio.Semaphore(0)

    async def read(number: int) -> None:
        line = await Connection.open(port)
        first = True
        async for data in line.stream("/v1/events?type=progress"):
            now = time.perf_counter()
            if first:
                connected.release()
                first = False
            seen[number] += [(int(position), now) for position in _ID.findall(data)]
        line.close()

    tasks = [asyncio.create_task(read(number)) for number in range(readers)]
    for _ in range(readers):
        await connected.acquire()
    began = time.perf_counter()
    for done in range(events):
        line, lease = held[done % len(held)]
        at = time.perf_counter()
        _, answer = await line.request("POST", "/v1/messages", progress(lease, done))
        sent[json.loads(answer)["receipts"][0]["position"]] = at
        await asyncio.sleep(max(began + (done + 1) / _SENT_PER_SECOND - time.perf_counter(), 0.0))
    async with asyncio.timeout(60):
        # What is waited for comes from a thousand other tasks: looking now and then costs them least.
        while any(len(own) < events for own in seen):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    missing = sum(len(sent.keys() - {position for position, _ in own}) for own in seen)
    twice = sum(len(own) - len({position for position, _ in own}) for own in seen)
    delays = [at - sent[position] for own in seen[::_TIMED_OF] for position, at in own if position in sent]
    return Streams(events * readers, missing, twice, percentile(delays, 0.5), percentile(delays, 0.99))
