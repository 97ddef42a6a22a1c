"""A ledger, a hub that follows it, and readers of its streams."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from api.streams.frames import Wanted
from api.streams.hub import EventHub
from domain.events import Event, EventBody, Progress
from domain.ids import StreamId, task_of
from eventstore.doorbell import Doorbell
from eventstore.ledger import Ledger

ALL = Wanted()
_SECONDS_MAX = 30


class Reading:
    """A stream, event by event."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        self._stream = stream
        self._frames: list[bytes] = []

    async def event(self) -> dict[str, object]:
        """Wait for the next event."""
        async with asyncio.timeout(_SECONDS_MAX):
            while not self._frames:
                chunk = await anext(self._stream)
                self._frames = [frame for frame in chunk.split(b"\n\n") if frame.startswith(b"id:")]
        data = self._frames.pop(0).split(b"\ndata: ")[1]
        event: dict[str, object] = msgspec.json.decode(data)
        return event

    async def positions(self, count: int) -> list[object]:
        """Wait for so many events, and give where they are."""
        return [(await self.event())["position"] for _ in range(count)]

    async def chunk(self) -> bytes:
        """Wait for whatever comes next."""
        async with asyncio.timeout(_SECONDS_MAX):
            return await anext(self._stream)

    async def connected(self) -> Reading:
        """Read up to where nothing of the past is left."""
        await self.chunk()
        return self


@pytest.fixture
def new_event() -> Callable[..., Event]:
    """Make an event of a stream."""
    numbers = itertools.count(1)

    def make(stream: str = "tree-1.1", body: EventBody | None = None) -> Event:
        return Event(
            task_id=task_of(stream),
            stream_id=StreamId(stream),
            message_id=UUID(int=next(numbers)),
            occurred_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
            body=body or Progress(completed=1, total=2),
        )

    return make


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    async with Ledger.open(database_url) as ledger:
        yield ledger


@pytest.fixture
async def hub(database_url: str) -> AsyncIterator[EventHub]:
    async with Doorbell(database_url) as doorbell:
        hub = EventHub(database_url, doorbell)
        async with hub.run():
            yield hub


@pytest.fixture
async def read(hub: EventHub) -> AsyncIterator[Callable[..., object]]:
    """Open a stream: `await read(after=None, task_id=..., types=...)`."""
    streams: list[AsyncGenerator[bytes, None]] = []

    async def open_one(after: int | None = None, **wanted: object) -> Reading:
        stream = await hub.open(after, msgspec.structs.replace(ALL, **wanted))
        streams.append(stream)
        return await Reading(stream).connected()

    yield open_one
    for stream in streams:
        await stream.aclose()
