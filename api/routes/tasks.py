"""Tasks: opening them, looking at them, and saying how they go on."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.response.base import ASGIResponse
from msgspec import Meta

from api.auth.principal import Principal
from api.postmortem.document import Postmortem
from api.routes.endpoint import JSON, HttpRequest, Reply, endpoint
from api.routes.idempotency import IDEMPOTENCY_KEY, idempotency_key
from api.routes.parameters import Cursor, Limit, Page
from api.routes.roles import OBSERVERS, PLANNERS, READERS
from api.routes.uploads import ObservationParameters, TaskParameters, read_upload, upload_bodies
from api.schemas import (
    BlockerPage,
    EstimateView,
    Name,
    ObservationRequest,
    ProgressView,
    ReasonRequest,
    Seconds,
    SubtaskPage,
    TaskPage,
    TaskRequest,
    TaskView,
)
from api.service.interface import Services


class BlockersQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which blockers."""

    open_only: bool = False
    cursor: Cursor | None = None
    limit: Limit = 100


class EstimateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is supposed other than it is."""

    #: This worker is lost now: what it holds is begun anew by another one.
    without_worker: Name | None = None
    #: All blockers that are open stay open for so many seconds more.
    blocked_longer: Seconds = 0.0
    #: So many workers are there from now on.
    workers: Annotated[int, Meta(ge=0, le=1024)] | None = None


@endpoint(
    "POST",
    "/v1/tasks",
    roles=PLANNERS,
    status=201,
    query=TaskParameters,
    bodies=upload_bodies(TaskRequest),
    replies={201: Reply(kind=TaskView, meaning="The task, also where the same was opened before.")},
    refusals=(409, 413, 422),
    headers={IDEMPOTENCY_KEY: "Sent again with the same key and content, the task is opened once."},
)
async def submit(request: HttpRequest, services: Services, principal: Principal) -> ASGIResponse:
    """Open a task for a tool's output.

    The output is read and split into subtasks, which are then handed out to whoever claims them.
    """
    key = idempotency_key(request)
    task, report = await read_upload(request, TaskRequest, TaskParameters)
    view = await services.submit(task, report, principal, idempotency_key=key)
    return ASGIResponse(
        body=msgspec.json.encode(view),
        status_code=201,
        media_type=JSON,
        headers={"location": f"/v1/tasks/{view.id}"},
    )


@endpoint("GET", "/v1/tasks", roles=READERS)
async def tasks(services: Services, query: Page) -> TaskPage:
    """List tasks, newest first."""
    return await services.tasks(status=query.status, cursor=query.cursor, limit=query.limit)


@endpoint("GET", "/v1/tasks/{task_id}", roles=READERS, refusals=(404,))
async def task(services: Services, task_id: Name) -> TaskView:
    """Give a task as it stands."""
    return await services.task(task_id)


@endpoint("GET", "/v1/tasks/{task_id}/progress", roles=READERS, refusals=(404,))
async def progress(services: Services, task_id: Name) -> ProgressView:
    """Say how far a task's phase is."""
    return await services.progress(task_id)


@endpoint("GET", "/v1/tasks/{task_id}/estimate", roles=READERS, refusals=(404,))
async def estimate(services: Services, task_id: Name, query: EstimateQuery) -> EstimateView:
    """Say when a task's phase will be done, and why.

    With parameters: when it would be done if things were so. It is made anew when something has happened, at most
    every second.
    """
    return await services.estimate(
        task_id,
        without_worker=query.without_worker or "",
        blocked_longer=query.blocked_longer,
        workers=query.workers,
    )


@endpoint("GET", "/v1/tasks/{task_id}/subtasks", roles=READERS, refusals=(404,))
async def subtasks(services: Services, task_id: Name, query: Page) -> SubtaskPage:
    """List a task's subtasks by number."""
    return await services.subtasks(task_id, status=query.status, cursor=query.cursor, limit=query.limit)


@endpoint("GET", "/v1/tasks/{task_id}/blockers", roles=READERS, refusals=(404,))
async def blockers(services: Services, task_id: Name, query: BlockersQuery) -> BlockerPage:
    """List what a task's workers are or were blocked by, oldest first."""
    return await services.blockers(task_id, open_only=query.open_only, cursor=query.cursor, limit=query.limit)


@endpoint("GET", "/v1/tasks/{task_id}/postmortem", roles=READERS, refusals=(404, 409))
async def postmortem(services: Services, task_id: Name) -> Postmortem:
    """Say where a task's time went and what came of it, so far or in the end.

    The read models are brought up to the ledger first; 503 where they are too far behind for a request.
    """
    return await services.postmortem(task_id)


@endpoint(
    "POST",
    "/v1/tasks/{task_id}/problems",
    roles=OBSERVERS,
    query=ObservationParameters,
    bodies=upload_bodies(ObservationRequest),
    refusals=(404, 409, 413, 422),
)
async def observe(request: HttpRequest, services: Services, principal: Principal, task_id: Name) -> TaskView:
    """Hand in a new look at a task's tree.

    The next phase is planned on it, or the task ends.
    """
    observation, report = await read_upload(request, ObservationRequest, ObservationParameters)
    return await services.observe(task_id, observation, report, principal)


@endpoint("POST", "/v1/tasks/{task_id}/pause", roles=PLANNERS, refusals=(404, 409))
async def pause(services: Services, principal: Principal, task_id: Name, body: ReasonRequest) -> TaskView:
    """Hand out nothing more of a task; what workers hold stays theirs."""
    return await services.pause(task_id, body.reason, principal)


@endpoint("POST", "/v1/tasks/{task_id}/resume", roles=PLANNERS, refusals=(404, 409))
async def resume(services: Services, principal: Principal, task_id: Name, body: ReasonRequest) -> TaskView:
    """Go on with a paused or stalled task."""
    return await services.resume(task_id, body.reason, principal)


@endpoint("POST", "/v1/tasks/{task_id}/cancel", roles=PLANNERS, refusals=(404, 409))
async def cancel(services: Services, principal: Principal, task_id: Name, body: ReasonRequest) -> TaskView:
    """End a task for good; leases are over."""
    return await services.cancel(task_id, body.reason, principal)


ROUTES = (
    submit, tasks, task, progress, estimate, subtasks, blockers, postmortem, observe, pause, resume, cancel,
)  # fmt: skip
