"""What was done in each round of a task: which attempts kept whom busy for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlmodel import SQLModel

from domain import events as e
from domain.events import RecordedEvent
from domain.ids import SubtaskId
from domain.task_state import TaskState
from projections.course import Course
from projections.projection import MESSAGES, Projection, Recent, Row, Step

_HEARD = MESSAGES | {
    e.ProblemsObserved, e.TaskAnalyzed, e.PhaseStarted, e.TaskPaused, e.TaskResumed, e.SubtaskPlanned,
    e.SubtaskClaimed, e.LeaseExpired, e.SubtaskReleased, e.RetryScheduled, e.SubtaskRejected, e.SubtaskAccepted,
    e.SubtaskHeld, e.SubtaskSplit, e.BlockerAnswered,
}  # fmt: skip
#: Work that waits so long, with a worker to do it, would have been taken up.
_GONE_SECONDS = 5.0
_ENDINGS = (e.SubtaskAccepted, e.SubtaskHeld, e.SubtaskSplit)


class Hold(msgspec.Struct, kw_only=True):
    """One attempt."""

    worker_id: str
    #: From the claim to the end: for so long its worker could do nothing else.
    seconds: float
    #: At work in that time, without blocks.
    active_seconds: float
    #: How it has ended (`projections.attempts`).
    outcome: str
    #: For how long nobody was to take the subtask up after it: pauses before retries, and parked.
    apart_seconds: float = 0.0


class Done(msgspec.Struct, kw_only=True):
    """A subtask of a round, and its attempts in their order."""

    id: SubtaskId
    plan: e.SubtaskPlanned
    holds: list[Hold] = []
    split_into: tuple[SubtaskId, ...] = ()


class Round(msgspec.Struct, kw_only=True):
    """A phase, from its plan to the end of its last subtask."""

    phase: int
    #: The task before the look that the round rests on, and the look.
    before: TaskState
    observed: e.ProblemsObserved
    #: Under which hash lies what else the plan rests on; empty: not recorded.
    inputs: str
    began_at: datetime
    ended_at: datetime
    subtasks: dict[SubtaskId, Done] = {}
    #: By worker, in seconds from the beginning: when it took up its first work.
    joined: dict[str, float] = {}
    #: When each was done with the last that it had taken up, so far.
    last_there: dict[str, float] = {}
    #: Since when work had waited that somebody took up at last: from, to, and who it was.
    waits: list[tuple[float, float, str]] = []
    paused_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it took, without the time that the task was paused."""
        return max((self.ended_at - self.began_at).total_seconds() - self.paused_seconds, 0.0)

    @property
    def left(self) -> dict[str, float]:
        """Give the workers that went away, and when.

        Nobody says so. Whoever took nothing up any more, while something waited that another one did later, was gone.
        """
        return {
            worker: last
            for worker, last in self.last_there.items()
            if any(
                worker != taker and last < until and until - max(last, since) > _GONE_SECONDS
                for since, until, taker in self.waits
            )
        }


def rounds_of(events: Sequence[RecordedEvent]) -> list[Round]:
    """Fold a task's events into its rounds; those of which no subtask has ended are left out."""
    fold = _Fold()
    listening = Projection(name="rounds", version=1, table=SQLModel, fold=lambda: fold, events=_HEARD)
    course = Course([listening])
    for record in events:
        course.apply(record)
    return [one for one in fold.rounds if any(done.holds for done in one.subtasks.values())]


class _Fold:
    def __init__(self) -> None:
        self.rounds: list[Round] = []
        self._look: tuple[TaskState, e.ProblemsObserved] | None = None
        self._inputs = ""
        self._paused_at: datetime | None = None
        self._parked: dict[str, datetime] = {}

    def apply(self, step: Step) -> None:
        match step.body:
            case e.ProblemsObserved() as body:
                self._look = _before(step.task), body
            case e.TaskAnalyzed(inputs=inputs):
                self._inputs = inputs
            case e.PhaseStarted(phase=phase) if self._look is not None:
                before, observed = self._look
                self.rounds.append(
                    Round(
                        phase=phase, before=before, observed=observed, inputs=self._inputs,
                        began_at=step.at, ended_at=step.at,
                    )
                )  # fmt: skip
            case e.TaskPaused():
                self._paused_at = step.at
            case e.TaskResumed() if self._paused_at is not None and self.rounds:
                self.rounds[-1].paused_seconds += (step.at - self._paused_at).total_seconds()
                self._paused_at = None
            case _ if step.after is not None and self.rounds:
                self._follow(step, self.rounds[-1])

    def take(self, _: Recent) -> Iterable[Row]:
        """Give nothing: there is no table."""
        return ()

    def _follow(self, step: Step, current: Round) -> None:
        after = step.after
        if after is None:
            return
        if isinstance(step.body, e.SubtaskPlanned):
            current.subtasks[after.id] = Done(id=after.id, plan=step.body)
        if (done := current.subtasks.get(after.id)) is None:
            return
        since = (step.at - current.began_at).total_seconds()
        if isinstance(step.body, e.SubtaskClaimed):
            worker = after.worker_id or ""
            current.joined.setdefault(worker, since)
            ready_at = step.before.ready_at if step.before is not None else None
            if ready_at is not None:
                current.waits.append(((ready_at - current.began_at).total_seconds(), since, worker))
        self._end(step, current, done, since)
        if isinstance(step.body, e.RetryScheduled) and done.holds:
            done.holds[-1].apart_seconds += step.body.after_seconds
        self._park(step, done)

    def _park(self, step: Step, done: Done) -> None:
        if step.after is not None and step.after.status == "parked":
            self._parked.setdefault(done.id, step.at)
        elif done.id in self._parked and done.holds:
            done.holds[-1].apart_seconds += (step.at - self._parked.pop(done.id)).total_seconds()

    def _end(self, step: Step, current: Round, done: Done, since: float) -> None:
        attempt = step.attempt
        if step.ended is not None and attempt is not None and attempt.ended_at is not None:
            seconds = max((attempt.ended_at - attempt.claimed_at).total_seconds(), 0.0)
            done.holds.append(
                Hold(
                    worker_id=attempt.worker_id,
                    seconds=seconds,
                    active_seconds=attempt.active_seconds,
                    outcome=step.ended,
                )
            )
            current.last_there[attempt.worker_id] = since
        if isinstance(step.body, e.SubtaskSplit):
            done.split_into = step.body.into
        if step.ended is not None or isinstance(step.body, _ENDINGS):
            current.ended_at = max(current.ended_at, step.at)


def _before(task: TaskState) -> TaskState:
    """Give the task before its latest look."""
    return msgspec.structs.replace(task, observations=task.observations[:-1], subtasks=dict(task.subtasks))
