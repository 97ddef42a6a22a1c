"""Postgres is killed with SIGKILL while appends are in flight, and comes back: callers and readers go on."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing, suppress
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID, uuid4

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from domain.errors import LedgerError
from domain.events import Event, Receipt, TaskCompleted
from eventstore.append import Appender
from eventstore.feed import Batch, Feed
from eventstore.ledger import Ledger
from eventstore.postgres.connection import Connection, connect
from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate

NewEvent = Callable[..., Event]
Figures = dict[str, int]

CALLERS = 32
#: The last event of a test.
MARK = TaskCompleted()

#: A reader has a connection, and has looked for events.
LOOKED = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE application_name = 'pw feed' AND state = 'idle' AND query LIKE '%FROM ledger.event%'
    )
"""
#: A reader wants to know what is settled, and an append keeps it waiting.
ASKS_FOR_QUIET = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'ExclusiveLock' AND locktype = 'advisory' AND NOT granted)"
)


class Server:
    """An embedded server of these tests' own, and a ledger on it for each of them."""

    def __init__(self, folder: Path, uses: ExitStack, database: str) -> None:
        self._folder = folder
        self._uses = uses
        self._suspended: list[psutil.Process] = []
        given = self.start()
        with psycopg.connect(given, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        parameters = conninfo_to_dict(given) | {"dbname": database}
        self.url = f"postgresql:///?{urlencode(parameters)}"
        migrate(self.url)

    def start(self) -> str:
        return self._uses.enter_context(embedded_server(self._folder))

    def suspend(self, name: str) -> None:
        [process] = [process for process in self._processes() if name in " ".join(process.cmdline())]
        process.suspend()
        self._suspended.append(process)

    def resume(self) -> None:
        for process in self._suspended:
            process.resume()

    def kill(self) -> None:
        """Kill the first of its processes and see the others go."""
        processes = self._processes()
        for process in (processes[0], *self._suspended):
            process.kill()
        while any(is_alive(process) for process in processes):
            pass
        self._suspended.clear()

    def _processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(int((self._folder / "cluster" / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children()]


def is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """A folder with a cluster; the server's account can enter it."""
    folder = Path(tempfile.mkdtemp(prefix="pw-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server(used_folder: Path) -> Iterator[Server]:
    with ExitStack() as uses:
        server = Server(used_folder, uses, f"ledger_{uuid4().hex}")
        # A process that sleeps would not let the server stop.
        uses.callback(server.resume)
        yield server


class Load:
    """Callers that append until they are told to stop, and send again what they got no receipt for."""

    def __init__(self, ledger: Ledger, new_event: NewEvent, *, timeout_seconds: float) -> None:
        self.sent: set[UUID] = set()
        self.acknowledged: set[UUID] = set()
        self.failures = 0
        self._ledger = ledger
        self._new_event = new_event
        self._timeout_seconds = timeout_seconds
        self._progress = asyncio.Condition()
        self._stopped = False

    async def until_acknowledged(self, more: int) -> None:
        wanted = len(self.acknowledged) + more
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.acknowledged) >= wanted)

    def stop(self) -> None:
        self._stopped = True

    async def call(self, caller: int) -> None:
        while not self._stopped:
            events = [self._new_event(f"tree-1.{caller % 5}"), self._new_event("tree-1")]
            self.sent |= {event.message_id for event in events}
            receipts = await self._append(events)
            assert {receipt.status for receipt in receipts} <= {"created", "duplicate"}
            async with self._progress:
                self.acknowledged |= {receipt.message_id for receipt in receipts}
                self._progress.notify_all()

    async def _append(self, events: list[Event]) -> list[Receipt]:
        while True:
            try:
                return await self._ledger.append(events, timeout_seconds=self._timeout_seconds)
            except LedgerError:
                self.failures += 1


async def storm(server: Server, new_event: NewEvent, seed: int, *, timeout_seconds: float = 60) -> Load:
    """Append, and kill the server twice while appends are in flight."""
    chance = random.Random(seed)
    async with Ledger.open(server.url) as ledger, asyncio.TaskGroup() as group:
        load = Load(ledger, new_event, timeout_seconds=timeout_seconds)
        for number in range(CALLERS):
            group.create_task(load.call(number))
        for _ in range(2):
            await load.until_acknowledged(chance.randint(1, 1500))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        await load.until_acknowledged(100)
        load.stop()
    return load


@pytest.mark.parametrize("seed", range(3), ids="seed={}".format)
async def test_a_killed_database_has_stored_once_what_it_acknowledged(
    server: Server,
    new_event: NewEvent,
    reckon: Callable[..., Figures],
    lawful: Callable[[int], Figures],
    seed: int,
) -> None:
    load = await storm(server, new_event, seed)
    assert load.failures == 0
    assert load.acknowledged == load.sent
    assert reckon(server.url, load.sent, load.acknowledged) == lawful(len(load.sent))


async def test_what_is_sent_again_by_callers_whose_time_was_up_is_stored_once(
    server: Server, new_event: NewEvent, reckon: Callable[..., Figures], lawful: Callable[[int], Figures]
) -> None:
    load = await storm(server, new_event, seed=7, timeout_seconds=0)
    assert load.failures > 0
    assert reckon(server.url, load.sent, load.acknowledged) == lawful(len(load.sent))


@pytest.mark.parametrize("seed", [11, 12], ids="seed={}".format)
async def test_a_reader_that_follows_is_given_everything_once_in_order_across_the_kills(
    server: Server, new_event: NewEvent, seed: int
) -> None:
    async with aclosing(Feed(server.url, poll_seconds=0.01).batches()) as live:
        reading = asyncio.create_task(positions_up_to_the_mark(live))
        await storm(server, new_event, seed)
        async with Ledger.open(server.url) as ledger:
            await ledger.append([new_event(body=MARK)])
        fed = await reading
    with psycopg.connect(server.url) as connection:
        stored = connection.execute("SELECT position FROM ledger.event ORDER BY position").fetchall()
    assert fed == [position for (position,) in stored]


async def positions_up_to_the_mark(live: AsyncIterator[Batch]) -> list[int]:
    fed: list[int] = []
    async for batch in live:
        fed += [record.position for record in batch.events]
        if batch.events[-1].event.body == MARK:
            return fed
    raise AssertionError("a reader that follows does not end")


async def test_a_position_that_is_given_out_again_after_a_crash_is_not_taken_for_settled(
    server: Server, new_event: NewEvent
) -> None:
    # Its sequence writes to the log how far it is with every 33rd position, and nobody waits for what is rolled back.
    async with await connect(server.url, "test") as connection:
        await Appender(connection).append([new_event() for _ in range(33)])
        server.suspend("walwriter")
        async with connection.transaction(force_rollback=True):
            [lost] = await Appender(connection).append([new_event()])

    async with aclosing(Feed(server.url, poll_seconds=0.01).batches()) as live:
        fed = [record.position for record in (await anext(live)).events]
        server.kill()
        server.start()
        waiting = asyncio.create_task(positions_up_to_the_mark(live))
        async with (
            await connect(server.url, "observer") as observer,
            await connect(server.url, "late") as late,
            await connect(server.url, "early") as early,
        ):
            await until(observer, LOOKED)
            async with early.transaction():
                [again] = await Appender(early).append([new_event("tree-1.1")])
                await Appender(late).append([new_event("tree-1.2", MARK)])
                kept_waiting = asyncio.create_task(until(observer, ASKS_FOR_QUIET))
                await asyncio.wait({waiting, kept_waiting}, return_when=asyncio.FIRST_COMPLETED)
                kept_waiting.cancel()
        fed += await waiting
    assert again.position == lost.position
    assert fed == list(range(1, 36))


async def until(observer: Connection, fact: str) -> None:
    while await (await observer.execute(fact)).fetchone() != (True,):
        pass
