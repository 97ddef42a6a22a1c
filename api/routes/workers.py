"""Workers: introducing themselves, asking for work, being alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.auth.principal import Principal
from api.routes.endpoint import HttpRequest, Reply, endpoint
from api.routes.roles import WORKERS
from api.schemas import (
    ClaimReply,
    ClaimRequest,
    HeartbeatReply,
    HeartbeatRequest,
    Name,
    WorkerRequest,
    WorkerView,
)
from api.service.interface import Services


@endpoint("POST", "/v1/workers", roles=WORKERS)
async def register(services: Services, principal: Principal, body: WorkerRequest) -> WorkerView:
    """Introduce a worker; its name is bound to the caller's key."""
    return await services.register(body, principal)


@endpoint("POST", "/v1/workers/{worker_id}/heartbeat", roles=WORKERS, refusals=(404,))
async def heartbeat(
    services: Services, principal: Principal, worker_id: Name, body: HeartbeatRequest
) -> HeartbeatReply:
    """Say that a worker is alive, and hear which of its leases still hold."""
    return await services.heartbeat(worker_id, body, principal)


@endpoint(
    "POST",
    "/v1/claims",
    roles=WORKERS,
    replies={
        200: Reply(kind=ClaimReply, meaning="Work for the caller."),
        204: Reply(meaning="There was none in the time that was asked for."),
    },
    refusals=(404, 409, 503),
)
async def claim(
    request: HttpRequest, services: Services, principal: Principal, body: ClaimRequest
) -> ClaimReply | None:
    """Ask for work, and wait for some.

    The answer comes as soon as there is work. A caller that goes away meanwhile gets none.
    """
    async with _gone(request) as gone:
        return await services.claim(body, principal, gone)


@asynccontextmanager
async def _gone(request: HttpRequest) -> AsyncIterator[asyncio.Event]:
    """Give what is set when nobody waits for the answer any more."""
    gone = asyncio.Event()

    async def watch() -> None:
        # The body was read: what comes now is the end of the line.
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watching = asyncio.create_task(watch(), name="claim's client")
    try:
        yield gone
    finally:
        watching.cancel()
        await asyncio.wait({watching})


ROUTES = (register, heartbeat, claim)
