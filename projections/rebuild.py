"""Making read models anew from the ledger, while the service runs and everybody reads.

    lock -> new tables -> fold in one snapshot, copy -> index -> catch up -> compare -> turn the views

New tables are nobody's until the last step, one transaction in which the live tables stand still: both are brought to
the same position and compared, unless the live ones are far behind, and the views are turned to the new ones. Until
then everything can be cut off at any point: the live tables are untouched, and what is half-made is removed with the
next start.

What is folded is all up to a settled position, which no event can appear below any more, in one snapshot that all
processes share. Nothing is sent or started by it: a fold has no effect but its rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from typing import LiteralString

import msgspec
import psycopg
from psycopg import errors, sql

from domain.errors import CursorError, LedgerError, RebuildError
from eventstore.feed import Cursor
from eventstore.postgres.connection import Connection, connect, first_line
from projections.builds import (
    REBUILD_LOCK_KEY,
    Build,
    add_keys,
    advance,
    flip,
    load_builds,
    make_builds,
    remove_left_behind,
    table_of,
    wait_briefly_for_locks,
)
from projections.bulk import (
    Chunk,
    Order,
    begin_process,
    chunks_of,
    fold_chunk,
    interrupts_held_back,
    without_garbage_collection,
)
from projections.projection import Projection
from projections.reading import settled_position
from projections.runner import Runner

#: With fewer events, starting processes takes longer than folding.
_PROCESSES_FROM_EVENTS = 200_000

#: Live tables that are further behind are not held against the new ones: to bring them there takes longer than all
#: the rest.
_CAUGHT_UP_EVENTS_MAX = 50_000

#: How often the views are tried to be turned while others hold them for longer than a second.
_FLIPS_MAX = 60

_TRY_LOCK: LiteralString = "SELECT pg_try_advisory_lock(%s)"
_UNLOCK: LiteralString = "SELECT pg_advisory_unlock(%s)"
_TASKS: LiteralString = """
    SELECT task_id, count(*), sum(pg_column_size(payload))
    FROM ledger.event
    WHERE position <= %s
    GROUP BY task_id
    ORDER BY task_id
"""
_PLACE: LiteralString = """
    SELECT (SELECT id FROM ledger.incarnation), position, message_id
    FROM ledger.event
    WHERE position <= %s
    ORDER BY position DESC
    LIMIT 1
"""

_LOG = logging.getLogger(__name__)

OnProgress = Callable[[int, int], None]
"""Called with the events that are folded, and how many there are."""


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """A read model that was made anew."""

    name: str
    version: int
    rows: int
    #: Up to where it holds the ledger.
    position: int
    #: Rows of the old table that the new one does not have, or the other way round; None: not comparable.
    differing_rows: int | None


async def rebuild(
    url: str,
    projections: Sequence[Projection],
    *,
    processes: int | None = None,
    on_progress: OnProgress | None = None,
) -> list[Rebuilt]:
    """Make read models anew and have everybody read them; gives what has become of each.

    `processes` fold at once; None: one for each processor. Raises `RebuildError` where another rebuild is under way,
    an event cannot be taken in, or the database refuses: nothing has changed then.
    """
    try:
        async with await connect(url, "rebuild") as connection, _alone(connection):
            await remove_left_behind(connection)
            try:
                return await _Rebuild(url, connection, projections, processes, on_progress).run()
            finally:
                await remove_left_behind(connection)
    except psycopg.Error as error:
        raise RebuildError(f"the read models are as they were: {first_line(error)}") from error
    except RebuildError:
        raise
    except LedgerError as error:
        raise RebuildError(f"the read models are as they were: {error}") from error
    except BrokenProcessPool as error:
        raise RebuildError("the read models are as they were: a process that folded was killed") from error


async def clean_up(url: str) -> list[str]:
    """Remove what a rebuild that was killed has left; gives the names of the tables. Raises `psycopg.Error`."""
    async with await connect(url, "rebuild") as connection:
        if await (await connection.execute(_TRY_LOCK, (REBUILD_LOCK_KEY,))).fetchone() != (True,):
            return []
        return await remove_left_behind(connection)


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    if await (await connection.execute(_TRY_LOCK, (REBUILD_LOCK_KEY,))).fetchone() != (True,):
        raise RebuildError("another rebuild is under way")
    try:
        yield
    finally:
        # Where the line is gone, the lock is as well.
        if not connection.closed:
            await connection.execute(_UNLOCK, (REBUILD_LOCK_KEY,))


def _retrieve(future: asyncio.Future[int]) -> None:
    # The first failure is raised; asyncio would print the others, and all of them after a second Ctrl-C.
    if not future.cancelled():
        future.exception()


class _Rebuild:
    """One rebuild on its way."""

    def __init__(
        self,
        url: str,
        connection: Connection,
        projections: Sequence[Projection],
        processes: int | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._url = url
        self._connection = connection
        self._projections = {projection.name: projection for projection in projections}
        self._processes = processes or os.cpu_count() or 1
        self._on_progress = on_progress
        self._builds: list[Build] = []
        #: Of the new tables, and of the live ones that the same fold fills.
        self._new = Runner(url, projections, status="building", strict=True)
        self._live = Runner(url, projections)

    async def run(self) -> list[Rebuilt]:
        self._builds = await make_builds(self._connection, list(self._projections.values()))
        await self._fill()
        for attempt in range(1, _FLIPS_MAX + 1):
            try:
                return await self._turn()
            except errors.LockNotAvailable:
                _LOG.info("others hold the read models", extra={"attempt": attempt})
        raise RebuildError("the read models are as they were: somebody has been reading them for a minute")

    async def _fill(self) -> None:
        """Fold everything that is settled into the new tables, and index them."""
        async with await connect(self._url, "rebuild snapshot") as snapshot:
            position = await settled_position(snapshot)
            async with snapshot.transaction():
                await snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                place = await (await snapshot.execute(_PLACE, (position,))).fetchone()
                if place is not None:
                    with without_garbage_collection():
                        await self._fold(snapshot, Cursor(*place))
        for build in self._builds:
            await add_keys(self._connection, self._projections[build.name], build)

    async def _fold(self, snapshot: Connection, cursor: Cursor) -> None:
        name = await (await snapshot.execute("SELECT pg_export_snapshot()")).fetchone()
        tasks = await (await snapshot.execute(_TASKS, (cursor.position,))).fetchall()
        order = Order(
            url=self._url,
            snapshot=str(name[0]) if name else "",
            position=cursor.position,
            tables={build.name: build.number for build in self._builds},
        )
        await self._fold_chunks(order, list(chunks_of(tasks)))
        await advance(self._connection, "building", [build.name for build in self._builds], cursor)

    async def _fold_chunks(self, order: Order, chunks: Sequence[Chunk]) -> None:
        total, done = sum(chunk.events for chunk in chunks), 0
        executor = self._executor(total)
        loop = asyncio.get_running_loop()
        with interrupts_held_back():
            folding = [loop.run_in_executor(executor, fold_chunk, order, chunk) for chunk in chunks]
        for future in folding:
            future.add_done_callback(_retrieve)
        try:
            for folded in asyncio.as_completed(folding):
                done += await folded
                if self._on_progress is not None:
                    self._on_progress(done, total)
        finally:
            # Chunks that are under way end by themselves, those after them do not begin.
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)

    def _executor(self, events: int) -> Executor:
        if self._processes == 1 or events < _PROCESSES_FROM_EVENTS:
            # Two threads would get in each other's way for more than what the database does meanwhile.
            return ThreadPoolExecutor(1)
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._processes, mp_context=context, initializer=begin_process)

    async def _turn(self) -> list[Rebuilt]:
        """Bring the old and the new tables to one position, compare them, and turn the views."""
        # Up to a place that is known beforehand: who only ever runs after those who append may never get there.
        await self._new.catch_up(await settled_position(self._connection))
        new = {build.name: build for build in await load_builds(self._connection, "building")}
        position = max(build.position for build in new.values())
        # Where no service runs, nobody else moves the live tables on.
        before = [build.position for build in await load_builds(self._connection, "live") if build.name in new]
        if position - min(before, default=position) <= _CAUGHT_UP_EVENTS_MAX:
            # After a restore, they may hold what the ledger never had.
            with contextlib.suppress(CursorError):
                await self._live.catch_up(position)
        async with self._connection.transaction():
            await wait_briefly_for_locks(self._connection)
            live = {build.name: build for build in await load_builds(self._connection, "live", lock=True)}
            ahead = max((live[name].position for name in new if name in live), default=0)
            if ahead > position:
                await self._new.catch_up(ahead)
                new = {build.name: build for build in await load_builds(self._connection, "building")}
            rebuilt = [await self._compare(live.get(name), build) for name, build in new.items()]
            for name, build in new.items():
                await flip(self._connection, self._projections, live.get(name), build)
        return rebuilt

    async def _compare(self, old: Build | None, new: Build) -> Rebuilt:
        [(rows,)] = await self._ask(sql.SQL("SELECT count(*) FROM {}").format(table_of(new)))
        comparable = old is not None and (old.version, old.position) == (new.version, new.position)
        return Rebuilt(
            name=new.name,
            version=new.version,
            rows=rows,
            position=new.position,
            differing_rows=await self._differing_rows(old, new) if old is not None and comparable else None,
        )

    async def _differing_rows(self, old: Build, new: Build) -> int:
        digest = sql.SQL("SELECT count(*), sum(hash_record_extended(one, 0)) FROM {} AS one")
        if await self._ask(digest.format(table_of(old))) == await self._ask(digest.format(table_of(new))):
            return 0
        differing = sql.SQL(
            "SELECT count(*) FROM ("
            "(TABLE {old} EXCEPT TABLE {new}) UNION ALL (TABLE {new} EXCEPT TABLE {old})"
            ") AS differing"
        ).format(old=table_of(old), new=table_of(new))
        [(count,)] = await self._ask(differing)
        return int(count)

    async def _ask(self, query: sql.Composed) -> list[tuple[int, ...]]:
        return await (await self._connection.execute(query)).fetchall()
