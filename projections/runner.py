"""Keeps read models up to date: follows the feed, and stores rows together with the place they hold the ledger up to.

Rows and place are stored in one transaction, and only where the tables stand where this runner took them up: of two
runners one goes on, and the other begins again behind it. So each event is in each table exactly once, whoever is
killed when. Nothing decides by what is in memory here: a task that is not known (any more) is folded again from its
first event, by the code that a rebuild uses, so that both give the same rows.

An event that a read model cannot take in is set aside, where `pw projections` shows it, and the read model goes on
without it. What a read model cannot take in at all is left to a rebuild, which is strict.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import aclosing
from typing import LiteralString

import msgspec
import psycopg
import tenacity

from domain.errors import CursorError, LedgerError
from domain.events import RecordedEvent, TaskArchived, TaskSubmitted
from eventstore.doorbell import Doorbell
from eventstore.feed import POLL_SECONDS, Batch, Cursor, Feed
from eventstore.postgres.connection import Connection, connect, first_line, unreachable
from projections.builds import Build, Status, advance, load_builds
from projections.course import Course, Fault
from projections.projection import Projection, Row
from projections.reading import read_task
from projections.rows import put, remove_tasks

#: Subtasks of all tasks that are kept in memory, about three kilobytes each; tasks that were quiet longest go first.
SUBTASKS_KEPT_MAX = 50_000

#: Events of one transaction: folding them takes some ten milliseconds, in which a service in the same process waits.
EVENTS_AT_ONCE_MAX = 1000

#: How often the ledger is looked at where nobody rings, in seconds: tables may be a little late for once.
_POLL_SECONDS = 5.0

_RECONNECT = tenacity.wait_exponential_jitter(multiplier=0.1, max=5)

_IS_ARCHIVED: LiteralString = "SELECT EXISTS (SELECT FROM ledger.archive WHERE task_id = %s)"
_NEXT: LiteralString = """
    SELECT incarnation.id, event.position, event.message_id, event.task_id
    FROM ledger.event, ledger.incarnation
    WHERE position > %s
    ORDER BY position
    LIMIT 1
"""
_SET_ASIDE: LiteralString = """
    INSERT INTO projection.set_aside (name, task_id, position, error)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[])
    ON CONFLICT DO NOTHING
"""

_LOG = logging.getLogger(__name__)


Aside = tuple[str, str, int, str]
"""What could not be taken in: read model, task, position, reason."""


class _OutrunError(Exception):
    """Somebody else has moved the tables on, or put others in their place."""


class Runner:
    """Moves the tables of a status on, as far as they are of these read models' present versions."""

    def __init__(
        self,
        url: str,
        projections: Sequence[Projection],
        *,
        status: Status = "live",
        doorbell: Doorbell | None = None,
        strict: bool = False,
    ) -> None:
        self._url = url
        self._known = {projection.name: projection for projection in projections}
        self._status: Status = status
        # Where a doorbell says when to look, looking by oneself is for the case that it is deaf.
        self._feed = Feed(url, doorbell, poll_seconds=_POLL_SECONDS if doorbell else POLL_SECONDS)
        #: Whether an event that cannot be taken in ends it all.
        self._strict = strict
        self._builds: dict[str, Build] = {}
        self._position = 0
        self._courses: OrderedDict[str, Course] = OrderedDict()

    @property
    def position(self) -> int:
        """Up to where the read model that is furthest behind holds the ledger; 0 where none is of our version."""
        return self._position

    async def run(self) -> None:
        """Follow the ledger until cancelled; outlives the database being away, and rebuilds by others."""
        async for attempt in tenacity.AsyncRetrying(
            wait=_RECONNECT, retry=tenacity.retry_if_exception_type(Exception), before_sleep=_log_retry
        ):
            with attempt:
                while True:
                    with contextlib.suppress(_OutrunError):
                        await self._go(follow=True)
                        # There is nothing to keep up to date until somebody has rebuilt it.
                        await asyncio.sleep(POLL_SECONDS)

    async def catch_up(self, until: int | None = None) -> None:
        """Take in what is in the ledger, up to a position where one is given.

        Raises `LedgerError` where the database is away, or, being strict, an event cannot be taken in.
        """
        try:
            while True:
                try:
                    return await self._go(follow=False, until=until)
                except _OutrunError:
                    continue
        except psycopg.Error as error:
            raise unreachable(error) from error

    async def _go(self, *, follow: bool, until: int | None = None) -> None:
        async with await connect(self._url, "projections") as connection:
            await self._begin(connection)
            while self._builds:
                try:
                    await self._read(connection, follow=follow, until=until)
                except CursorError:
                    raise
                except LedgerError as error:
                    if self._strict or isinstance(error.__cause__, psycopg.Error):
                        raise
                    await self._pass_over(connection, error)
                else:
                    return

    async def _begin(self, connection: Connection) -> None:
        self._courses.clear()
        builds = await load_builds(connection, self._status)
        self._builds = {build.name: build for build in builds if self._is_ours(build)}
        self._position = min((build.position for build in self._builds.values()), default=0)

    def _is_ours(self, build: Build) -> bool:
        return build.name in self._known and self._known[build.name].version == build.version

    async def _read(self, connection: Connection, *, follow: bool, until: int | None) -> None:
        """Take in what the feed gives, event by event where a batch holds one that cannot be read."""
        if until is not None and self._position >= until:
            return
        batches = self._feed.batches(self._place(), follow=follow, batch_events_max=EVENTS_AT_ONCE_MAX)
        async with aclosing(batches):
            async for batch in batches:
                events = _up_to(batch.events, until)
                if events:
                    last = events[-1]
                    cursor = Cursor(batch.cursor.incarnation, last.position, last.event.message_id)
                    await self._take_in(connection, Batch(events, cursor))
                if until is not None and batch.cursor.position >= until:
                    return

    def _place(self) -> Cursor | None:
        return next(build.cursor for build in self._builds.values() if build.position == self._position)

    async def _pass_over(self, connection: Connection, error: LedgerError) -> None:
        """Set the next event that cannot be read aside, after what comes before it."""
        readable = self._feed.batches(self._place(), follow=False, batch_events_max=1)
        try:
            async with aclosing(readable):
                async for batch in readable:
                    await self._take_in(connection, batch)
        except CursorError:
            raise
        except LedgerError as found:
            if isinstance(found.__cause__, psycopg.Error):
                raise
            error = found
        row = await (await connection.execute(_NEXT, (self._position,))).fetchone()
        if row is None:
            return
        incarnation, position, message, task_id = row
        aside = [(name, str(task_id), int(position), str(error)) for name in self._builds]
        await self._store(connection, Cursor(incarnation, position, message), [], aside)

    # --- a batch ---

    async def _take_in(self, connection: Connection, batch: Batch) -> None:
        by_task: dict[str, list[RecordedEvent]] = {}
        for record in batch.events:
            by_task.setdefault(record.event.task_id, []).append(record)
        faults: list[Fault] = []
        courses: list[Course] = []
        for task_id, records in by_task.items():
            course = await self._course_before(connection, task_id, records, batch.cursor.position)
            if course is not None:
                courses.append(course)
                faults += [fault for record in records for fault in course.apply(record)]
        await self._store(connection, batch.cursor, courses, [_aside(fault) for fault in faults])
        self._forget_quiet_tasks()

    async def _course_before(
        self, connection: Connection, task_id: str, records: Sequence[RecordedEvent], last: int
    ) -> Course | None:
        """Give a task's course before these records; None where its events have left the ledger meanwhile.

        A course that has these records already does not take them in again.
        """
        archived = any(isinstance(record.event.body, TaskArchived) for record in records)
        opened = isinstance(records[0].event.body, TaskSubmitted)
        course = self._courses.pop(task_id, None)
        if archived:
            # The ledger has lost what came before: what is left is all that a rebuild would find.
            course = await self._fold(connection, task_id, last)
            course.begun_anew = True
        elif course is None:
            course = await self._fold(connection, task_id, 0 if opened else self._position)
            if not opened and not course.position and await self._is_archived(connection, task_id):
                return None
            # These rows are in the tables already.
            course.take()
            course.begun_anew = opened
        self._courses[task_id] = course
        return course

    async def _fold(self, connection: Connection, task_id: str, until: int) -> Course:
        course = Course([self._known[name] for name in self._builds])
        for record in await read_task(connection, task_id, until) if until else ():
            course.apply(record)
        return course

    async def _is_archived(self, connection: Connection, task_id: str) -> bool:
        return await (await connection.execute(_IS_ARCHIVED, (task_id,))).fetchone() == (True,)

    async def _store(
        self, connection: Connection, cursor: Cursor, courses: Sequence[Course], aside: Sequence[Aside]
    ) -> None:
        """Store what has changed, and the place, in one transaction; raises `_OutrunError` where others have."""
        renewed = [course.task_id for course in courses if course.begun_anew]
        changes: dict[str, list[Row]] = {name: [] for name in self._builds}
        refused: list[Aside] = []
        for course in courses:
            for name, rows, error in course.take():
                changes[name] += rows
                if error:
                    refused.append((name, course.task_id, course.position, error))
        async with connection.transaction():
            builds = await load_builds(connection, self._status, lock=True)
            if {build.name: build for build in builds if self._is_ours(build)} != self._builds:
                raise _OutrunError("the read models were moved on by others")
            behind = [build for build in self._builds.values() if build.position < cursor.position]
            for build in behind:
                projection = self._known[build.name]
                await remove_tasks(connection, build, renewed)
                for row, reason in await put(connection, projection, build, changes[build.name]):
                    refused.append((build.name, row["task_id"], row.get("position", cursor.position), reason))
            await self._set_aside(connection, [*aside, *refused])
            await advance(connection, self._status, [build.name for build in behind], cursor)
        for build in behind:
            moved = msgspec.structs.replace(build, position=cursor.position, cursor=cursor)
            self._builds[build.name] = moved
        self._position = cursor.position

    async def _set_aside(self, connection: Connection, aside: Sequence[Aside]) -> None:
        if not aside:
            return
        name, task_id, position, reason = aside[0]
        if self._strict:
            raise LedgerError(f"{name} cannot take in the event of {task_id} at position {position}: {reason}")
        told = {"projection": name, "task_id": task_id, "position": position, "reason": reason}
        _LOG.error("the event of %s at position %d is set aside: %s", task_id, position, reason, extra=told)
        await connection.execute(_SET_ASIDE, [list(column) for column in zip(*aside, strict=True)])

    def _forget_quiet_tasks(self) -> None:
        kept = sum(len(course) + 1 for course in self._courses.values())
        while kept > SUBTASKS_KEPT_MAX and len(self._courses) > 1:
            _, course = self._courses.popitem(last=False)
            kept -= len(course) + 1


def _up_to(events: Sequence[RecordedEvent], until: int | None) -> Sequence[RecordedEvent]:
    if until is None or events[-1].position <= until:
        return events
    return [record for record in events if record.position <= until]


def _aside(fault: Fault) -> Aside:
    return (fault.projection, fault.record.event.task_id, fault.record.position, fault.error)


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    expected = isinstance(error, psycopg.Error | LedgerError)
    reason = first_line(error) if error else ""
    _LOG.warning("read models wait", extra={"reason": reason}, exc_info=None if expected else error)
