"""The application on a real server, with a real service and a database of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from api.app import create_app
from api.auth.authenticator import Authenticator
from api.auth.keys import Keys
from api.auth.principal import Role
from api.service.service import Service
from api.settings import Settings
from eventstore.clock import SystemClock

REPORT = "\n".join(
    f"pkg/m{number}.py:{line}:1: F401 'os' imported but unused" for number in range(1, 4) for line in (1, 2)
)


class Bench:
    """A server, and what is behind it."""

    def __init__(self, service: Service, keys: Keys, wrong: list[str]) -> None:
        self.service = service
        self.keys = keys
        #: What `/readyz` is to say.
        self.wrong = wrong
        self.url = ""
        self._stack = AsyncExitStack()

    async def client(self, token: str = "", **options: Any) -> httpx.AsyncClient:
        """Give a client, with a key or without."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, **options)
        return await self._stack.enter_async_context(client)

    async def key(self, role: Role) -> str:
        """Make a key and give its token."""
        _, token = await self.keys.create(f"the {role}", role)
        return str(token)

    async def submit(self, client: httpx.AsyncClient, **parameters: str) -> dict[str, Any]:
        """Open a task of three files with two problems each."""
        answer = await client.post("/v1/tasks", content=REPORT, params={"format": "flake8", **parameters})
        assert answer.status_code == 201, answer.text
        task: dict[str, Any] = answer.json()
        return task

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Run a server on a free port of loopback, and give its URL."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()


@asynccontextmanager
async def opened(database_url: str, settings: Settings, *, private: bool = False) -> AsyncIterator[Bench]:
    """Open everything that a server needs."""
    clock = SystemClock()
    async with Keys.open(database_url, clock) as keys, Service.open(database_url, clock) as service:
        bench = Bench(service, keys, [])

        async def ready() -> list[str]:
            return bench.wrong

        app = create_app(
            service,
            hub=service.hub,
            authenticator=Authenticator(keys, clock),
            settings=settings,
            clock=clock,
            ready=ready,
            metrics=lambda: b"pw_tasks 1\n",
            private=private,
        )
        async with serving(app) as bench.url:
            try:
                yield bench
            finally:
                service.hub.end_readers()
                await bench.close()


@pytest.fixture
def open_bench(database_url: str) -> Callable[..., Any]:
    """Open a bench with settings of the test's own: `async with open_bench(body_bytes_max=2048) as bench`."""

    def open_one(*, private: bool = False, **settings: Any) -> Any:
        return opened(database_url, msgspec.structs.replace(Settings(), **settings), private=private)

    return open_one


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    async with opened(database_url, Settings()) as bench:
        yield bench


@pytest.fixture
async def client(bench: Bench) -> httpx.AsyncClient:
    """Somebody on this machine, while no key is needed."""
    return await bench.client()


@pytest.fixture
async def task(bench: Bench, client: httpx.AsyncClient) -> dict[str, Any]:
    """A task of three files with two problems each."""
    return await bench.submit(client)


@pytest.fixture
def claimed(client: httpx.AsyncClient, task: dict[str, Any]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Claim a subtask of the task: `await claimed("worker")`."""

    async def claim(worker: str = "w-1") -> dict[str, Any]:
        answer = await client.post("/v1/claims", json={"worker_id": worker, "task_id": task["id"]})
        assert answer.status_code == 200, answer.text
        lease: dict[str, Any] = answer.json()
        return lease

    return claim


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something is so."""

    async def wait(fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not fact():  # noqa: ASYNC110 - nobody tells when it becomes so
                await asyncio.sleep(0.005)

    return wait
