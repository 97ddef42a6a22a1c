"""From what is known of a task to the question when it will be done."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from domain.estimation.eta import OpenSubtask, Question
from domain.estimation.features import Report
from domain.estimation.simulation import Crew
from domain.estimation.subtasks import features_of, slow_down
from domain.ids import SubtaskId
from domain.matching import effective_priority
from domain.task_state import ENDED, LIVE, Blocker, SubtaskState, TaskState

#: Who has ended a subtask so short a time ago is taken to be there still: it is about to ask for the next one.
_STILL_THERE_SECONDS = 30.0
#: What a subtask costs beside its active time before any has ended, in seconds, and the subtasks that this is worth.
_OVERHEAD_SECONDS, _OVERHEAD_WORTH = 0.5, 2


class Workforce(msgspec.Struct, frozen=True, kw_only=True):
    """Who there is beside the workers that hold a subtask of the task."""

    #: Workers that wait for work and may be given the task's.
    waiting: frozenset[str] = frozenset()
    #: So many whoever runs the task keeps at it; None: it is done by whoever asks for work.
    kept: int | None = None
    #: Live leases at once; None: no limit.
    leases_max: int | None = None


def question_of(state: TaskState, position: int, now: datetime, workers: int, ageing_seconds: float) -> Question:
    """Ask when so many workers will be done with the present phase of a task.

    `position` is that of the last event in the state. A subtask that has waited for `ageing_seconds` is one priority
    more urgent.
    """
    subtasks = still_open(state)
    places = {subtask.id: place for place, subtask in enumerate(subtasks)}
    slower = slow_down(state.submitted, min(workers, len(subtasks)))
    return Question(
        task=state.id,
        position=position,
        subtasks=tuple(_open_subtask(state, subtask, places, now, ageing_seconds) for subtask in subtasks),
        crew=(Crew(),) * workers,
        overhead_seconds=overhead_seconds(state),
        slow_down=slower,
    )


def why_unknown(state: TaskState, workers: int) -> str:
    """Say in words why there is no telling when the phase will be done; empty where there is."""
    if state.status == "paused":
        return f"{state.id} is paused, and nothing is handed out until it is resumed"
    if state.status != "running":
        return f"{state.id} is {state.status}"
    if not state.decompositions:
        return "nothing is planned yet"
    if not still_open(state):
        return f"round {state.phase} has come to its end"
    if not workers:
        recommended = state.decompositions[-1].recommended_workers
        return f"no worker is there to do it: it can be asked what {recommended}, as recommended, would take"
    return ""


def still_open(state: TaskState) -> list[SubtaskState]:
    """List the subtasks of the phase from which something is still to come."""
    return [subtask for subtask in state.in_phase() if subtask.status not in ENDED]


def workers_there(state: TaskState, workforce: Workforce, now: datetime) -> int:
    """Count the workers that do the task's work: those that hold it, wait for it, or have just ended some."""
    live = [subtask for subtask in state.subtasks.values() if subtask.status in LIVE]
    holders = {subtask.worker_id for subtask in live}
    since = now - timedelta(seconds=_STILL_THERE_SECONDS)
    lately = {
        subtask.last_worker
        for subtask in state.subtasks.values()
        if subtask.ended_at is not None and subtask.ended_at >= since and subtask.last_worker is not None
    }
    # Whoever holds one and waits for another has two hands.
    there = len(live) + len(workforce.waiting) + len(lately - holders - workforce.waiting)
    if workforce.kept is not None:
        there = max(workforce.kept, len(live))
    if workforce.leases_max is not None:
        there = min(there, max(workforce.leases_max, len(live)))
    return there


def overhead_seconds(state: TaskState) -> float:
    """Give what a subtask costs its worker beside the active time, as measured at those that have ended."""
    measured = [
        max((subtask.ended_at - subtask.claimed_at).total_seconds() - subtask.worked_seconds, 0.0)
        for subtask in state.subtasks.values()
        # Of one that was tried again, the worked time is that of all attempts.
        if subtask.status == "accepted" and subtask.epoch == 1 and subtask.ended_at and subtask.claimed_at
    ]
    return (_OVERHEAD_SECONDS * _OVERHEAD_WORTH + sum(measured)) / (_OVERHEAD_WORTH + len(measured))


def active_seconds(subtask: SubtaskState, now: datetime) -> float:
    """Give how long the present attempt has been at work, without the time that it was blocked."""
    if subtask.started_at is None:
        return 0.0
    # By the worker's own clock, which may be far behind: it has not begun before it had the subtask.
    began = max(subtask.started_at, subtask.claimed_at or subtask.started_at)
    until = min(subtask.blocked_at or now, now)
    return max((until - began).total_seconds() - subtask.idle_seconds, 0.0)


def _open_subtask(
    state: TaskState, subtask: SubtaskState, places: Mapping[SubtaskId, int], now: datetime, ageing_seconds: float
) -> OpenSubtask:
    plan = subtask.plan
    live, reported = subtask.status in LIVE, subtask.status == "reported"
    blocker = _blocker(subtask)
    awaited = None if blocker is None or blocker.waits_for is None else places.get(blocker.waits_for)
    depends_on = {places[other] for other in _awaited(state, plan.depends_on) if other in places}
    if awaited is not None and not live:
        depends_on.add(awaited)
    ready_at = subtask.ready_at or now
    tool = state.observations[-1].tool if state.observations else ""
    return OpenSubtask(
        id=subtask.id,
        worker_id=subtask.worker_id or "",
        features=features_of(state.id, state.submitted, plan, tool, subtask.worker_id),
        elapsed_seconds=active_seconds(subtask, now) if live and not reported else None,
        report=_report(subtask) if live else None,
        reported=reported,
        limit_seconds=subtask.budget_seconds,
        priority=effective_priority(plan.priority, ready_at, now, ageing_seconds),
        effort_seconds=plan.effort.p50,
        files=plan.scope.holds,
        depends_on=() if live else tuple(sorted(depends_on)),
        blocked_seconds=_since(blocker.opened_at, now) if blocker and (live or awaited is None) else None,
        waits_for=awaited if live else None,
        opens_in=_since(now, subtask.not_before) if subtask.not_before and not live else 0.0,
    )


def _blocker(subtask: SubtaskState) -> Blocker | None:
    """Give what it waits for an answer to; None where it does not."""
    blockers = subtask.open_blockers
    return blockers[0] if blockers and subtask.status in ("blocked", "parked") else None


def _awaited(state: TaskState, depends_on: Collection[SubtaskId]) -> Iterator[SubtaskId]:
    """Give what must end before: in place of what was split, its parts."""
    for subtask_id in depends_on:
        yield subtask_id
        if subtask_id in state.subtasks:
            yield from _awaited(state, state.subtasks[subtask_id].split_into)


def _report(subtask: SubtaskState) -> Report | None:
    if not subtask.completed or not subtask.total or subtask.moved_at is None:
        return None
    return Report(
        elapsed_seconds=active_seconds(subtask, subtask.moved_at),
        fraction=min(subtask.completed / subtask.total, 1.0),
    )


def _since(earlier: datetime, later: datetime) -> float:
    return max((later - earlier).total_seconds(), 0.0)
