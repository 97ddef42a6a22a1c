"""`get_task`: one task, its progress, and when it will be done."""

from __future__ import annotations

from api.mcp.arguments import TaskName
from api.mcp.tool import READERS, Call, Reply, tool
from api.schemas import ProgressView, TaskView


@tool("Get a task", roles=READERS, reads_only=True)
async def get_task(call: Call, *, task_id: TaskName) -> Reply:
    """Show how a task stands: its subtasks by status, how much is done, and when the phase will end."""
    task = await call.services.task(task_id)
    progress = await call.services.progress(task_id)
    return Reply(text="\n".join(_lines(task, progress)), data={"task": task, "progress": progress})


def _lines(task: TaskView, progress: ProgressView) -> list[str]:
    subtasks = ", ".join(f"{count} {status}" for status, count in task.subtasks.items())
    lines = [
        f"{task.id}: {task.status}{f' ({task.reason})' if task.reason else ''}",
        f"- phase {task.phase}, {progress.percent:.0f} % done, {progress.accepted} of {progress.total} accepted",
        f"- subtasks: {subtasks or 'none'}",
        f"- problems: {task.problems}, of which {task.targeted} are to be removed",
        f"- repository {task.repository}, branch {task.branch}, head {task.head}",
    ]
    if progress.eta_p50_seconds is not None and progress.eta_p80_seconds is not None:
        lines.append(
            f"- the phase ends in {progress.eta_p50_seconds:.0f} s, with 80 % certainty"
            f" within {progress.eta_p80_seconds:.0f} s"
        )
    if task.awaits_observation:
        lines.append("- somebody has to look at the tree again before the next phase")
    return lines
