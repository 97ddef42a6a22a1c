"""What the ledger says of a subtask that its estimate rests on: features, and what counts as its time.

All of it is in the events `task_submitted`, `problems_observed` (the tool) and `subtask_planned`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from domain.analysis.catalogue import entry_for
from domain.effort import category_of
from domain.estimation.features import Features
from domain.events import SubtaskPlanned, TaskSubmitted
from domain.ids import TaskId

#: Stands for a worker that is not known yet: one that nothing was learnt of.
SOMEBODY = "somebody"
#: Stands for a task that is not there yet.
NO_TASK = "new"


def features_of(
    task_id: TaskId, submitted: TaskSubmitted, plan: SubtaskPlanned, tool: str, worker_id: str | None = None
) -> Features:
    """Give what is known of an attempt before it starts; without a worker, of one by whoever will take it up."""
    category = plan.effort.category or _category(submitted, plan, tool)
    return Features(
        category=category,
        project=submitted.repository,
        worker=worker_of(submitted, worker_id),
        decomposition=siblings_in(task_id, category),
        planned_seconds=plan.effort.prior or None,
        problems=len(plan.problems),
        files=len(plan.scope.files),
    )


def worker_of(submitted: TaskSubmitted, worker_id: str | None) -> str:
    """Name whose experience counts.

    The workers of a `pw run` are places of one program, so it is the program's; a service's workers are their own.
    """
    program = _policy(submitted).get("worker_name") or (submitted.options.get("worker") or {}).get("name") or ""
    if worker_id is None or not submitted.served:
        return program or worker_id or SOMEBODY
    return worker_id


def siblings_in(task_id: str, category: str) -> str:
    """Name what the parts of a task have in common; empty for scripts, which keep their pace from task to task."""
    return "" if category.startswith("script") else task_id or NO_TASK


def keeps_processor_busy(submitted: TaskSubmitted) -> bool:
    """Tell whether an attempt's time is that of its processor: waiting for one is no work."""
    return _policy(submitted).get("cores") is not None


def slow_down(submitted: TaskSubmitted, workers: int) -> float:
    """Give by how much more than their time attempts last where so many workers share the processors."""
    cores = _policy(submitted).get("cores")
    return max(1.0, workers / cores) if isinstance(cores, int) and cores > 0 else 1.0


def _policy(submitted: TaskSubmitted) -> dict[str, Any]:
    policy = submitted.options.get("policy")
    return policy if isinstance(policy, dict) else {}


def _category(submitted: TaskSubmitted, plan: SubtaskPlanned, tool: str) -> str:
    """Name the kind of work where the plan does not: early releases did not write it down."""
    kind = _policy(submitted).get("worker_kind") or (submitted.options.get("worker") or {}).get("kind")
    if kind == "script":
        return category_of("script", "automatic")
    domains = Counter(entry_for(tool, code).domain for code in plan.scope.codes)
    return category_of("agent", "local", min(domains, key=lambda domain: (-domains[domain], domain), default=""))
