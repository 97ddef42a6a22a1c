"""`report_blocked`: say what keeps the work from going on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.mcp.arguments import Epoch, MessageId, SubtaskName, WorkerName
from api.mcp.messages import send, with_warning
from api.mcp.tool import WORKERS, Call, Reply, tool
from api.schemas import BlockedMessage, SubtaskView, Text
from domain.errors import InvalidRequestError
from domain.events import Issue

_NEXT = {
    "blocked": "The subtask stays yours. Wait for the answer with get_subtask, giving worker_id and wait_seconds, as"
    " often as you like; report_progress says that you go on without it, and closes the blocker.",
    "running": "The subtask stays yours: go on, with what the answer says.",
}
_GONE = "The subtask is not yours any more: leave its files as they were, and call claim_subtask for other work."


@tool("Report a blocker", roles=WORKERS)
async def report_blocked(  # noqa: PLR0913 - an argument of the tool is a parameter of its function
    call: Call,
    *,
    subtask_id: SubtaskName,
    worker_id: WorkerName,
    lease_epoch: Epoch,
    kind: Annotated[
        Literal["scope_clarification", "dependency_wait", "external_dependency", "complexity_exceeded"],
        Meta(
            description="scope_clarification: a question (give `question`). dependency_wait: another worker's result"
            " is needed (`required_worker`, `resource`). external_dependency: a system outside does not work"
            " (`system`, `issue`). complexity_exceeded: more work than planned (`estimated_additional_time`)."
        ),
    ],
    question: Annotated[Text | None, Meta(description="What must be answered.")] = None,
    required_worker: Annotated[
        str | None, Meta(description="The worker, or the subtask, that is waited for.")
    ] = None,
    resource: Annotated[str | None, Meta(description="What it has to provide, such as a file.")] = None,
    system: Annotated[str | None, Meta(description="The system outside.")] = None,
    issue: Annotated[Text | None, Meta(description="What is wrong with it.")] = None,
    estimated_additional_time: Annotated[float, Meta(ge=0.0, description="In seconds.")] | None = None,
    context: Annotated[Text, Meta(description="What was tried, and what is needed to go on.")] = "",
    message_id: MessageId = None,
) -> Reply:
    """Say that you cannot go on, and why. The answer says what is done about it, and whether the subtask stays yours.

    Do not guess where the brief is unclear: ask with kind scope_clarification.
    """
    # Flat arguments, because nested choices are beyond some clients; the union of the domain checks them.
    given: dict[str, Any] = {
        "question": question,
        "required_worker": required_worker,
        "resource": resource,
        "system": system,
        "issue": issue,
        "estimated_additional_time": estimated_additional_time,
    }
    message = BlockedMessage(
        message_id=message_id or call.clock.new_message_id(),
        subtask_id=subtask_id,
        worker_id=worker_id,
        lease_epoch=lease_epoch,
        issue=_issue(kind, given),
        context=context,
    )
    warning = await send(call, message)
    view = await call.services.subtask(subtask_id, call.principal)
    mine = view.worker_id == worker_id and view.lease_epoch == lease_epoch
    return Reply(
        text=with_warning(_decision(view), warning),
        data={"subtask": view, "message_id": message.message_id, "warning": warning},
        next=_NEXT.get(view.status, _GONE) if mine else _GONE,
    )


def _issue(kind: str, given: dict[str, Any]) -> Issue:
    said = {name: value for name, value in given.items() if value is not None}
    try:
        issue: Issue = msgspec.convert({"kind": kind, **said}, Issue)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"report_blocked with kind {kind}: {error}") from error
    return issue


def _decision(view: SubtaskView) -> str:
    if not view.blockers:
        return f"{view.id} is {view.status}."
    blocker = view.blockers[-1]
    waits = f", waits for {blocker.waits_for}" if blocker.waits_for else ""
    answer = f" Answer: {blocker.answer}" if blocker.answered_at else ""
    return f"Blocker {blocker.number} is recorded ({blocker.policy}{waits}); {view.id} is {view.status}.{answer}"
