"""What was done in each round of a task: which attempts kept whom busy for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import get_args

import msgspec
from sqlmodel import SQLModel

from domain import events as e
from domain.events import RecordedEvent
from domain.ids import SubtaskId
from domain.task_state import TaskState
from projections.course import Course
from projections.projection import Projection, Recent, Row, Step
from projections.report import is_taking_over

#: All, since any may be the last one before nobody ran the task.
_HEARD: frozenset[type] = frozenset(get_args(e.EventBody))
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
    #: From when to when nobody ran the task: it was paused, or its coordinator was gone.
    unattended: list[tuple[datetime, datetime]] = []

    @property
    def seconds(self) -> float:
        """How long it took, without the time in which nobody ran the task."""
        return self.attended_seconds(self.began_at, self.ended_at)

    def attended_seconds(self, since: datetime, until: datetime) -> float:
        """Give the time between two moments in which somebody ran the task."""
        away = sum(max((min(end, until) - max(begin, since)).total_seconds(), 0.0) for begin, end in self.unattended)
        return max((until - since).total_seconds() - away, 0.0)

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
        self._at: datetime | None = None
        self._parked: dict[str, datetime] = {}

    def apply(self, step: Step) -> None:
        if self._at is not None and self._at < step.at and self.rounds and is_taking_over(step.body):
            self.rounds[-1].unattended.append((self._at, step.at))
        self._at = step.at
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
            done.holds.append(
                Hold(
                    worker_id=attempt.worker_id,
                    seconds=current.attended_seconds(attempt.claimed_at, attempt.ended_at),
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
