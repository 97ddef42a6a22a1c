"""`start_subtask`: take a claimed subtask up."""

from __future__ import annotations

from api.mcp.arguments import Epoch, MessageId, SubtaskName, WorkerName
from api.mcp.messages import send, with_warning
from api.mcp.tool import WORKERS, Call, Reply, tool
from api.schemas import StartedMessage


@tool("Start a subtask", roles=WORKERS)
async def start_subtask(
    call: Call,
    *,
    subtask_id: SubtaskName,
    worker_id: WorkerName,
    lease_epoch: Epoch,
    message_id: MessageId = None,
) -> Reply:
    """Say that you begin with the subtask that you have claimed, before you change anything.

    Until then the lease is only a short offer.
    """
    message = StartedMessage(
        message_id=message_id or call.clock.new_message_id(),
        subtask_id=subtask_id,
        worker_id=worker_id,
        lease_epoch=lease_epoch,
    )
    warning = await send(call, message)
    return Reply(
        text=with_warning(f"{subtask_id} is yours.", warning),
        data={"subtask_id": subtask_id, "message_id": message.message_id, "warning": warning},
        next="Do what the brief says, in the files that it allows. Call report_progress as you go, and submit_subtask"
        " when the brief's own check is clean.",
    )
