"""Everything that one process of the service consists of, opened in order and closed in the opposite one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from api.app import create_app
from api.auth.authenticator import Authenticator
from api.auth.keys import Keys
from api.jobs.follower_order import FollowerOrder
from api.jobs.leader import Duty
from api.jobs.projecting import ReadModels
from api.jobs.purging import purging
from api.jobs.scheduler import Job, led_jobs, scheduled
from api.jobs.sealing import sealing
from api.mcp.app import McpApp
from api.observability.metrics import Metrics
from api.observability.readiness import Readiness
from api.observability.requests import RequestWatch
from api.observability.services import watched
from api.observability.tracing import Tracer, make_tracer
from api.routes import webhooks as webhook_routes
from api.server.listening import address_of, listening
from api.server.serving import Server, serving
from api.service.service import Service
from api.settings import Settings
from api.webhooks.webhooks import Webhooks, open_webhooks
from domain.errors import UsageError
from eventstore.clock import Clock

if TYPE_CHECKING:
    from litestar.types import ASGIApp


class RunningServer:
    """A server that takes requests."""

    def __init__(self, listener: socket.socket, service: Service, server: Server, *, needs_key: bool) -> None:
        self.address = address_of(listener)
        #: Whether a key was needed when it began.
        self.needs_key = needs_key
        self._service = service
        self._server = server

    async def end(self) -> None:
        """Take nobody new in, answer those who wait for work with nothing, and end the streams."""
        self._server.should_exit = True
        await self._service.dispatcher.close()
        self._service.hub.end_readers()

    def hurry(self) -> None:
        """Do not wait for requests under way any longer; what was acknowledged is stored all the same."""
        self._server.should_exit = True
        self._server.force_exit = True


@asynccontextmanager
async def open_server(
    url: str, settings: Settings, clock: Clock, *, folder: Path | None = None
) -> AsyncIterator[RunningServer]:
    """Serve the ledger at `url` until the end of the block; `folder` is an embedded database's.

    Raises `UsageError` where the server may not or cannot listen at its address, and `LedgerError` where the database
    is out of reach.
    """
    metrics = Metrics()
    tracer = make_tracer(settings.otel_endpoint)
    async with AsyncExitStack() as stack:
        # It may wait for a collector that does not answer.
        stack.push_async_callback(asyncio.to_thread, tracer.close)
        authenticator = Authenticator(await stack.enter_async_context(Keys.open(url, clock)), clock)
        needs_key = await authenticator.any_key_exists()
        _check_open(settings, needs_key=needs_key)
        listener = stack.enter_context(listening(settings))
        service = await stack.enter_async_context(
            Service.open(url, clock, times=settings.lease_times, worker_leases_max=settings.worker_leases_max)
        )
        private = settings.on_loopback if settings.webhooks_to_private is None else settings.webhooks_to_private
        webhooks = await stack.enter_async_context(
            open_webhooks(url, service.hub, clock, metrics, private_targets=private)
        )
        order = FollowerOrder(url=url, log_format=settings.log_format, log_level=settings.log_level)
        read_models = ReadModels(order, metrics, clock)
        beside = [read_models.kept] if settings.read_models else []
        await stack.enter_async_context(_jobs(url, service, webhooks, metrics, clock, beside))
        ready = Readiness(url, service.hub, clock, folder=folder)
        parts = _Parts(service, webhooks, authenticator, ready, read_models)
        app = await stack.enter_async_context(_application(parts, settings, clock, metrics, tracer))
        server = await stack.enter_async_context(serving(app, listener))
        running = RunningServer(listener, service, server, needs_key=needs_key)
        # What is done first at the end: whoever waits is answered while there is still somebody to answer.
        stack.push_async_callback(running.end)
        yield running


class _Parts(NamedTuple):
    """What the routes speak to."""

    service: Service
    webhooks: Webhooks
    authenticator: Authenticator
    ready: Readiness
    read_models: ReadModels


@asynccontextmanager
async def _application(
    parts: _Parts, settings: Settings, clock: Clock, metrics: Metrics, tracer: Tracer
) -> AsyncIterator[ASGIApp]:
    services = watched(parts.service, metrics, tracer)
    mcp = McpApp(services, clock)
    app = create_app(
        services,
        hub=parts.service.hub,
        authenticator=parts.authenticator,
        settings=settings,
        clock=clock,
        ready=parts.ready.problems,
        remarks=parts.read_models.remarks,
        metrics=metrics.render,
        # The same thing in the words of another library.
        mcp=cast("ASGIApp", mcp),
        further_routes=webhook_routes.ROUTES,
        further_state={"webhooks": parts.webhooks},
    )
    async with mcp.run():
        yield RequestWatch(app, metrics, clock, tracer)


@asynccontextmanager
async def _jobs(
    url: str, service: Service, webhooks: Webhooks, metrics: Metrics, clock: Clock, beside: Sequence[Duty]
) -> AsyncIterator[None]:
    own = [Job(*job) for job in service.jobs]
    led = [*(Job(*job) for job in service.leader_jobs), sealing(url), purging(webhooks)]
    async with scheduled(own, metrics, clock), led_jobs(url, led, metrics, clock, beside=beside):
        yield


def _check_open(settings: Settings, *, needs_key: bool) -> None:
    if not settings.on_loopback and not needs_key:
        raise UsageError(
            f"{settings.host} can be reached from elsewhere, and there is no key that would keep anybody out:"
            " make one first (pw keys create NAME --role admin)"
        )
