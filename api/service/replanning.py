"""The service's rules as `projections.replay.check` asks for them: today's, on what was recorded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from api.schemas import Tree
from api.service.planning import Look, completion, look, plan_phase, stall_reason, synthesis
from api.service.policy import limits_of, policy_of, tool_of
from domain import events as e
from domain.experience import Experience
from domain.lifecycle import Draft, Limits
from domain.planning.inputs import PlanningInputs
from domain.problem import Problem
from domain.task_state import TaskState


class LookedAgain:
    """A tool's output, read again; see `Looked`."""

    def __init__(self, state: TaskState, seen: Look, recorded: e.ProblemsObserved) -> None:
        self._state = state
        self._seen = seen
        self._policy = policy_of(state.submitted)
        self.observed = seen.observed(recorded.phase, recorded.artifact)

    @property
    def problems(self) -> Sequence[Problem]:
        """All problems, in the order of the output."""
        return self._seen.report.problems

    def plan(self, inputs: PlanningInputs | None) -> list[Draft]:
        """Group and split what was seen, and give the events of the plan."""
        state = self._state
        experience = inputs.experience if inputs is not None else Experience()
        plan = plan_phase(self._seen, self._policy, experience, task_id=state.id)
        return plan.drafts(state.id, self.observed.phase, len(state.subtasks) + 1)

    def ending(self, targeted: int, before: Sequence[Problem] | None) -> list[e.EventBody]:
        """Say how the task ends with the look; none where it goes on."""
        state = self._state
        if (ends := self._end(targeted, before)) is None:
            return []
        first = state.observations[0] if state.observations else self.observed
        return [synthesis(state.submitted, state.head, first, self.observed), ends]

    def _end(self, targeted: int, before: Sequence[Problem] | None) -> e.EventBody | None:
        if not targeted:
            return completion(self._seen, self._policy)
        if before is not None:
            # Of which problems there are so many does not matter here.
            seen = msgspec.structs.replace(self._seen, targeted=tuple(range(targeted)))
            reason = stall_reason(self._state, before, seen, self._policy.phases_max)
            if reason is not None:
                return e.TaskStalled(reason=reason)
        if not any(self.problems[index].path for index in self._seen.targeted):
            return e.TaskStalled(reason=f"none of the {targeted} problems that are left names a file")
        return None


class ServiceRules:
    """How the service decides today; see `Rules`."""

    def limits(self, submitted: e.TaskSubmitted) -> Limits:
        """Give what a task's policy says about attempts."""
        return limits_of(submitted)

    def look(
        self, state: TaskState, observed: e.ProblemsObserved, data: bytes, inputs: PlanningInputs | None
    ) -> LookedAgain:
        """Read a tool's output again; see `Rules`."""
        submitted = state.submitted
        known = inputs or PlanningInputs()
        tree = Tree(
            repository=submitted.repository,
            prefix=submitted.prefix,
            commit=observed.commit,
            root=observed.root or None,
            files=known.files,
            imports=known.imports,
            code_owners=known.code_owners,
        )
        # The first look is the submitter's: one that says nothing is no report.
        may_be_empty = bool(state.observations) and tool_of(submitted) is not None
        seen = look(data, observed.format, tree, policy_of(submitted), may_be_empty=may_be_empty)
        return LookedAgain(state, seen, observed)
