"""What a run was asked to do: kept in the ledger, so that a resumed run does the same."""

from __future__ import annotations

from typing import Any

import msgspec

from api.run.tool import Tool
from api.run.workers import WorkerSpec
from domain.lifecycle import Limits
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
    limits: Limits = Limits()
    #: Rounds of observing and working before the run gives up.
    phases_max: int = 10

    def to_payload(self) -> dict[str, Any]:
        """Give the options as plain values for the ledger."""
        payload: dict[str, Any] = msgspec.to_builtins(self)
        return payload

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> RunOptions:
        """Read the options of a task from the ledger."""
        return msgspec.convert(payload, cls)
