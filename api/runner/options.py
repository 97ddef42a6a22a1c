"""What a run was asked to do: kept in the ledger, so that a resumed run does the same."""

from __future__ import annotations

from typing import Any

import msgspec

from api.runner.tool import Tool
from api.runner.workers import WorkerSpec
from api.schemas import Policy
from domain.planning.request import Strategy


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides how a task is done."""

    tool: Tool
    worker: WorkerSpec
    strategy: Strategy = "auto"
    #: Workers at once; None takes the recommended number.
    jobs: int | None = None
    #: The user's own checks, each a command without a shell.
    gates: tuple[str, ...] = ()
    #: Time budget of an attempt, in seconds; None leaves it to the estimate.
    time_budget_seconds: float | None = None
    #: Failed attempts before a subtask is held.
    attempts_max: int = 3

    def to_payload(self) -> dict[str, Any]:
        """Give the options as plain values for the ledger."""
        payload: dict[str, Any] = msgspec.to_builtins(self)
        return payload

    def policy(self, cores: int) -> Policy:
        """Say how the task is to be done by a run that nobody else works for: it waits for no answer and no hour."""
        worker = self.worker
        return Policy(
            strategy=self.strategy,
            workers=self.jobs,
            worker_kind=worker.kind,
            worker_name=worker.name,
            target=worker.target,
            gates=self.gates,
            time_budget_seconds=self.time_budget_seconds,
            attempts_max=self.attempts_max,
            backoff_seconds=0.0,
            cores=cores if worker.cpu_bound else None,
            parks=False,
        )

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> RunOptions:
        """Read the options of a task from the ledger."""
        return msgspec.convert(payload, cls)
