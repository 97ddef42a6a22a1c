"""Workers: introducing themselves, asking for work, being alive."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.response.base import ASGIResponse

from api.auth.principal import Principal
from api.routes.endpoint import HttpRequest, Reply, endpoint
from api.routes.roles import WORKERS
from api.schemas import (
    OPEN_SUBTASKS,
    ClaimReply,
    ClaimRequest,
    HeartbeatReply,
    HeartbeatRequest,
    Name,
    Outlook,
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
        204: Reply(
            meaning="There was none in the time that was asked for.",
            headers={
                OPEN_SUBTASKS: "How many subtasks of what was asked for are not at their end.",
                "Retry-After": "In how many seconds a subtask that has failed is tried again, where one rests.",
            },
        ),
    },
    refusals=(404, 409, 503),
)
async def claim(
    request: HttpRequest, services: Services, principal: Principal, body: ClaimRequest
) -> ClaimReply | ASGIResponse:
    """Ask for work, and wait for some.

    The answer comes as soon as there is work. A caller that goes away meanwhile gets none.
    """
    async with _gone(request) as gone:
        claimed = await services.claim(body, principal, gone)
    return claimed if claimed is not None else _nothing(await services.outlook(body))


def _nothing(outlook: Outlook) -> ASGIResponse:
    headers = {OPEN_SUBTASKS: str(outlook.open_subtasks)}
    if outlook.retry_after_seconds is not None:
        # Whole seconds, and never at once: it may take the service a moment to let go what has rested.
        headers["Retry-After"] = str(max(math.ceil(outlook.retry_after_seconds), 1))
    return ASGIResponse(body=b"", status_code=204, headers=headers)


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
