"""`report_progress`: say how far the work is, keep the lease, and get answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.mcp.arguments import Epoch, MessageId, SubtaskName, WorkerName
from api.mcp.messages import send, with_warning
from api.mcp.tool import WORKERS, Call, Reply, tool
from api.schemas import HeartbeatRequest, HeldLease, LeaseState, ProgressMessage, Text
from domain.errors import StaleLeaseError


@tool("Report progress", roles=WORKERS)
async def report_progress(
    call: Call,
    *,
    subtask_id: SubtaskName,
    worker_id: WorkerName,
    lease_epoch: Epoch,
    completed: Annotated[int, Meta(ge=0, description="Parts that are done, such as files or problems.")],
    total: Annotated[int, Meta(ge=0, description="Parts in all.")],
    status: Annotated[Text, Meta(description="What you are at, in a few words.")] = "",
    message_id: MessageId = None,
) -> Reply:
    """Say how far you are. This also keeps your lease, and repeats the answers to what you were blocked by.

    Call it after each file, and before whatever takes minutes: a worker that does not call for ten counts as lost.
    A blocker without an answer is closed by it: you have gone on. To wait for the answer, call get_subtask.
    """
    message = ProgressMessage(
        message_id=message_id or call.clock.new_message_id(),
        subtask_id=subtask_id,
        worker_id=worker_id,
        lease_epoch=lease_epoch,
        completed=completed,
        total=total,
        status=status,
    )
    warning = await send(call, message)
    held = HeldLease(subtask_id=subtask_id, lease_epoch=lease_epoch)
    beat = await call.services.heartbeat(worker_id, HeartbeatRequest(leases=(held,)), call.principal)
    (lease,) = beat.leases
    if not lease.held:
        raise StaleLeaseError(f"{subtask_id} is not yours any more: {lease.reason}")
    return Reply(
        text="\n".join([with_warning(f"{completed} of {total}.", warning), *_lines(lease)]),
        data={"lease": lease, "message_id": message.message_id, "warning": warning},
        next="Go on; submit_subtask when the brief's own check is clean.",
    )


def _lines(lease: LeaseState) -> list[str]:
    lines = [f"- Answer to blocker {given.number} ({given.action}): {given.answer}" for given in lease.answers]
    if lease.deadline_at is not None:
        lines.append(f"- The time budget ends at {lease.deadline_at:%H:%M:%S} UTC.")
    return lines
