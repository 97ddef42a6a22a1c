"""What a check needs to know of the service that it is about: passed in, because the service builds on this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain import events as e
from domain.lifecycle import Draft, Limits
from domain.planning.inputs import PlanningInputs
from domain.problem import Problem
from domain.task_state import TaskState


class Looked(Protocol):
    """What a tool said, read again, and what the service would make of it."""

    @property
    def problems(self) -> Sequence[Problem]:
        """All problems, in the order of the output."""

    @property
    def observed(self) -> e.ProblemsObserved:
        """The event that stands for the look."""

    def plan(self, inputs: PlanningInputs | None) -> list[Draft]:
        """Group and split what was seen, and give the events of the plan.

        Without `inputs` only the first of them, the groups, means anything. Raises `ModelError` where the model of
        efforts is not kept, or cannot be used.
        """

    def ending(self, targeted: int, before: Sequence[Problem] | None) -> list[e.EventBody]:
        """Say how the task ends with a look of which so many problems are to be removed; none where it goes on.

        `before` are the problems of the look before, where the task may have stalled on them.
        """


class Rules(Protocol):
    """How the service decides today."""

    def limits(self, submitted: e.TaskSubmitted) -> Limits:
        """Give what a task's policy says about attempts."""

    def look(
        self, state: TaskState, observed: e.ProblemsObserved, data: bytes, inputs: PlanningInputs | None
    ) -> Looked:
        """Read a tool's output again; `state` is the task's before it.

        Without `inputs` no file is known to be missing. Raises a `ParallelWorkersError` where it cannot be read.
        """
