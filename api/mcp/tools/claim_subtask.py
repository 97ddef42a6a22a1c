"""`claim_subtask`: get work."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from api.mcp.arguments import TaskName, WorkerName
from api.mcp.patience import PATIENCE_SECONDS
from api.mcp.tool import WORKERS, Call, Reply, tool
from api.schemas import ClaimRequest, Lease

#: Below the time after which the most impatient of the well-known clients gives up on a call, 60 seconds.
WAIT_SECONDS_MAX = 30.0


@tool("Claim a subtask", roles=WORKERS)
async def claim_subtask(
    call: Call,
    *,
    worker_id: WorkerName,
    task_id: TaskName | None = None,
    repository: Annotated[
        str | None, Meta(description="Only work on this repository: the path or URL it was submitted with.")
    ] = None,
    base_commit: Annotated[
        str | None, Meta(description="The commit that you start from, if not the one offered.")
    ] = None,
    wait_seconds: Annotated[
        float, Meta(ge=0.0, le=WAIT_SECONDS_MAX, description="How long to wait where there is no work yet.")
    ] = 25.0,
    request_id: Annotated[
        UUID | None, Meta(description="A UUID of yours: the same one gives the same lease again.")
    ] = None,
) -> Reply:
    """Get the next subtask to work on: its lease and its brief. Call start_subtask before you begin.

    Waits for work for a while; with none, it says so and can be called again.
    """
    request = ClaimRequest(
        worker_id=worker_id,
        request_id=request_id,
        task_id=task_id,
        repository=repository,
        wait_seconds=wait_seconds,
        base_commit=base_commit,
    )
    claimed = await call.services.claim(request, call.principal, call.gone)
    # Observation jobs go to none but those who say that they can observe, which this request does not.
    if not isinstance(claimed, Lease):
        return Reply(
            text="There is no work now.",
            data={"lease": None},
            next="Call claim_subtask again, or end where your task is only to help out.",
        )
    brief = await call.services.brief(claimed.subtask_id, call.principal)
    return Reply(
        text=f"{_lease_lines(claimed)}\n\n{brief.strip()}",
        data={"lease": claimed, "brief": brief},
        next=f"Call start_subtask before {claimed.expires_at:%H:%M:%S} UTC, or the subtask goes to somebody else;"
        f" then report_progress as you go: after {PATIENCE_SECONDS / 60:g} minutes without a call you count as lost.",
    )


def _lease_lines(lease: Lease) -> str:
    facts = {
        "subtask_id": lease.subtask_id,
        "worker_id": lease.worker_id,
        "lease_epoch": lease.lease_epoch,
        "repository": lease.repository,
        "folder": lease.prefix,
        "base commit": lease.base_commit,
        "time budget": f"{lease.time_budget_seconds:g} s" if lease.time_budget_seconds else "",
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value != ""]
    return "\n".join([f"You have {lease.title!r}. Give the first three with every call about it:", "", *lines])
