"""The brief of a subtask, as its task's tool and gates have it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from api.service.policy import policy_of, tool_of
from domain.brief import write_brief
from domain.problem import Problem
from domain.task_state import SubtaskState, TaskState


def brief_of(state: TaskState, subtask: SubtaskState, problems: Sequence[Problem], report: str) -> str:
    """Write a brief; `report` is the file that messages go to, empty for an agent that speaks to the service."""
    return write_brief(
        subtask,
        problems,
        check=_check(state, subtask.plan.scope.files),
        gates=policy_of(state.submitted).gates,
        report=report,
    )


def _check(state: TaskState, files: Sequence[str]) -> str:
    """Spell the tool's command so that it can be run at the root of the tree; empty where nobody said which it is."""
    tool, prefix = tool_of(state.submitted), state.submitted.prefix
    if tool is None:
        return ""
    if tool.scoped:
        # A path must not be taken for an option.
        paths = [f"./{path}" if path.startswith("-") else path for path in files]
        return shlex.join([part for word in tool.argv for part in (paths if word == "{files}" else [word])])
    return (f"cd {shlex.quote(prefix)} && " if prefix else "") + shlex.join(tool.argv)
