"""The brief: a subtask as one page of Markdown for whoever does the work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from domain.blockers import describe_issue
from domain.ids import short
from domain.problem import Problem
from domain.scope import TaskScope
from domain.task_state import Blocker, SubtaskState

#: Problems listed in full; more would bury the rest of the page.
_LISTED_MAX = 60

_FOLDER = "in the folder that you were started in"
_ROOT = "at the root of the tree"


def write_brief(
    subtask: SubtaskState, problems: Sequence[Problem], *, check: str, gates: Sequence[str], report: str
) -> str:
    """Write what, where, what not to touch, when it is done, how to verify, and how to hand over.

    `problems` are the subtask's own; `check` is the command that finds them, empty where it is not known; `report` is
    the file for messages, empty for a worker that speaks to the service itself.
    """
    scope = subtask.plan.scope
    sections = [
        f"# {short(subtask.id)} {subtask.plan.title}",
        _what(subtask, len(problems)),
        _what_was_tried(subtask),
        _what_was_answered(subtask),
        _where(scope),
        _do_not_touch(scope),
        f"## Done when\n\n- {f'`{check}`' if check else 'The tool'} shows none of the problems below and no new ones"
        " in these files.\n- Nothing has changed that you may not change.\n"
        + "".join(f"- {requirement}\n" for requirement in scope.quality)
        + "".join(f"- `{gate}` ends with exit code 0.\n" for gate in gates),
        f"## How to verify\n\nRun this {_FOLDER if report else _ROOT}:\n\n    {check}\n" if check else "",
        _hand_over(subtask, report) if report else _hand_over_to_service(subtask),
        f"## The problems\n\n{_listing(problems, check)}",
    ]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _what(subtask: SubtaskState, count: int) -> str:
    scope = subtask.plan.scope
    return (
        f"## What\n\nRemove {count} problems in {len(scope.files)} files ({', '.join(scope.codes) or 'no codes'}). "
        f"They are one subtask because: {subtask.plan.reason}."
    )


def _where(scope: TaskScope) -> str:
    if not scope.included_files:
        return "## Where\n\nYou may change these files and no others:\n\n" + _bullets(scope.files)
    elsewhere = ", ".join(f"`{pattern}`" for pattern in scope.included_files)
    return (
        f"## Where\n\nThe problems show in these files:\n\n{_bullets(scope.files)}\n\n"
        "The cure may lie at one definition elsewhere: mend it there, and not at every place. So you may also change"
        f" files like {elsewhere}."
    )


def _what_was_tried(subtask: SubtaskState) -> str:
    if not subtask.history:
        return ""
    lines = "\n".join(f"- Attempt {note.epoch} by {note.worker_id}: {note.what}" for note in subtask.history)
    return f"## What was tried before\n\n{lines}"


def _what_was_answered(subtask: SubtaskState) -> str:
    answered = [blocker for blocker in subtask.blockers if _is_answered(blocker)]
    if not answered:
        return ""
    lines = "\n".join(
        f"- {blocker.worker_id} {describe_issue(blocker.issue)}: {blocker.text}" for blocker in answered
    )
    return f"## What was answered before\n\n{lines}"


def _is_answered(blocker: Blocker) -> bool:
    # What is for people to answer, the service only closes: because its worker is gone, or went on without.
    closed = blocker.by == "service" and blocker.policy in ("ask", "park")
    return blocker.answered_at is not None and bool(blocker.text) and not closed


def _do_not_touch(scope: TaskScope) -> str:
    excluded = ", ".join(scope.excluded_codes)
    files = ", ".join(f"`{pattern}`" for pattern in scope.excluded_files)
    lines = [
        f"These codes in your files, which are another subtask's: {excluded}." if excluded else "",
        f"Files like {files}." if files else "",
        *scope.constraints,
        "Any other file: the change would be refused as a whole.",
        "The configuration of the tool, and comments that silence it, unless a problem asks for just that.",
        "Git: do not commit, switch branches or push; your changes are taken from the working tree.",
    ]
    return "## Do not touch\n\n" + "".join(f"- {line}\n" for line in lines if line)


def _hand_over(subtask: SubtaskState, report: str) -> str:
    budget = subtask.budget_seconds
    return (
        "## How to hand over\n\n"
        f"Leave your changes in the working tree and end with exit code 0, within {budget:.0f} seconds. On the "
        f"way, append messages to `{report}`, one JSON object a line:\n\n"
        '    {"type": "progress", "completed": 3, "total": 10, "status": "what you do now"}\n'
        '    {"type": "completed", "summary": "what you changed and why"}\n'
        '    {"type": "blocked", "issue": {"kind": "scope_clarification", "question": "..."}}\n\n'
        "If you cannot do it, say why with a `blocked` line and end with exit code 1.\n"
    )


def _hand_over_to_service(subtask: SubtaskState) -> str:
    budget = subtask.budget_seconds
    return (
        "## How to hand over\n\n"
        f"Leave your changes in the working tree, and say within {budget:.0f} seconds that you are done: by MCP"
        " `submit_subtask`, over HTTP a message `completed`. On the way say how far you are, and say what keeps you"
        " from going on instead of guessing.\n"
    )


def _listing(problems: Sequence[Problem], check: str) -> str:
    by_path: defaultdict[str, list[str]] = defaultdict(list)
    for problem in problems[:_LISTED_MAX]:
        line = problem.range.line if problem.range else "?"
        message = problem.message.partition("\n")[0]
        hint = next((f" (suggested: {s.message})" for s in problem.suggestions if s.message), "")
        by_path[problem.path].append(f"- line {line}: {problem.code} {message}{hint}")
    text = "\n\n".join(f"### {path}\n\n" + "\n".join(lines) for path, lines in by_path.items())
    more = len(problems) - _LISTED_MAX
    rest = f"And {more} more: the command above lists them all." if check else f"And {more} more."
    return f"{text}\n\n{rest}" if more > 0 else text


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- `{line}`" for line in lines)
