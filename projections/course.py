"""A task's course: its events folded once, by the domain, and shown to every read model step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from domain import events as e
from domain.evolution import evolve, evolve_subtask
from domain.ids import SubtaskId, is_task_stream
from domain.task_state import SubtaskState, TaskState
from projections.attempts import Attempt, blocked_seconds
from projections.projection import MESSAGES, Fold, Projection, Recent, Row, Step
from projections.report import is_taking_over

# What is compared with for each event, without a look into the module.
_Accepted, _Claimed, _Progress = e.SubtaskAccepted, e.SubtaskClaimed, e.Progress
#: The events that a task, or what an archive has left of it, begins with.
_OPENING: frozenset[type] = frozenset({e.TaskSubmitted, e.TaskArchived})
#: Before some of these nobody ran the task.
_MAY_TAKE_OVER: frozenset[type] = frozenset({e.LeaseExpired, e.TaskResumed, e.TaskArchived})

_Route = Sequence[tuple[str, Callable[[Step], None]]]
"""Names of read models, and what takes a step in for each."""


class Fault(NamedTuple):
    """An event that a read model could not take in."""

    projection: str
    record: e.RecordedEvent
    error: str


class Taken(NamedTuple):
    """The rows of a read model that have changed."""

    projection: str
    rows: list[Row]
    #: Why there are none, where they could not be made.
    error: str = ""


class Course:
    """One task as far as its events were taken in, and its read models.

    An event that cannot be taken in changes nothing, and is left out from then on: whoever folds the same events
    again leaves out the same ones.

    Most events are reports of progress, and most of these say only how far their worker has got. Of those in a row
    the last says all. So only that one gets into the subtask's state, when something else comes or somebody looks,
    and a step is made of them only where a read model asks for it (`Projection.events`).
    """

    def __init__(self, projections: Sequence[Projection]) -> None:
        self._projections = tuple(projections)
        self._shows_reports = any(_Progress in one.events for one in projections)
        #: Whether rows that were made of the task before are void.
        self.begun_anew = False
        self.task_id = ""
        #: Of the last event.
        self.position = 0
        #: Of the last event before rows were last taken.
        self._taken_position = 0
        self._begin()

    def _begin(self) -> None:
        self._task: TaskState | None = None
        self._subtasks: dict[SubtaskId, SubtaskState] = {}
        self._attempts: dict[SubtaskId, Attempt] = {}
        #: Those with reports, of which no step was made, since rows were last taken.
        self._reporting: dict[Attempt, None] = {}
        self._wall_seconds = 0.0
        self._at: datetime | None = None
        self._folds: list[Fold] = [projection.fold() for projection in self._projections]
        #: By type of event, and whether it tells more than that: the read models that it concerns.
        self._routes: tuple[dict[type, _Route], dict[type, _Route]] = ({}, {})

    def __len__(self) -> int:
        """Give the number of subtasks: about what the course takes up in memory."""
        return len(self._subtasks)

    @property
    def task(self) -> TaskState | None:
        """The task as far as its events were taken in; its subtasks go on changing with later ones."""
        self._take_in_reports()
        return self._task

    def apply(self, record: e.RecordedEvent) -> list[Fault]:
        """Take in the next event; gives the read models that could not, with the reason.

        One that was taken in already changes nothing.
        """
        if record.position <= self.position:
            return []
        event = record.event
        self.position, self.task_id = record.position, event.task_id
        subtask_id = SubtaskId(event.stream_id)
        attempt = self._attempts.get(subtask_id)
        if attempt is not None and type(event.body) is _Progress and _only_reports(event, event.body, attempt):
            attempt.heard = record
            self._reporting[attempt] = None
            if not self._shows_reports:
                attempt.is_ahead = True
                self._pass_time(event.occurred_at, event.body, _Progress)
                return []
        try:
            step = self._step(record, subtask_id, attempt)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with an event must not end the fold of the others
            return [Fault(one.name, record, _reason(error)) for one in self._projections]
        faults: list[Fault] = []
        tells = step.moved or step.usage is not None
        for name, apply in self._routes[tells].get(step.kind) or self._route(step.kind, tells):
            try:
                apply(step)
            except Exception as error:  # noqa: BLE001 - as above
                faults.append(Fault(name, record, _reason(error)))
        return faults

    def _route(self, kind: type, tells: bool) -> _Route:  # noqa: FBT001 - the place of the table
        """Find out what takes in the events of a type that tell more than that, or do not."""
        pairs = zip(self._projections, self._folds, strict=True)
        heard = [(one, fold) for one, fold in pairs if kind in one.events or (tells and kind in one.tells)]
        route = self._routes[tells][kind] = [(one.name, fold.apply) for one, fold in heard]
        return route

    def take(self) -> list[Taken]:
        """Give by read model the rows that are new or other than when they were last taken."""
        self.begun_anew = False
        if self._task is None or self.position == self._taken_position:
            return [Taken(one.name, []) for one in self._projections]
        self._taken_position = self.position
        self._take_in_reports()
        recent = Recent(self._task, self._wall_seconds, self._reporting)
        self._reporting = {}
        return [_taken(one.name, fold, recent) for one, fold in zip(self._projections, self._folds, strict=True)]

    # This is where a rebuild's time goes: types are compared rather than asked for, and nothing is done twice.
    def _step(self, record: e.RecordedEvent, subtask_id: SubtaskId, attempt: Attempt | None) -> Step:
        event = record.event
        body = event.body
        kind = type(body)
        if attempt is not None and attempt.is_ahead:
            self._take_in_report(attempt)
        before = self._subtasks.get(subtask_id)
        task = self._task
        if before is None or task is None or kind in _OPENING:
            return self._first_step(record, subtask_id)
        after = self._subtasks[subtask_id] = evolve_subtask(before, event)
        self._pass_time(event.occurred_at, body, kind)
        if kind is _Accepted:
            self._task = task = _with_head(task, body)
        moved = after.status != before.status
        usage = body.usage if kind in MESSAGES else None  # type: ignore[union-attr]
        step = Step(record, event, event.occurred_at, body, kind, task, before, after, moved, usage, attempt)
        self._follow(step, before, after)
        return step

    def _take_in_reports(self) -> None:
        for attempt in self._reporting:
            if attempt.is_ahead:
                self._take_in_report(attempt)

    def _take_in_report(self, attempt: Attempt) -> None:
        attempt.is_ahead = False
        if attempt.heard is not None:
            event = attempt.heard.event
            subtask_id = SubtaskId(event.stream_id)
            self._subtasks[subtask_id] = evolve_subtask(self._subtasks[subtask_id], event)

    def _pass_time(self, at: datetime, body: e.EventBody, kind: type) -> None:
        """Count the time up to an event, unless nobody ran the task."""
        # A clock that was set back must not give time back.
        if self._at is not None and at > self._at and not (kind in _MAY_TAKE_OVER and is_taking_over(body)):
            self._wall_seconds += (at - self._at).total_seconds()
        self._at = at

    def _first_step(self, record: e.RecordedEvent, subtask_id: SubtaskId) -> Step:
        """Take in an event of the task's own, or the first one of a subtask."""
        self._take_in_reports()
        event, task = record.event, self._task
        kind = type(event.body)
        if task is None or kind in _OPENING:
            task = self._open(event)
        elif task.status != "archived":
            if not is_task_stream(event.stream_id):
                after = self._subtasks[subtask_id] = evolve_subtask(None, event)
                self._pass_time(event.occurred_at, event.body, kind)
                return Step(record, event, event.occurred_at, event.body, kind, task, None, after, moved=True)
            task = self._task = evolve(task, event)
        self._pass_time(event.occurred_at, event.body, kind)
        return Step(record, event, event.occurred_at, event.body, kind, task)

    def _open(self, event: e.Event) -> TaskState:
        """Begin with a task: with its first event, or with what an archive has left of it."""
        opened = evolve(self._task, event)
        if opened is not self._task:
            self.begun_anew = self.begun_anew or self._task is not None
            self._begin()
            # Changed in place from here on: a copy for each event would cost more than all the rest.
            self._task = opened = msgspec.structs.replace(opened, subtasks=self._subtasks)
        return opened

    def _follow(self, step: Step, before: SubtaskState, after: SubtaskState) -> None:
        if step.kind is _Claimed:
            step.attempt = self._attempts[after.id] = Attempt.claimed(before, after, step.event)
            return
        attempt = step.attempt
        if attempt is None:
            return
        if after.worked_seconds != before.worked_seconds:
            step.worked_seconds = after.worked_seconds - before.worked_seconds
        if before.blocked_at is not None:
            step.blocked_seconds = blocked_seconds(before, after, step.event)
        step.ended = attempt.follow(step, before, after)


def _only_reports(event: e.Event, body: e.Progress, attempt: Attempt) -> bool:
    """Tell whether the worker says how far it is, and no more: not that it goes on, nor what it has used up."""
    return body.usage is None and attempt.outcome == "running" and attempt.epoch == event.lease_epoch


def _taken(name: str, fold: Fold, recent: Recent) -> Taken:
    try:
        return Taken(name, list(fold.take(recent)))
    except Exception as error:  # noqa: BLE001 - one read model's fault must not end the others
        return Taken(name, [], _reason(error))


def _with_head(task: TaskState, body: e.EventBody) -> TaskState:
    commit = body.commit if isinstance(body, e.SubtaskAccepted) else ""
    return msgspec.structs.replace(task, head=commit) if commit else task


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
