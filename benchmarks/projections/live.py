"""How far the read models are behind while events come at a given rate."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
import psycopg
import uuid6
from workload import Course

from api.jobs.follower_order import FollowerOrder
from domain.events import Event
from eventstore.ledger import Ledger
from projections.listing import Standing, standings
from projections.problem_tables import NAME

#: Events of one append: what a server's group commit has at this rate.
_BATCH = 100
_DECODE = msgspec.json.Decoder(Event)


class Lag(NamedTuple):
    """What was measured."""

    events_per_second: float
    p50_seconds: float
    p95_seconds: float
    #: From the last append to the moment at which all was there.
    rest_seconds: float


@contextmanager
def _followed(url: str) -> Iterator[None]:
    """Have a follower, as `pw serve` starts one, until the end of the block."""
    command = [sys.executable, "-P", "-m", "api.jobs.follower"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as follower:
        assert follower.stdin is not None
        follower.stdin.write(msgspec.json.encode(FollowerOrder(url=url, log_level="ERROR")) + b"\n")
        follower.stdin.flush()
        yield
        # It ends with its input.
        follower.stdin.close()


def lag(url: str, events_per_second: int, seconds: int) -> Lag:
    """Append at a rate, with the read models kept up to date by a process of their own."""
    with _followed(url):
        return asyncio.run(_append(url, events_per_second, seconds))


async def _append(url: str, events_per_second: int, seconds: int) -> Lag:
    batches = _batches(events_per_second * seconds)
    with psycopg.connect(url, autocommit=True) as connection:
        await _caught_up(connection)
        async with Ledger.open(url) as ledger:
            started, samples, sent = time.perf_counter(), [0.0], 0
            for batch in batches:
                await ledger.append(batch)
                sent += len(batch)
                if sent % 2500 < _BATCH:
                    samples.append(max(one.lag_seconds for one in _standings(connection)))
                await asyncio.sleep(max(sent / events_per_second - (time.perf_counter() - started), 0))
        took = time.perf_counter() - started
        rest = await _caught_up(connection)
    samples.sort()
    return Lag(sent / took, samples[len(samples) // 2], samples[int(len(samples) * 0.95)], rest)


def _standings(connection: psycopg.Connection) -> Iterator[Standing]:
    """Leave out the problems, which are looked for every few seconds, and of which these events have none."""
    return (one for one in standings(connection) if one.name != NAME)


async def _caught_up(connection: psycopg.Connection) -> float:
    started = time.perf_counter()
    while any(one.lag_events for one in _standings(connection)):  # noqa: ASYNC110 - it is in the database
        await asyncio.sleep(0.01)
    return time.perf_counter() - started


def _batches(count: int) -> list[Sequence[Event]]:
    """Make batches of tasks, several at a time."""
    templates = [msgspec.json.encode(event) for event in Course(7, 100).run()]
    made: list[Sequence[Event]] = []
    while sum(map(len, made)) < count:
        names = [f"live{uuid6.uuid7().hex[-12:]}".encode() for _ in range(8)]
        for start in range(0, len(templates), _BATCH):
            lines = templates[start : start + _BATCH]
            for name in names:
                events = [_DECODE.decode(line.replace(b"template", name)) for line in lines]
                made.append([msgspec.structs.replace(one, message_id=uuid6.uuid7()) for one in events])
    return made
