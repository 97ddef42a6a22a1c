"""Which subtasks can be handed out, and what follows by itself when others come to an end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain import events as e
from domain.ids import SubtaskId, short
from domain.task_state import ENDED, LIVE, OVER, SubtaskState, TaskState

_MILESTONES = (25, 50, 75, 100)


def unclaimable_reason(state: TaskState, subtask: SubtaskState) -> str | None:
    """Say why a subtask cannot be handed out now; None where it can."""
    if state.status != "running":
        return f"{state.id} is {state.status}"
    if subtask.status == "planned":
        return f"{short(subtask.id)} {_what_it_waits_for(state, subtask)}"
    if subtask.status != "ready":
        return f"{short(subtask.id)} is {subtask.status}"
    if (other := holder_of_its_files(state, subtask)) is not None:
        held = min(subtask.plan.scope.holds & other.plan.scope.holds)
        return f"{short(subtask.id)} shares {held} with {short(other.id)}, which {other.worker_id} holds"
    return None


def _what_it_waits_for(state: TaskState, subtask: SubtaskState) -> str:
    if subtask.open_blockers:
        return f"waits for an answer: {subtask.open_blockers[0].detail}"
    if waiting := [other for other in subtask.plan.depends_on if not state.is_done(other)]:
        return f"waits for {', '.join(map(short, waiting))}"
    return f"is tried again at {subtask.not_before:%H:%M:%S} UTC" if subtask.not_before else "is not ready yet"


def holder_of_its_files(state: TaskState, subtask: SubtaskState) -> SubtaskState | None:
    """Give the live subtask that works in a file of this one."""
    files = subtask.plan.scope.holds
    for other in state.subtasks.values():
        if other.status in LIVE and other.id != subtask.id and not files.isdisjoint(other.plan.scope.holds):
            return other
    return None


def claimable(state: TaskState) -> list[SubtaskState]:
    """List what can be handed out now, most urgent first."""
    if state.status != "running":
        return []
    held = held_files(state.subtasks.values())
    ready = (s for s in state.in_phase() if s.status == "ready" and held.isdisjoint(s.plan.scope.holds))
    return sorted(ready, key=lambda subtask: (subtask.plan.priority, -subtask.plan.effort.p50))


def held_files(subtasks: Iterable[SubtaskState]) -> frozenset[str]:
    """Give the files that live subtasks work in."""
    return frozenset().union(*(subtask.plan.scope.holds for subtask in subtasks if subtask.status in LIVE))


def newly_ready(state: TaskState, now: datetime | None = None) -> list[SubtaskId]:
    """List the planned subtasks that nothing holds back any longer.

    What depends on a held subtask is let go as well: it may fail, but it must not wait for ever. A retry that is
    put off is let go when its time has come by `now`; without `now` it waits. A task that is over has none.
    """
    if state.status in OVER:
        return []
    return [
        subtask.id
        for subtask in state.subtasks.values()
        if subtask.status == "planned"
        and subtask.plan.phase == state.phase
        and not subtask.open_blockers
        and (subtask.not_before is None or (now is not None and subtask.not_before <= now))
        and all(state.is_done(other) for other in subtask.plan.depends_on)
    ]


def more_to_come(state: TaskState) -> bool:
    """Tell whether the present phase has subtasks that are not at their end."""
    return any(
        subtask.status not in ENDED and subtask.plan.phase == state.phase for subtask in state.subtasks.values()
    )


def milestones(state: TaskState) -> list[e.MilestoneReached]:
    """List the quarters of the phase's weight that have been accepted since the last one."""
    total = done = 0.0
    # One pass, because this is asked with every subtask that ends.
    for subtask in state.subtasks.values():
        if subtask.plan.phase == state.phase and subtask.status != "split":
            total += subtask.plan.effort.p50
            if subtask.status == "accepted":
                done += subtask.plan.effort.p50
    percent = 100.0 * done / total if total else 0.0
    reached = [mark for mark in _MILESTONES if state.milestone < mark <= percent + 1e-9]
    return [e.MilestoneReached(phase=state.phase, percent=mark) for mark in reached]


def waits_that_are_over(state: TaskState) -> list[tuple[SubtaskId, e.BlockerAnswered]]:
    """List the answers for those who wait for a subtask that has come to its end."""
    return [
        (subtask.id, e.BlockerAnswered(number=blocker.number, text=_how_it_ended(state, blocker.waits_for)))
        for subtask in state.subtasks.values()
        if subtask.blockers
        for blocker in subtask.open_blockers
        if blocker.waits_for is not None and state.is_done(blocker.waits_for)
    ]


def _how_it_ended(state: TaskState, subtask_id: SubtaskId) -> str:
    other = state.subtasks[subtask_id]
    said = f": {other.note}" if other.note else ""
    return f"{short(subtask_id)} is {other.status}{said}; the head is {state.head or 'as it was'}"


def closing(state: TaskState) -> list[e.EventBody]:
    """Say how a task ends whose tree nobody can look at again, once its phase has come to its end."""
    if state.status != "running" or not state.phase or more_to_come(state):
        return []
    subtasks = [subtask for subtask in state.in_phase() if subtask.status != "split"]
    held = [subtask for subtask in subtasks if subtask.status == "held"]
    if not held:
        return [e.TaskCompleted(summary=f"{len(subtasks)} subtasks accepted; nobody has looked at the tree again")]
    why = "; ".join(f"{short(subtask.id)} {subtask.note}" for subtask in held[:3])
    return [e.TaskStalled(reason=f"{len(held)} of {len(subtasks)} subtasks are held: {why}")]


def over_budget(state: TaskState, cost_max: float | None) -> list[e.EventBody]:
    """Pause a task whose workers have used up what they may cost, in US dollars: nothing more is handed out.

    Whoever lets it go on all the same grants as much again.
    """
    if cost_max is None or state.status != "running" or state.cost - state.cost_before < cost_max:
        return []
    granted = state.cost_before + cost_max
    reason = f"the workers have cost ${state.cost:.2f}, and may cost ${granted:.2f}"
    return [e.TaskPaused(reason=reason, cost=state.cost)]
