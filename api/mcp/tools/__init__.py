"""The tools, one a file."""

from __future__ import annotations

from api.mcp.tool import Tool
from api.mcp.tools.claim_subtask import claim_subtask
from api.mcp.tools.get_subtask import get_subtask
from api.mcp.tools.get_task import get_task
from api.mcp.tools.list_blockers import list_blockers
from api.mcp.tools.list_tasks import list_tasks
from api.mcp.tools.release_subtask import release_subtask
from api.mcp.tools.report_blocked import report_blocked
from api.mcp.tools.report_progress import report_progress
from api.mcp.tools.start_subtask import start_subtask
from api.mcp.tools.submit_subtask import submit_subtask

#: In the order in which they are used.
TOOLS: tuple[Tool, ...] = (
    claim_subtask,
    start_subtask,
    report_progress,
    report_blocked,
    submit_subtask,
    release_subtask,
    list_tasks,
    get_task,
    get_subtask,
    list_blockers,
)
