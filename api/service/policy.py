"""How a task is to be done, as it was written down when the task was submitted."""

from __future__ import annotations

from typing import Any

import msgspec

from api.schemas import Policy, TaskRequest, ToolSpec
from domain.events import TaskSubmitted
from domain.lifecycle import Limits


def options_of(request: TaskRequest) -> dict[str, Any]:
    """Give what the ledger keeps of a request, beside its problems."""
    written: dict[str, Any] = {
        "worker": {"name": request.policy.worker_name},
        "tool": msgspec.to_builtins(request.tool) if request.tool is not None else None,
    }
    return {**written, **request.options, "policy": msgspec.to_builtins(request.policy)}


def policy_of(submitted: TaskSubmitted) -> Policy:
    """Read a task's policy; tasks of early releases have the one that stands for their limits."""
    if "policy" in submitted.options:
        return msgspec.convert(submitted.options["policy"], Policy)
    options = submitted.options
    worker = options.get("worker") or {}
    return Policy(
        strategy=options.get("strategy", "auto"),
        workers=options.get("jobs"),
        worker_kind=worker.get("kind", "agent"),
        worker_name=worker.get("name", ""),
        target=worker.get("target", "all"),
        gates=tuple(options.get("gates", ())),
        time_budget_seconds=options.get("time_budget_seconds"),
        phases_max=options.get("phases_max", 10),
        parks=False,
        backoff_seconds=0.0,
        **options.get("limits", {}),
    )


def tool_of(submitted: TaskSubmitted) -> ToolSpec | None:
    """Read how the task's problems are found again; None where nobody said."""
    tool = submitted.options.get("tool")
    return msgspec.convert(tool, ToolSpec) if tool else None


def limits_of(submitted: TaskSubmitted) -> Limits:
    """Give what the policy says about attempts."""
    policy = policy_of(submitted)
    required = tuple(dict.fromkeys((*policy.required_gates, *policy.gates)))
    checked = submitted.repository or required or policy.reviews
    return Limits(
        attempts_max=policy.attempts_max,
        losses_max=policy.losses_max,
        backoff_seconds=policy.backoff_seconds,
        parks=policy.parks,
        required_gates=required,
        reviews=policy.reviews,
        trusts=not checked,
        looks_again=tool_of(submitted) is not None,
        cost_max=policy.cost_max,
        gated=bool(submitted.repository or required),
        leases_max=policy.leases_max,
    )
