"""`submit_subtask`: claim to be done."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from api.mcp.arguments import Epoch, MessageId, SubtaskName, WorkerName
from api.mcp.messages import send, with_warning
from api.mcp.tool import WORKERS, Call, Reply, tool
from api.schemas import CompletedMessage, Text

_WAITS = (
    " It is accepted once its gates, and reviews where it needs some, have been posted and are good; nobody else"
    " works on its files until then."
)


@tool("Submit a subtask", roles=WORKERS)
async def submit_subtask(
    call: Call,
    *,
    subtask_id: SubtaskName,
    worker_id: WorkerName,
    lease_epoch: Epoch,
    summary: Annotated[Text, Meta(description="What was done and how, in a few sentences.")],
    result: Annotated[
        dict[str, Any] | None, Meta(description='Facts for programs, such as {"commit": "...", "files": ["..."]}.')
    ] = None,
    message_id: MessageId = None,
) -> Reply:
    """Say that the subtask is done. Run the brief's own check first, and leave your changes in the working tree.

    This call says it and no more: it neither looks at your files nor takes them. Where the task has nothing to check,
    the subtask is accepted at once. Where it has a repository, gates or reviews, it is `reported`, and its files stay
    reserved, until somebody who has the tree has run the gates and posted what they said, with the commit, to
    `POST /v1/subtasks/{subtask_id}/gates`; reviewers post theirs to `/reviews`. Then it is accepted, or goes back to
    be done again.
    """
    message = CompletedMessage(
        message_id=message_id or call.clock.new_message_id(),
        subtask_id=subtask_id,
        worker_id=worker_id,
        lease_epoch=lease_epoch,
        result=result or {},
        summary=summary,
    )
    warning = await send(call, message)
    view = await call.services.subtask(subtask_id, call.principal)
    return Reply(
        text=with_warning(f"{subtask_id} is {view.status}.{_WAITS if view.status == 'reported' else ''}", warning),
        data={"subtask_id": subtask_id, "status": view.status, "message_id": message.message_id, "warning": warning},
        next="Call claim_subtask for the next one; get_subtask tells what has become of this one.",
    )
