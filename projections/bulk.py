"""Folding many tasks at once into empty tables, in processes of their own if need be.

Each process works on whole tasks, one after the other, in the snapshot that it was given, and copies their rows.
"""

from __future__ import annotations

import gc
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
import psycopg
from psycopg.rows import TupleRow

from domain.errors import RebuildError
from projections.course import Course, Fault
from projections.models import named
from projections.reading import TASK_STORED_BYTES_MAX, read_tasks
from projections.rows import as_csv, copy

#: Events of the tasks that one process folds over the same two connections, about.
CHUNK_EVENTS = 200_000
#: Of so many the rows are in memory at once, about.
_STORED_EVENTS = 50_000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be folded, and into what."""

    url: str
    #: As `pg_export_snapshot` names it.
    snapshot: str
    #: Everything up to here.
    position: int
    #: The number of the table of each read model.
    tables: dict[str, int]


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some tasks: those from one name to another, as the database orders them."""

    first: str
    last: str
    events: int
    #: Whether one of them is too large to be read at once.
    is_large: bool


def chunks_of(tasks: Iterable[tuple[str, int, int]]) -> Iterator[Chunk]:
    """Put tasks with their numbers of events and stored bytes, in their order, into chunks of about the same size."""
    first, last, events, is_large = "", "", 0, False
    for task_id, count, stored_bytes in tasks:
        if events and events + count > CHUNK_EVENTS:
            yield Chunk(first=first, last=last, events=events, is_large=is_large)
            events, is_large = 0, False
        first, last, events = (first if events else task_id), task_id, events + count
        is_large = is_large or stored_bytes > TASK_STORED_BYTES_MAX
    if events:
        yield Chunk(first=first, last=last, events=events, is_large=is_large)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Start processes in this block that leave interrupts to this one; it gets its own after the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Look for no circles in this block: what is folded holds none, and looking takes a sixth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def begin_process() -> None:
    """Have a process end with the one that started it, and look for no circles."""
    gc.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        # Killed: nobody waits for what is under way, and its snapshot keeps the database from cleaning up.
        os._exit(1)


def fold_chunk(order: Order, chunk: Chunk) -> int:
    """Fold the tasks of a chunk and store their rows; gives the number of events.

    Raises `RebuildError` where an event cannot be taken in, or the rows cannot be stored.
    """
    try:
        with (
            psycopg.connect(order.url, application_name="pw rebuild reads") as reading,
            psycopg.connect(order.url, application_name="pw rebuild writes") as writing,
        ):
            reading.execute("SET TIME ZONE 'UTC'")
            reading.commit()
            reading.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            reading.execute(f"SET TRANSACTION SNAPSHOT '{order.snapshot}'")  # type: ignore[arg-type, unused-ignore]
            return _fold(reading, writing, order, chunk)
    except psycopg.Error as error:
        raise RebuildError(f"the read models are as they were: {' '.join(str(error).split())}") from error


def _fold(
    reading: psycopg.Connection[TupleRow], writing: psycopg.Connection[TupleRow], order: Order, chunk: Chunk
) -> int:
    texts = _Texts(writing, order.tables)
    course = Course(texts.projections)
    count = stored = 0
    for records in read_tasks(reading, chunk.first, chunk.last, order.position, in_parts=chunk.is_large):
        if records[0].event.task_id != course.task_id:
            texts.add(course)
            course = Course(texts.projections)
            if count - stored >= _STORED_EVENTS:
                texts.store()
                stored = count
        for record in records:
            if faults := course.apply(record):
                raise _refused(course, faults[0])
        count += len(records)
    texts.add(course)
    texts.store()
    return count


class _Texts:
    """Rows on their way into the new tables, as text: made while they are fresh, that takes half the time."""

    def __init__(self, connection: psycopg.Connection[TupleRow], tables: Mapping[str, int]) -> None:
        self.projections = named(tables)
        self._connection = connection
        self._tables = {name: f"{name}_{number}" for name, number in tables.items()}
        self._lists = {one.name: one.lists for one in self.projections}
        self._texts: dict[str, list[bytes]] = {name: [] for name in tables}

    def add(self, course: Course) -> None:
        """Take what a task has become."""
        for name, rows, error in course.take():
            if error:
                told = f"the read models are as they were: {name} has no rows for {course.task_id}: {error}"
                raise RebuildError(told)
            self._texts[name].append(as_csv(rows, self._lists[name]))

    def store(self) -> None:
        """Copy all that was taken, and forget it."""
        for one in self.projections:
            copy(self._connection, one, self._tables[one.name], self._texts[one.name])
            self._texts[one.name].clear()


def _refused(course: Course, fault: Fault) -> RebuildError:
    return RebuildError(
        f"the read models are as they were: {fault.projection} cannot take in the event of {course.task_id}"
        f" at position {fault.record.position}: {fault.error}"
    )
