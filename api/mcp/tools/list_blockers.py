"""`list_blockers`: what keeps workers of a task from going on."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from api.mcp.arguments import Cursor, Limit, TaskName
from api.mcp.tool import READERS, Call, Reply, tool
from api.schemas import BlockerView


@tool("List blockers", roles=READERS, reads_only=True)
async def list_blockers(
    call: Call,
    *,
    task_id: TaskName,
    open_only: Annotated[bool, Meta(description="Leave out those that have an answer.")] = True,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Reply:
    """List what the workers of a task are blocked by, oldest first, and what is done about it."""
    page = await call.services.blockers(task_id, open_only=open_only, cursor=cursor, limit=limit)
    lines = [_line(blocker) for blocker in page.blockers] or ["Nobody is blocked."]
    return Reply(
        text="\n".join(lines),
        data={"blockers": page.blockers, "next_cursor": page.next_cursor},
        next=f"There are more: list_blockers with cursor {page.next_cursor}." if page.next_cursor else "",
    )


def _line(blocker: BlockerView) -> str:
    facts = msgspec.to_builtins(blocker.issue)
    kind = facts.pop("kind")
    said = ", ".join(str(value) for value in facts.values())
    answer = f"answered: {blocker.answer}" if blocker.answered_at else f"open, {blocker.policy}"
    return f"- {blocker.subtask_id} blocker {blocker.number}, {kind}: {said} ({blocker.worker_id}; {answer})"
