"""`get_subtask`: one subtask, with its lease, history and blockers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated

from msgspec import Meta

from api.mcp.arguments import SubtaskName
from api.mcp.tool import ALL, Call, Reply, tool
from api.mcp.tools.claim_subtask import WAIT_SECONDS_MAX
from api.schemas import HeartbeatRequest, HeldLease, Name, SubtaskView

#: How often a subtask is looked at, in memory, for somebody who waits for an answer.
_LOOK_SECONDS = 0.5


@tool("Get a subtask", roles=ALL, reads_only=True)
async def get_subtask(
    call: Call,
    *,
    subtask_id: SubtaskName,
    with_brief: Annotated[bool, Meta(description="Also give the brief again.")] = False,
    worker_id: Annotated[
        Name | None, Meta(description="Your own name, if you hold the subtask: this keeps your lease.")
    ] = None,
    wait_seconds: Annotated[
        float,
        Meta(ge=0.0, le=WAIT_SECONDS_MAX, description="With worker_id: how long to wait for an open answer."),
    ] = 0.0,
) -> Reply:
    """Show how a subtask stands: whose it is and under which lease, what was tried, what it is blocked by.

    Whoever is blocked waits for the answer with it: give worker_id and wait_seconds.
    """
    view = await call.services.subtask(subtask_id, call.principal)
    if worker_id is not None and view.worker_id == worker_id:
        view = await _waited(call, view, worker_id, wait_seconds)
    brief = await call.services.brief(subtask_id, call.principal) if with_brief else ""
    text = "\n".join(_lines(view))
    return Reply(
        text=f"{text}\n\n{brief.strip()}" if brief else text,
        data={"subtask": view, "brief": brief} if brief else {"subtask": view},
    )


async def _waited(call: Call, view: SubtaskView, worker_id: str, wait_seconds: float) -> SubtaskView:
    """Keep the holder's lease, and give the subtask as it is once its blockers have answers, or after that time."""
    lease = HeldLease(subtask_id=view.id, lease_epoch=view.lease_epoch)
    await call.services.heartbeat(worker_id, HeartbeatRequest(leases=(lease,)), call.principal)
    call.patience.heard(worker_id, lease, call.principal)
    until = call.clock.monotonic() + wait_seconds
    while view.status == "blocked" and call.clock.monotonic() < until and not call.gone.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(call.gone.wait(), _LOOK_SECONDS)
        view = await call.services.subtask(view.id, call.principal)
    return view


def _lines(view: SubtaskView) -> list[str]:
    holder = f", worker_id {view.worker_id}, lease_epoch {view.lease_epoch}" if view.worker_id else ""
    lines = [
        f"{view.id} {view.title!r}: {view.status}{holder}",
        f"- {view.problems} problems in {', '.join(view.scope.files) or 'no files'}; {view.fraction:.0%} done",
    ]
    if view.note:
        lines.append(f"- {view.note}")
    lines += [f"- attempt {past.lease_epoch} by {past.worker_id}: {past.what}" for past in view.history]
    for blocker in view.blockers:
        answer = f"answered: {blocker.answer}" if blocker.answered_at else "open"
        lines.append(f"- blocker {blocker.number} ({blocker.policy}), {answer}")
    return lines
