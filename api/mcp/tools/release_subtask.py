"""`release_subtask`: hand a subtask back."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.mcp.arguments import Epoch, SubtaskName, WorkerName
from api.mcp.tool import WORKERS, Call, Reply, tool
from api.schemas import ReleaseRequest, Text


@tool("Release a subtask", roles=WORKERS)
async def release_subtask(
    call: Call,
    *,
    subtask_id: SubtaskName,
    worker_id: WorkerName,
    lease_epoch: Epoch,
    reason: Annotated[Text, Meta(description="Why, and what the next worker should know.")],
) -> Reply:
    """Hand the subtask back unfinished, so that another worker gets it. Put its files back as they were first."""
    request = ReleaseRequest(worker_id=worker_id, lease_epoch=lease_epoch, reason=reason)
    view = await call.services.release(subtask_id, request, call.principal)
    return Reply(
        text=f"{subtask_id} is {view.status} again." if view.status == "ready" else f"{subtask_id} is {view.status}.",
        data={"subtask_id": subtask_id, "status": view.status},
        next="Call claim_subtask for other work.",
    )
