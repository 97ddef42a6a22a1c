"""A service of one's own: the same that `pw serve` serves, on a socket that nobody else can reach."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from api.app import create_app
from api.auth.authenticator import Authenticator
from api.auth.keys import Keys
from api.client.address import Address
from api.jobs.scheduler import Job, scheduled
from api.observability.metrics import Metrics
from api.server.listening import address_of, listening
from api.server.serving import serving
from api.service.service import Service
from api.settings import Settings
from domain.ids import TaskId
from eventstore.clock import Clock


@asynccontextmanager
async def private_service(url: str, clock: Clock, task_id: TaskId) -> AsyncIterator[tuple[Service, Address]]:
    """Serve one task until the end of the block; raises `LedgerError` where the database is out of reach."""
    metrics = Metrics()
    async with Service.open(url, clock, only=task_id) as service, Keys.open(url, clock) as keys:
        with tempfile.TemporaryDirectory(prefix="pw-") as folder:
            settings = Settings(uds=str(Path(folder) / "api.sock"), requests_per_second=0.0)
            app = create_app(
                service,
                hub=service.hub,
                # Nobody is asked for a key here.
                authenticator=Authenticator(keys, clock),
                settings=settings,
                clock=clock,
                ready=_ready,
                metrics=metrics.render,
                private=True,
            )
            jobs = [Job(*job) for job in service.leader_jobs]
            with listening(settings) as listener:
                async with serving(app, listener), scheduled(jobs, metrics, clock):
                    yield service, Address.of(address_of(listener))


async def _ready() -> tuple[str, ...]:
    """Say that nothing is wrong: who runs it would hear of it first."""
    return ()
