"""A service under load that keeps a journal, for tests that kill it.

    service.py URL FIRST [END]

Each call stores two events: one in the task's own stream, which all calls share, and one in one of eight others.
The calls have numbers: first those that standard input lists (up to its end), then all from FIRST on, until END
or for ever. 64 callers make them at once. Standard output is the journal: `sent NUMBER` before a call is made,
`acknowledged NUMBER` once its receipts are there. The same number always means the same two events.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from domain.events import Event, Progress
from domain.ids import StreamId, TaskId
from eventstore.ledger import Ledger

CALLERS = 64
_TASK = TaskId("tree-1")
_MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def events_of(number: int) -> list[Event]:
    return [
        Event(
            task_id=_TASK,
            stream_id=StreamId(stream),
            message_id=UUID(int=2 * number + place),
            occurred_at=_MOMENT,
            body=Progress(completed=number, total=number),
        )
        for place, stream in enumerate([_TASK, f"{_TASK}.{number % 8}"])
    ]


def note(what: str, number: int) -> None:
    # In one piece: a kill must not leave half a line.
    print(f"{what} {number}\n", end="", flush=True)


async def call(ledger: Ledger, numbers: Iterator[int]) -> None:
    for number in numbers:
        note("sent", number)
        receipts = await ledger.append(events_of(number), timeout_seconds=60)
        kept = all(receipt.status in {"created", "duplicate"} for receipt in receipts)
        note("acknowledged" if kept else "refused", number)


async def main(url: str, numbers: Iterator[int]) -> None:
    async with Ledger.open(url) as ledger, asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(call(ledger, numbers))


if __name__ == "__main__":
    _, url, first, *end = sys.argv
    fresh = range(int(first), int(end[0])) if end else itertools.count(int(first))
    asyncio.run(main(url, itertools.chain(map(int, sys.stdin.read().split()), fresh)))
