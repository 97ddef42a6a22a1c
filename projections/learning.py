"""How the ledger trains the effort model: each attempt that ends is a completion, in the ledger's order.

A fold like the read models: what comes out at a position depends on the events up to it and on nothing else, whether
they are read at once or as they come. What this release cannot read is passed over in both cases.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import LiteralString, Protocol

import psycopg
from sqlmodel import SQLModel

from domain import events as e
from domain.errors import CursorError
from domain.estimation.features import Completion, Features, Issued, Report
from domain.estimation.learner import Learner
from domain.estimation.shipped import SHIPPED
from domain.estimation.subtasks import features_of, keeps_processor_busy
from domain.events import RecordedEvent
from eventstore.feed import Cursor, Feed, log_passed_over
from eventstore.postgres.connection import Connection, connect, unreachable
from projections.attempts import Attempt
from projections.course import Course
from projections.projection import MESSAGES, Projection, Recent, Row, Step
from projections.reading import read_task, settled_position

#: Endings after which nobody knows how long the work would have taken: at least as long as it did.
CENSORED = frozenset({"failed", "lost", "timed_out", "released", "parked", "held", "split"})
#: Endings after which the work had to be done again, for a reason that was the attempt's own.
_FAILED = frozenset({"failed", "rejected", "lost", "timed_out"})

#: Reports of an attempt that count: the first in each tenth of the work, as a worker may report each second.
_REPORTS_TENTHS = 10

#: Events of one batch: folding them takes some tens of milliseconds.
_EVENTS_AT_ONCE = 2_000
#: Tasks that are kept in memory; those that were quiet longest go first, and are read again when they go on.
_TASKS_KEPT_MAX = 1_000

_HEARD = MESSAGES | {
    e.SubtaskClaimed, e.LeaseExpired, e.SubtaskReleased, e.SubtaskRejected, e.SubtaskAccepted, e.SubtaskHeld,
    e.SubtaskSplit, e.BlockerAnswered,
}  # fmt: skip

# The last event up to a position, which is the place that a reader goes on from.
_PLACE: LiteralString = """
    SELECT incarnation.id, event.position, event.message_id
    FROM ledger.event, ledger.incarnation
    WHERE position <= %s
    ORDER BY position DESC
    LIMIT 1
"""


def measured_seconds(attempt: Attempt, submitted: e.TaskSubmitted) -> float:
    """Give what counts as an attempt's time: no blocks, and no waiting for a processor where it keeps one busy."""
    if attempt.cpu_seconds and keeps_processor_busy(submitted):
        return attempt.cpu_seconds
    return attempt.active_seconds


class Observer(Protocol):
    """Somebody who watches attempts begin and end."""

    def claimed(self, attempt: Attempt, features: Features) -> None:
        """Take note of an attempt that is about to begin."""

    def ended(self, attempt: Attempt, completion: Completion) -> None:
        """Take note of one that has ended; nobody has learnt from it yet."""


class _Fold:
    """Listens to one task, and hands on each attempt that ends."""

    def __init__(self, ended: list[Completion], observer: Observer | None) -> None:
        self._ended = ended
        self._observer = observer
        self._reports: dict[Attempt, dict[int, Report]] = {}
        self._issued: dict[Attempt, Issued] = {}

    def apply(self, step: Step) -> None:
        attempt, body = step.attempt, step.body
        if attempt is None:
            return
        if isinstance(body, e.Progress):
            self._report(step, attempt, body)
        elif isinstance(body, e.SubtaskClaimed):
            if (said := body.forecast) is not None:
                self._issued[attempt] = Issued(mean=said.mean, spread=said.spread, doubt=said.doubt)
            if self._observer is not None:
                self._observer.claimed(attempt, _features(step, attempt))
        if step.ended is not None:
            self._end(step, attempt)

    def take(self, _: Recent) -> Iterable[Row]:
        """Give nothing: there is no table."""
        return ()

    def _report(self, step: Step, attempt: Attempt, body: e.Progress) -> None:
        elapsed = _between(attempt.started_at, step.record.event.occurred_at) - attempt.blocked_seconds
        if body.total <= 0 or elapsed <= 0.0 or keeps_processor_busy(step.task.submitted):
            return
        fraction = min(body.completed / body.total, 1.0)
        tenth = int(fraction * _REPORTS_TENTHS)
        self._reports.setdefault(attempt, {}).setdefault(tenth, Report(elapsed_seconds=elapsed, fraction=fraction))

    def _end(self, step: Step, attempt: Attempt) -> None:
        reports = tuple(self._reports.pop(attempt, {}).values())
        issued = self._issued.pop(attempt, None)
        submitted, outcome = step.task.submitted, step.ended or ""
        seconds = measured_seconds(attempt, submitted)
        # What was never taken up, or by a clock that stands still, says nothing about time.
        if attempt.started_at is None or seconds <= 0.0:
            return
        completion = Completion(
            position=step.record.position,
            features=_features(step, attempt),
            seconds=seconds,
            censored=outcome in CENSORED,
            issued=issued,
            reports=reports,
            failed=outcome in _FAILED,
            blocked_seconds=attempt.blocked_seconds,
        )
        self._ended.append(completion)
        if self._observer is not None:
            self._observer.ended(attempt, completion)


def _features(step: Step, attempt: Attempt) -> Features:
    task = step.task
    tool = task.observations[-1].tool if task.observations else ""
    return features_of(task.id, task.submitted, attempt.plan, tool, attempt.worker_id)


def _between(begin: datetime | None, end: datetime) -> float:
    return (end - begin).total_seconds() if begin is not None else 0.0


class Lessons:
    """Follows the attempts of all tasks; of a task whose beginning it has not seen it has to be told."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._ended: list[Completion] = []
        self._courses: OrderedDict[str, Course] = OrderedDict()
        self._listening = Projection(
            name="learning", version=1, table=SQLModel, fold=lambda: _Fold(self._ended, observer), events=_HEARD
        )

    def know(self, records: Iterable[RecordedEvent]) -> bool:
        """Tell whether events can be taken in, one after the other."""
        begun: set[str] = set()
        for record in records:
            task_id = record.event.task_id
            if task_id in self._courses or task_id in begun:
                continue
            if not isinstance(record.event.body, e.TaskSubmitted):
                return False
            begun.add(task_id)
        return True

    def remember(self, task_id: str, past: Sequence[RecordedEvent]) -> None:
        """Take up a task again: nothing is learnt of what is past."""
        course = self._courses[task_id] = Course([self._listening])
        for record in past:
            course.apply(record)
        self._ended.clear()

    def take_in(self, record: RecordedEvent) -> list[Completion]:
        """Take in the next event; gives the attempts that have ended with it."""
        task_id = record.event.task_id
        course = self._courses.get(task_id)
        if course is None:
            course = self._courses[task_id] = Course([self._listening])
            while len(self._courses) > _TASKS_KEPT_MAX:
                self._courses.popitem(last=False)
        # An event that cannot be taken in changes nothing, here as in every other fold.
        course.apply(record)
        if isinstance(record.event.body, e.TaskCompleted | e.TaskCancelled | e.TaskArchived):
            del self._courses[task_id]
        else:
            self._courses.move_to_end(task_id)
        ended, self._ended[:] = list(self._ended), []
        return ended


class Training:
    """A learner on its way through the ledger."""

    def __init__(
        self, url: str, learner: Learner | None = None, position: int = 0, *, observer: Observer | None = None
    ) -> None:
        self.learner = learner if learner is not None else Learner(prior=SHIPPED)
        #: How far the ledger was read.
        self.position = position
        self._url = url
        self._lessons = Lessons(observer)

    async def read(
        self,
        until: int | None = None,
        *,
        on_progress: Callable[[int, int], None] | None = None,
        events_at_once: int = _EVENTS_AT_ONCE,
    ) -> None:
        """Learn what is settled in the ledger, up to a position where one is given.

        `on_progress` is told how far it is of how far it has to go. Raises `LedgerError` where the database is away,
        and `CursorError` where the ledger was restored from a backup that lacks what was learnt.
        """
        async with self._connected() as connection:
            settled = await settled_position(connection)
            until = settled if until is None else min(until, settled)
            if settled < self.position:
                raise CursorError(
                    f"the effort model has learnt up to position {self.position:,}, and the ledger ends at"
                    f" {settled:,}: pw train --at {settled}"
                )
            if until <= self.position:
                return
            place = await _place(connection, self.position)
            feed = Feed(self._url, on_unreadable=log_passed_over)
            batches = feed.batches(place, follow=False, batch_events_max=events_at_once)
            async with aclosing(batches):
                async for batch in batches:
                    wanted = [one for one in batch.events if self.position < one.position <= until]
                    await self._take_in(connection, wanted)
                    if on_progress is not None:
                        on_progress(min(batch.cursor.position, until), until)
                    if batch.cursor.position >= until:
                        break
            self.position = until

    async def take_in(self, records: Sequence[RecordedEvent]) -> int:
        """Learn from the next events of the ledger, all of them; gives how many attempts have ended with them.

        What was read before changes nothing.
        """
        fresh = [record for record in records if record.position > self.position]
        if self._lessons.know(fresh):
            return self._learn(fresh)
        async with self._connected() as connection:
            return await self._take_in(connection, fresh)

    async def _take_in(self, connection: Connection, records: Sequence[RecordedEvent]) -> int:
        ended = 0
        for record in records:
            if not self._lessons.know((record,)):
                past = await read_task(connection, record.event.task_id, record.position - 1)
                self._lessons.remember(record.event.task_id, past)
            ended += self._learn([record])
        return ended

    def _learn(self, records: Iterable[RecordedEvent]) -> int:
        before = self.learner.state.completions
        for record in records:
            for completion in self._lessons.take_in(record):
                self.learner.learn(completion)
            self.position = record.position
        return self.learner.state.completions - before

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        try:
            async with await connect(self._url, "learning") as connection:
                yield connection
        except psycopg.Error as error:
            raise unreachable(error) from error


async def _place(connection: Connection, position: int) -> Cursor | None:
    row = await (await connection.execute(_PLACE, (position,))).fetchone()
    return Cursor(*row) if row is not None else None
