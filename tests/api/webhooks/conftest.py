"""Receivers of webhooks on loopback, a ledger, a hub, and a clock that can be moved."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import uvicorn

from api.observability.metrics import Metrics
from api.service.store import Store
from api.streams.hub import EventHub
from api.webhooks.guard import Guard
from api.webhooks.store import WebhookStore
from api.webhooks.webhooks import Webhooks, open_webhooks
from domain.events import Event, EventBody, Progress
from domain.ids import StreamId, task_of
from eventstore.clock import SystemClock
from eventstore.doorbell import Doorbell
from eventstore.ledger import Ledger

_SECONDS_MAX = 30


class Received(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, str]]


class Receiver:
    """A real HTTP server that notes what comes and answers as it is told: 204 where it is told nothing."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook"
        self.port = port
        self.answers: list[Answer] = []
        #: Requests wait for it before they are answered.
        self.open = asyncio.Event()
        self.open.set()
        self._came: asyncio.Queue[Received] = asyncio.Queue()

    async def next(self) -> Received:
        """Wait for the next request."""
        async with asyncio.timeout(_SECONDS_MAX):
            return await self._came.get()

    @property
    def nothing_waits(self) -> bool:
        return self._came.empty()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self._came.put_nowait(Received(scope["path"], headers, body))
        await self.open.wait()
        status, answer_headers = self.answers.pop(0) if self.answers else (204, {})
        raw = [(name.encode(), value.encode()) for name, value in answer_headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an ASGI application on a socket."""
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


def listening() -> socket.socket:
    """Listen on a free port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    listener = listening()
    receiver = Receiver(listener.getsockname()[1])
    async with serving(receiver, listener):
        yield receiver
        receiver.open.set()


@pytest.fixture
async def other_receiver() -> AsyncIterator[Receiver]:
    listener = listening()
    receiver = Receiver(listener.getsockname()[1])
    async with serving(receiver, listener):
        yield receiver


class MovedClock(SystemClock):
    """The machine's clock, which a test may put forward."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self._ahead

    def forward(self, **by: float) -> None:
        self._ahead += timedelta(**by)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


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
async def store(database_url: str) -> AsyncIterator[Store]:
    async with Store(database_url) as store:
        yield store


@pytest.fixture
def rows(store: Store, clock: MovedClock) -> WebhookStore:
    """The webhooks' rows, with nobody who delivers."""
    return WebhookStore(store, clock, Guard(private=True))


OpenWebhooks = Callable[[], AbstractAsyncContextManager[Webhooks]]


@pytest.fixture
def opened(database_url: str, hub: EventHub, clock: MovedClock, metrics: Metrics) -> OpenWebhooks:
    """Open the webhooks of one process."""

    def open_one() -> AbstractAsyncContextManager[Webhooks]:
        return open_webhooks(database_url, hub, clock, metrics, private_targets=True, poll_seconds=0.02)

    return open_one


@pytest.fixture
async def webhooks(opened: OpenWebhooks) -> AsyncIterator[Webhooks]:
    async with opened() as webhooks:
        yield webhooks


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Wait until something is so."""

    async def wait(fact: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(_SECONDS_MAX):
            while not await fact():  # noqa: ASYNC110 - the fact is in the database
                await asyncio.sleep(0.01)

    return wait
