"""Tasks: opening one from a tool's output, looking again, and pausing, resuming and cancelling."""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
from collections.abc import Callable, Sequence

import msgspec

from api.auth.principal import Principal
from api.schemas import ObservationRequest, Policy, TaskRequest, Tree
from api.service.desk import Desk
from api.service.desks import Desks
from api.service.dispatcher import Dispatcher
from api.service.effort_model import EffortModel
from api.service.observations import Observations
from api.service.planning import Look, PhasePlan, completion, look, plan_phase, stall_reason, synthesis
from api.service.policy import options_of, policy_of, tool_of
from api.service.views import awaits_observation
from domain import events as e
from domain.errors import (
    BehindError,
    IdempotencyError,
    InvalidRequestError,
    LifecycleError,
    NotReportedError,
    VersionConflictError,
)
from domain.experience import Experience, experience_of
from domain.ids import TaskId, new_task_id
from domain.lifecycle import Draft, LoseWorker, Release, decide
from domain.planning.inputs import inputs_of
from domain.problem import Problem
from domain.readiness import more_to_come
from domain.task_state import LIVE, OVER, TaskState
from eventstore.clock import Clock
from eventstore.postgres.connection import connect
from projections.co_change import co_change

#: Analyses at once: each keeps a processor busy and holds a report in memory.
_ANALYSES_MAX = 2

OnPlanned = Callable[[TaskState, Look, PhasePlan | None], None]


class Tasks:
    """What is done with whole tasks."""

    def __init__(
        self,
        url: str,
        desks: Desks,
        dispatcher: Dispatcher,
        observations: Observations,
        effort_model: EffortModel,
        clock: Clock,
    ) -> None:
        self._url = url
        self._desks = desks
        self._dispatcher = dispatcher
        self._observations = observations
        self._effort_model = effort_model
        self._clock = clock
        self._analysing = asyncio.Semaphore(_ANALYSES_MAX)
        #: Told of each look that was taken in, and of the plan that was made of it.
        self.on_planned: OnPlanned = lambda _state, _look, _plan: None

    # --- opening ---

    async def submit(
        self, request: TaskRequest, report: bytes, principal: Principal, idempotency_key: str | None
    ) -> Desk:
        """Open a task and give its desk; see `Services.submit`."""
        task_id = self._name(request, principal, idempotency_key)
        submitted = e.TaskSubmitted(
            repository=request.tree.repository,
            prefix=request.tree.prefix,
            base_commit=request.tree.commit,
            branch=f"pw/{task_id}" if request.tree.repository else "",
            options=options_of(request),
            served=self._desks.only is None,
        )
        if idempotency_key is not None and (desk := await self._desks.of_entropy(task_id)) is not None:
            return _same(desk, task_id, submitted, report)
        policy = request.policy
        async with self._analysing:
            seen = await asyncio.to_thread(look, report, request.format, request.tree, policy)
            artifact = await self._observations.store(task_id, report, seen.report.problems)
            drafts = [Draft(submitted, task_id), Draft(seen.observed(1, artifact), task_id)]
            ending, plan = await self._plan(task_id, seen, policy, submitted)
        if plan is None:
            drafts += [Draft(body, task_id) for body in (self._synthesis(submitted, drafts), *ending)]
        else:
            drafts += plan.drafts(task_id, 1, 1)
        desk = self._desks.new(task_id)
        try:
            await desk.open(drafts)
        except VersionConflictError:
            if idempotency_key is None:
                raise
            # The same request came twice at once.
            return _same(await self._desks.get(task_id), task_id, submitted, report)
        desk = await self._desks.get(task_id)
        self.on_planned(desk.state, seen, plan)
        return desk

    def _name(self, request: TaskRequest, principal: Principal, idempotency_key: str | None) -> TaskId:
        if self._desks.only is not None:
            return self._desks.only
        name = request.name or posixpath.basename(request.tree.repository.rstrip("/")) or "task"
        if idempotency_key is None:
            return new_task_id(name, self._clock.entropy(8))
        # The key decides the name, so that no table of keys is needed: the ledger has a task once.
        digest = hashlib.sha256(f"{principal.key_id}\0{idempotency_key}".encode()).digest()
        return new_task_id(name, digest[:8])

    async def _plan(
        self, task_id: TaskId, seen: Look, policy: Policy, submitted: e.TaskSubmitted
    ) -> tuple[list[e.EventBody], PhasePlan | None]:
        """Plan a phase, or say how the task ends for want of work."""
        if not seen.targeted:
            return [completion(seen, policy)], None
        experience = await self.experience(submitted.repository)
        plan = await asyncio.to_thread(plan_phase, seen, policy, experience, task_id=task_id)
        if not plan.plan.subtasks:
            reason = f"none of the {len(seen.targeted)} problems that are left names a file"
            return [e.TaskStalled(reason=reason)], None
        tree = seen.tree
        inputs = inputs_of(tree.files, tree.imports, tree.code_owners, experience)
        kept = await self._observations.keep(task_id, await asyncio.to_thread(inputs.encoded))
        return [], msgspec.structs.replace(plan, inputs=kept)

    async def experience(self, repository: str) -> Experience:
        """Give what the ledger's history says of work on a repository."""
        async with await connect(self._url, "history") as connection:
            together = await co_change(connection, repository)
        # What is learnt while the plan is made must not change it half-way.
        model = self._effort_model.snapshot
        return await asyncio.to_thread(experience_of, model, together)

    @staticmethod
    def _synthesis(submitted: e.TaskSubmitted, drafts: Sequence[Draft]) -> e.TaskSynthesized:
        observed = [draft.body for draft in drafts if isinstance(draft.body, e.ProblemsObserved)]
        return synthesis(submitted, submitted.base_commit, observed[0], observed[-1])

    # --- looking again ---

    async def observe(self, task_id: str, request: ObservationRequest, report: bytes) -> Desk:
        """Take in a new look and give the task's desk; see `Services.observe`."""
        desk = await self._desks.get(TaskId(task_id))
        # What the look waits for may have been stored by another process just now.
        await desk.catch_up()
        state = desk.state
        _check_look(state, request.tree)
        policy = policy_of(state.submitted)
        tree = _tree_of(state, request.tree)
        # A task that was taken up after it had stalled is not held against the look that it stalled on.
        insists = state.observations[-1].phase > state.phase or state.status in OVER
        try:
            async with self._analysing:
                before = await self._observations.latest(state)
                seen = await asyncio.to_thread(
                    look, report, request.format, tree, policy, may_be_empty=tool_of(state.submitted) is not None
                )
                artifact = await self._observations.store(state.id, report, seen.report.problems)
                following, plan = await self._follow_up(state, seen, policy, None if insists else before)
        except BaseException:
            self._dispatcher.let_go_of_look(state.id)
            raise
        observed = seen.observed(state.phase + 1, artifact)

        def deciding(now: TaskState) -> list[e.Event]:
            _check_look(now, request.tree)
            if now.phase != state.phase or len(now.observations) != len(state.observations):
                raise NotReportedError(f"{task_id} was looked at by somebody else meanwhile")
            drafts = [Draft(e.TaskResumed(), now.id)] if now.status in OVER else []
            drafts.append(Draft(observed, now.id))
            if plan is None:
                drafts.append(Draft(synthesis(now.submitted, now.head, now.observations[0], observed), now.id))
                drafts += [Draft(body, now.id) for body in following]
            else:
                drafts += plan.drafts(now.id, now.phase + 1, len(now.subtasks) + 1)
            return [desk.event(draft) for draft in drafts]

        await desk.act(deciding)
        self.on_planned(desk.state, seen, plan)
        return desk

    async def _follow_up(
        self, state: TaskState, seen: Look, policy: Policy, before: Sequence[Problem] | None
    ) -> tuple[list[e.EventBody], PhasePlan | None]:
        if seen.targeted and before is not None:
            reason = stall_reason(state, before, seen, policy.phases_max)
            if reason is not None:
                return [e.TaskStalled(reason=reason)], None
        return await self._plan(state.id, seen, policy, state.submitted)

    # --- its course ---

    async def pause(self, task_id: str, reason: str, *, take_back: bool = False) -> Desk:
        """Hand out nothing more; with `take_back` also end what is held."""
        desk = await self._desks.get(TaskId(task_id))

        def deciding(state: TaskState) -> list[e.Event]:
            if state.status != "running":
                raise LifecycleError(f"{task_id} is {state.status}: only a running task can be paused")
            drafts = _take_back(state, f"the run was paused: {reason}", desk) if take_back else []
            return [desk.event(draft) for draft in (*drafts, Draft(e.TaskPaused(reason=reason), state.id))]

        await desk.act(deciding)
        return desk

    async def resume(self, task_id: str, reason: str) -> Desk:
        """Go on with a paused or stalled task."""
        desk = await self._desks.get(TaskId(task_id))

        def deciding(state: TaskState) -> list[e.Event]:
            if state.status not in ("paused", "stalled"):
                raise LifecycleError(f"{task_id} is {state.status}: only a paused or stalled task can be resumed")
            return [desk.event(Draft(e.TaskResumed(reason=reason), state.id))]

        await desk.act(deciding)
        return desk

    async def take_over(self, task_id: TaskId) -> Desk:
        """Go on with a task whose coordinator is gone: what its workers held is free again."""
        desk = await self._desks.get(task_id)

        def deciding(state: TaskState) -> list[e.Event]:
            drafts: list[Draft] = []
            for subtask in state.subtasks.values():
                if subtask.status in LIVE:
                    lost = LoseWorker(
                        subtask_id=subtask.id,
                        epoch=subtask.epoch,
                        reason=f"the coordinator of {subtask.worker_id} is gone",
                        coordinator_gone=True,
                    )
                    drafts += decide(state, lost, desk.limits)
            return [desk.event(draft) for draft in (*drafts, Draft(e.TaskResumed(), state.id))]

        await desk.act(deciding)
        return desk

    async def cancel(self, task_id: str, reason: str) -> Desk:
        """End a task for good."""
        desk = await self._desks.get(TaskId(task_id))

        def deciding(state: TaskState) -> list[e.Event]:
            if state.status in ("completed", "cancelled", "archived"):
                raise LifecycleError(f"{task_id} is {state.status} already")
            why = f"the task was cancelled: {reason}"
            drafts = [*_take_back(state, why, desk), *_without_answers(state, why)]
            return [desk.event(draft) for draft in (*drafts, Draft(e.TaskCancelled(reason=reason), state.id))]

        await desk.act(deciding)
        return desk


def _take_back(state: TaskState, reason: str, desk: Desk) -> list[Draft]:
    """Release everything that is held."""
    drafts: list[Draft] = []
    for subtask in state.subtasks.values():
        if subtask.status in LIVE:
            drafts += decide(state, Release(subtask_id=subtask.id, epoch=subtask.epoch, reason=reason), desk.limits)
    return drafts


def _without_answers(state: TaskState, reason: str) -> list[Draft]:
    """Close the questions that nobody waits for any more."""
    return [
        Draft(e.BlockerAnswered(number=blocker.number, text=reason, action="give_up"), subtask.id)
        for subtask in state.subtasks.values()
        for blocker in subtask.open_blockers
    ]


def _same(desk: Desk, task_id: TaskId, submitted: e.TaskSubmitted, report: bytes) -> Desk:
    state = desk.state
    if state.id != task_id:
        raise IdempotencyError(f"this idempotency key was used before, for {state.id}, with another name")
    if state.submitted != submitted or state.observations[0].artifact != hashlib.sha256(report).hexdigest():
        raise IdempotencyError(f"this idempotency key was used before, for {state.id}, with another content")
    return desk


def _check_look(state: TaskState, tree: Tree) -> None:
    if state.status in ("cancelled", "archived", "paused"):
        raise LifecycleError(f"{state.id} is {state.status}")
    if more_to_come(state):
        raise NotReportedError(f"phase {state.phase} of {state.id} still has work: it is looked at when that is done")
    if state.status not in OVER and not awaits_observation(state):
        raise NotReportedError(f"{state.id} does not wait for a look at its tree")
    if tree.commit and state.head and tree.commit != state.head:
        raise BehindError(f"the head of {state.id} is {state.head[:12]}, not {tree.commit[:12]}", state.head)
    if state.head and not tree.commit:
        raise InvalidRequestError(f"tree.commit is missing: say which commit of {state.id} was looked at")


def _tree_of(state: TaskState, given: Tree) -> Tree:
    """Fill in what the task knows of its tree already."""
    submitted = state.submitted
    return msgspec.structs.replace(
        given,
        repository=given.repository or submitted.repository,
        prefix=given.prefix or submitted.prefix,
        commit=given.commit or state.head,
    )
