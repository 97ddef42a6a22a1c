"""A rebuild goes on beside everything else, and changes nothing before it is done."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain import events as e
from domain.errors import CursorError, RebuildError, UnknownProjectionError
from eventstore.ledger import Ledger
from eventstore.postgres.connection import connect
from projections import bulk
from projections import rebuild as rebuild_module
from projections.builds import REBUILD_LOCK_KEY, make_builds
from projections.models import ALL, named
from projections.rebuild import clean_up, rebuild
from projections.runner import Runner
from tests.api.chaos.processes import until
from tests.projections.tables_of import positions_of, tables_of

History = Any
NewHistory = Callable[[str], History]

#: Of a task in these tests.
EVENTS = 12

#: Stands for a disk that is full: the server refuses what a rebuild does last before it catches up.
_FULL = """
    CREATE FUNCTION disk_is_full() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_query() LIKE '%PRIMARY KEY%' THEN
            RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100';
        END IF;
    END
    $$;
    CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION disk_is_full()
"""


async def store(ledger: Ledger, new_history: NewHistory, count: int, first: int = 1) -> None:
    """Store tasks with a few subtasks each."""
    for number in range(first, first + count):
        history = new_history(f"tree-{number}")
        history.submit()
        history.observe(1, {"E1": 7})
        history.plan(2, 30.0, 10.0)
        history.start(10, 1)
        history.complete(15, 1)
        history.accept(16, 1)
        await ledger.append(history.events)


def tables_in(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'projection' AND tablename ~ '_[0-9]+$'"
        ).fetchall()
    return {name for (name,) in found}


def live_tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT name || '_' || number FROM projection.build WHERE status = 'live'")
        return {name for (name,) in found}


@contextmanager
def unchanged(url: str) -> Iterator[None]:
    """See to it that the block leaves the live tables as they are, and no others."""
    before = tables_of(url), positions_of(url), live_tables(url)
    yield
    assert (tables_of(url), positions_of(url), live_tables(url)) == before
    assert tables_in(url) == live_tables(url)


async def test_an_empty_ledger_is_rebuilt_to_nothing(database_url: str) -> None:
    assert [(one.name, one.rows, one.position, one.differing_rows) for one in await rebuild(database_url, ALL)] == [
        (one.name, 0, 0, 0) for one in ALL
    ]


async def test_only_the_tables_that_are_read_are_left(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    await store(ledger, new_history, 2)
    await rebuild(database_url, named(["subtask", "worker"]))
    names = {one.name for one in ALL}
    assert tables_in(database_url) == {f"{name}_{1 + (name in ('subtask', 'worker'))}" for name in names}


async def test_processes_give_the_same_as_one(
    database_url: str, ledger: Ledger, new_history: NewHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(ledger, new_history, 6)
    await Runner(database_url, ALL).catch_up()
    before = tables_of(database_url)
    monkeypatch.setattr(rebuild_module, "_PROCESSES_FROM_EVENTS", 0)
    monkeypatch.setattr(bulk, "CHUNK_EVENTS", 25)
    told: list[tuple[int, int]] = []

    rebuilt = await rebuild(database_url, ALL, processes=2, on_progress=lambda done, of: told.append((done, of)))

    assert tables_of(database_url) == before
    assert {one.differing_rows for one in rebuilt} == {0}
    # Several chunks, each told of.
    assert len(told) == 3
    assert told[-1] == (6 * EVENTS, 6 * EVENTS)


@pytest.mark.parametrize("stored_events", [1, 2 * EVENTS])
async def test_rows_of_a_chunk_are_stored_in_several_goes(
    database_url: str,
    ledger: Ledger,
    new_history: NewHistory,
    monkeypatch: pytest.MonkeyPatch,
    stored_events: int,
) -> None:
    await store(ledger, new_history, 5)
    monkeypatch.setattr(bulk, "_STORED_EVENTS", stored_events)
    assert {one.differing_rows for one in await rebuild(database_url, ALL, processes=1)} == {0}
    assert len(tables_of(database_url)["progress"]) == 5


async def test_live_tables_that_are_far_behind_are_replaced_without_a_comparison(
    database_url: str, ledger: Ledger, new_history: NewHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(ledger, new_history, 1)
    await Runner(database_url, ALL).catch_up()
    await store(ledger, new_history, 2, first=2)
    monkeypatch.setattr(rebuild_module, "_CAUGHT_UP_EVENTS_MAX", 2 * EVENTS - 1)

    rebuilt = await rebuild(database_url, ALL)

    assert {(one.position, one.differing_rows) for one in rebuilt} == {(3 * EVENTS, None)}
    # From there on they are live, and compared again.
    await store(ledger, new_history, 1, first=4)
    assert {(one.position, one.differing_rows) for one in await rebuild(database_url, ALL)} == {(4 * EVENTS, 0)}


async def test_it_goes_on_beside_appends_a_runner_and_readers(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    await store(ledger, new_history, 5)
    await Runner(database_url, ALL).catch_up()
    over = asyncio.Event()
    stored = [5]
    seen: list[int] = []

    async def append() -> None:
        while not over.is_set():
            await store(ledger, new_history, 1, first=stored[0] + 1)
            stored[0] += 1

    async def read() -> None:
        async with await connect(database_url, "reader") as connection:
            while not over.is_set():
                row = await (await connection.execute("SELECT count(*) FROM projection.progress")).fetchone()
                seen.append(row[0] if row else -1)

    runner = asyncio.create_task(Runner(database_url, ALL).run())
    others = [asyncio.create_task(append()), asyncio.create_task(read())]
    for _ in range(3):
        rebuilt = await rebuild(database_url, ALL)
        assert {one.differing_rows for one in rebuilt} == {0}
    over.set()
    await asyncio.gather(*others)
    [last] = {one.position for one in await rebuild(database_url, ALL)}
    runner.cancel()

    assert last == EVENTS * stored[0]
    # Readers never saw a task vanish.
    assert seen == sorted(seen)
    assert stored[0] > 5


async def test_rows_that_differ_are_counted_and_replaced(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    await store(ledger, new_history, 2)
    await Runner(database_url, ALL).catch_up()
    before = tables_of(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE projection.subtask_1 SET title = 'forged' WHERE subtask = 1")
    rebuilt = {one.name: one.differing_rows for one in await rebuild(database_url, ALL)}
    # Each counts as one that is gone and one that is new.
    assert rebuilt == {one.name: 0 for one in ALL} | {"subtask": 4}
    assert tables_of(database_url) == before


async def test_read_models_of_a_ledger_that_was_restored_are_made_anew(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    await store(ledger, new_history, 1)
    nowhere = UUID(int=7)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE projection.build SET position = 999, cursor = %s", [f"{nowhere}/999/{nowhere}"])
    with pytest.raises(CursorError):
        await Runner(database_url, ALL).catch_up()
    assert {one.differing_rows for one in await rebuild(database_url, ALL)} == {None}
    assert set(positions_of(database_url).values()) == {EVENTS}


# --- what goes wrong ---


def test_a_read_model_that_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownProjectionError, match=r"^there is no read model 'nonsense': there are blocker, "):
        named(["subtask", "nonsense"])


async def test_two_rebuilds_at_once_are_refused(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [REBUILD_LOCK_KEY])
        with pytest.raises(RebuildError, match=r"^another rebuild is under way$"):
            await rebuild(database_url, ALL)


async def test_an_event_that_makes_no_sense_ends_it(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    await store(ledger, new_history, 1)
    history = new_history("tree-2")
    history.submit()
    history.add(1, e.Started(), subtask=7, epoch=1)
    await ledger.append(history.events)
    await Runner(database_url, ALL).catch_up()
    with (
        unchanged(database_url),
        pytest.raises(
            RebuildError, match=r"cannot take in the event of tree-2 at position 14: ValueError: the first"
        ),
    ):
        await rebuild(database_url, ALL)


async def test_an_event_that_cannot_be_read_ends_it(
    database_url: str, ledger: Ledger, new_history: NewHistory, append_raw: Callable[..., list[int]]
) -> None:
    await store(ledger, new_history, 1)
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(connection, [{"stream_id": "tree-1.1", "payload": '{"completed": "many"}'}])
    await Runner(database_url, ALL).catch_up()
    unreadable = r"^the read models are as they were: the event of tree-1 at position 13, of type 'progress', cannot"
    with unchanged(database_url), pytest.raises(RebuildError, match=unreadable):
        await rebuild(database_url, ALL)


async def test_a_full_disk_leaves_everything_as_it_was(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    await store(ledger, new_history, 2)
    await Runner(database_url, ALL).catch_up()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_FULL)
    with (
        unchanged(database_url),
        pytest.raises(RebuildError, match=r"^the read models are as they were: could not ext"),
    ):
        await rebuild(database_url, ALL)


async def test_one_that_is_cancelled_leaves_everything_as_it_was(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    await store(ledger, new_history, 2)
    await Runner(database_url, ALL).catch_up()
    with unchanged(database_url):
        begun = asyncio.Event()
        task = asyncio.create_task(rebuild(database_url, ALL, on_progress=lambda *_: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_one_that_died_has_left_is_removed_and_the_live_tables_are_not(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    await store(ledger, new_history, 2)
    await Runner(database_url, ALL).catch_up()
    with unchanged(database_url):
        async with await connect(database_url, "a rebuild") as connection:
            await make_builds(connection, ALL)
        assert len(tables_in(database_url)) == 2 * len(ALL)
        assert len(await clean_up(database_url)) == len(ALL)


_CODE = """
import signal
import sys
from api.cli.main import app
from projections import rebuild
if __name__ == "__main__":
    # Whoever is started in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rebuild._PROCESSES_FROM_EVENTS = 0
    app(["rebuild", "--all", "--processes", "2", "--database-url", sys.argv[1]])
"""


@asynccontextmanager
async def half_way(url: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `pw rebuild --all` in processes, held fast in the block where it stores its first rows."""
    script = folder / "rebuild_it.py"
    script.write_text(_CODE)
    with psycopg.connect(url) as blocking:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), url, stderr=asyncio.subprocess.PIPE, start_new_session=True
        )
        await until(lambda: len(tables_in(url)) == 2 * len(ALL), "the new tables are there")
        blocking.execute("LOCK TABLE projection.blocker_2 IN ACCESS EXCLUSIVE MODE")
        await until(lambda: connections(url, "Lock") > 0, "a process waits")
        yield process


def connections(url: str, waiting_for: str = "%") -> int:
    with psycopg.connect(url) as connection:
        [(count,)] = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'pw rebuild%%' AND coalesce(wait_event_type, '') LIKE %s",
            [waiting_for],
        ).fetchall()
    return int(count)


async def test_one_that_is_killed_half_way_takes_its_processes_with_it_and_leaves_the_live_tables(
    database_url: str, ledger: Ledger, new_history: NewHistory, tmp_path: Path
) -> None:
    await store(ledger, new_history, 2)
    await Runner(database_url, ALL).catch_up()
    with unchanged(database_url):
        async with half_way(database_url, tmp_path) as process:
            process.kill()
            await process.communicate()
        await until(lambda: connections(database_url) == 0, "nobody is connected any more")
        assert len(await clean_up(database_url)) == len(ALL)


async def test_one_that_is_interrupted_cleans_up_and_says_so(
    database_url: str, ledger: Ledger, new_history: NewHistory, tmp_path: Path
) -> None:
    await store(ledger, new_history, 2)
    await Runner(database_url, ALL).catch_up()
    with unchanged(database_url):
        async with half_way(database_url, tmp_path) as process:
            # To all of them, as a terminal does.
            os.killpg(process.pid, signal.SIGINT)
        _, said = await process.communicate()
        assert (process.returncode, said) == (130, b"ending what is under way\npw: interrupted\n")


async def test_one_that_is_interrupted_twice_says_nothing_of_what_was_under_way(
    database_url: str, ledger: Ledger, new_history: NewHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(ledger, new_history, 1)
    begun, ending, cut_off = threading.Event(), threading.Event(), threading.Event()

    def fold_chunk(*_: object) -> int:
        begun.set()
        cut_off.wait()
        raise RebuildError("its table is gone")

    class Executor(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            ending.set()
            super().shutdown(wait, cancel_futures=cancel_futures)

    executor = Executor(1)
    monkeypatch.setattr(rebuild_module, "fold_chunk", fold_chunk)
    monkeypatch.setattr(rebuild_module, "ThreadPoolExecutor", lambda _: executor)
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    rebuilding = asyncio.create_task(rebuild(database_url, ALL))
    for fact in (begun, ending):
        await asyncio.to_thread(fact.wait)
        rebuilding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rebuilding
    cut_off.set()
    await asyncio.to_thread(executor.shutdown)
    del rebuilding
    # Where nobody has asked for an exception, asyncio tells of it when the future is gone.
    await asyncio.sleep(0)
    gc.collect()
    assert told == []
