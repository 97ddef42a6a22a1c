"""A service of one's own: the same that `pw serve` serves, on a socket that nobody else can reach."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from api.app import create_app
from api.auth.authenticator import Authenticator
from api.auth.keys import Keys
from api.client.address import Address
from api.run.socket_server import served
from api.service.service import Job, Service
from api.settings import Settings
from domain.errors import LedgerError
from domain.ids import TaskId
from eventstore.clock import Clock

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def private_service(url: str, clock: Clock, task_id: TaskId) -> AsyncIterator[tuple[Service, Address]]:
    """Serve one task until the end of the block; raises `LedgerError` where the database is out of reach."""
    async with Service.open(url, clock, only=task_id) as service, Keys.open(url, clock) as keys:
        with tempfile.TemporaryDirectory(prefix="pw-") as folder:
            path = Path(folder) / "api.sock"
            settings = Settings(uds=str(path), requests_per_second=0.0)
            app = create_app(
                service,
                hub=service.hub,
                # Nobody is asked for a key here.
                authenticator=Authenticator(keys, clock),
                settings=settings,
                clock=clock,
                ready=_ready,
                metrics=bytes,
                private=True,
            )
            async with served(app, path), _regularly(service.leader_jobs):
                yield service, Address.of(f"unix:{path}")


async def _ready() -> tuple[str, ...]:
    """Say that nothing is wrong: who runs it would hear of it first."""
    return ()


@asynccontextmanager
async def _regularly(jobs: list[Job]) -> AsyncIterator[None]:
    """Do what has to be done again and again."""
    running = [asyncio.create_task(_again(job), name=job[0]) for job in jobs]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _again(job: Job) -> None:
    name, seconds, do = job
    while True:
        await asyncio.sleep(seconds)
        try:
            await do()
        except LedgerError as error:
            _LOG.warning("a job has failed and is tried again", extra={"job": name, "reason": str(error)})
