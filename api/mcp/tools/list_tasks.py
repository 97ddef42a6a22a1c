"""`list_tasks`: what there is to do, and how far it is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.mcp.arguments import Cursor, Limit
from api.mcp.tool import READERS, Call, Reply, tool
from api.schemas import TaskView


@tool("List tasks", roles=READERS, reads_only=True)
async def list_tasks(
    call: Call,
    *,
    status: Annotated[
        str | None, Meta(description="Only tasks with this status: running, paused, completed, stalled, cancelled.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Reply:
    """List the tasks, newest first, each with its status and how much of it is done."""
    page = await call.services.tasks(status=status, cursor=cursor, limit=limit)
    lines = [_line(task) for task in page.tasks] or ["There are no tasks."]
    return Reply(
        text="\n".join(lines),
        data={"tasks": page.tasks, "next_cursor": page.next_cursor},
        next=f"There are more: list_tasks with cursor {page.next_cursor}." if page.next_cursor else "",
    )


def _line(task: TaskView) -> str:
    reason = f" ({task.reason})" if task.reason else ""
    return (
        f"- {task.id}: {task.status}{reason}, phase {task.phase}, {task.percent:.0f} %, "
        f"{task.targeted} problems to remove, {task.repository}"
    )
