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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec
import psycopg
from psycopg.rows import TupleRow

from domain.errors import RebuildError
from domain.events import RecordedEvent
from projections.course import Course
from projections.models import named
from projections.projection import Row
from projections.reading import read_tasks
from projections.rows import copy

#: Events of the tasks that are folded together, about: their rows are in memory at once.
CHUNK_EVENTS = 50_000


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


def chunks_of(tasks: Iterable[tuple[str, int]]) -> Iterator[Chunk]:
    """Put tasks with their numbers of events, in their order, into chunks of about the same size."""
    first, last, events = "", "", 0
    for task_id, count in tasks:
        if events and events + count > CHUNK_EVENTS:
            yield Chunk(first=first, last=last, events=events)
            events = 0
        first, last, events = (first if events else task_id), task_id, events + count
    if events:
        yield Chunk(first=first, last=last, events=events)


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
    projections = named(order.tables)
    rows: dict[str, list[Row]] = {one.name: [] for one in projections}
    course = Course(projections)
    count = 0
    for records in read_tasks(reading, chunk.first, chunk.last, order.position):
        if records[0].event.task_id != course.task_id:
            _collect(rows, course)
            course = Course(projections)
        for record in records:
            _take_in(course, record)
        count += len(records)
    _collect(rows, course)
    for one in projections:
        copy(writing, one, f"{one.name}_{order.tables[one.name]}", rows[one.name])
    return count


def _take_in(course: Course, record: RecordedEvent) -> None:
    if faults := course.apply(record):
        fault = faults[0]
        raise RebuildError(
            f"the read models are as they were: {fault.projection} cannot take in the event of {course.task_id}"
            f" at position {record.position}: {fault.error}"
        )


def _collect(rows: dict[str, list[Row]], course: Course) -> None:
    for name, taken, error in course.take():
        if error:
            raise RebuildError(f"the read models are as they were: {name} has no rows for {course.task_id}: {error}")
        rows[name] += taken
