"""The line to the database breaks at the worst moments: after a commit, within a result, before a hint."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from domain.errors import LedgerError
from domain.events import Event, Receipt
from domain.ids import TaskId
from eventstore.append import APPEND_LOCK, Appender
from eventstore.doorbell import Doorbell
from eventstore.feed import Batch, Cursor, Feed
from eventstore.ledger import Ledger

Connection = psycopg.AsyncConnection[TupleRow]
Connect = Callable[[], Awaitable[Connection]]
NewEvent = Callable[..., Event]
UntilBlocked = Callable[[Connection], Awaitable[None]]

TASK = TaskId("tree-1")


class Line:
    """One connection through the proxy, which does to it what a network does."""

    def __init__(self, purpose: str, server: asyncio.StreamWriter, client: asyncio.StreamWriter) -> None:
        self.purpose = purpose
        self.answered_bytes = 0
        self._server = server
        self._client = client
        self._silent = False
        self._cut_at_request = False
        self._cut_after_bytes: int | None = None

    def swallow_answers(self) -> None:
        """Let nothing of what the server says arrive from now on."""
        self._silent = True

    def cut_at_next_request(self) -> None:
        """Close both ends when the client says something, which does not arrive."""
        self._cut_at_request = True

    def cut_after(self, answered_bytes: int) -> None:
        """Close both ends once the client was told so many bytes, counted from the beginning."""
        self._cut_after_bytes = answered_bytes

    def cut(self) -> None:
        self._server.transport.abort()
        self._client.transport.abort()

    async def carry_requests(self, client: asyncio.StreamReader) -> None:
        while (data := await client.read(65536)) and not self._cut_at_request:
            self._server.write(data)

    async def carry_answers(self, server: asyncio.StreamReader) -> None:
        while data := await server.read(65536):
            if self._silent:
                continue
            left = len(data) if self._cut_after_bytes is None else self._cut_after_bytes - self.answered_bytes
            self._client.write(data[:left])
            self.answered_bytes += len(data[:left])
            if left <= len(data) and self._cut_after_bytes is not None:
                # Closing sends what is written; aborting would not.
                self._client.close()
                break


class Proxy:
    """Stands between the ledger and its database; `url` leads through it."""

    def __init__(self, url: str, folder: Path) -> None:
        with psycopg.connect(url) as connection:
            self._host, self._port = connection.info.host, connection.info.port
        parameters = {name: value for name, value in conninfo_to_dict(url).items() if value}
        self.url = f"postgresql:///?{urlencode(parameters | {'host': str(folder), 'port': 5432})}"
        self.path = folder / ".s.PGSQL.5432"
        self.refused = 0
        self.refusing = False
        #: By purpose (`append`, `feed`, `doorbell`): where the next line of it is cut.
        self.cut_next_after: dict[str, list[int]] = {}
        self._lines: list[Line] = []
        self._changed = asyncio.Condition()

    async def line(self, purpose: str) -> Line:
        """Give the last line that was opened for a purpose, once there is one."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(line.purpose == purpose for line in self._lines))
        return next(line for line in reversed(self._lines) if line.purpose == purpose)

    async def until_refused(self) -> None:
        """Wait until somebody who wanted a line was sent away."""
        async with self._changed:
            wanted = self.refused + 1
            await self._changed.wait_for(lambda: self.refused >= wanted)

    async def accept(self, client_says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if self.refusing:
                self.refused += 1
            else:
                await self._connect(client_says, client)
        client.close()
        async with self._changed:
            self._changed.notify_all()

    async def _connect(self, client_says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        hello = await client_says.read(65536)
        server_says, server = await (
            asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
            if self._host.startswith("/")
            else asyncio.open_connection(self._host, self._port)
        )
        found = re.search(rb"application_name\0pw ([a-z]+)\0", hello)
        line = Line(found[1].decode() if found else "", server, client)
        if cuts := self.cut_next_after.get(line.purpose):
            line.cut_after(cuts.pop(0))
        server.write(hello)
        async with self._changed:
            self._lines.append(line)
            self._changed.notify_all()
        carriers = [
            asyncio.create_task(line.carry_requests(client_says)),
            asyncio.create_task(line.carry_answers(server_says)),
        ]
        # Whichever side hangs up, both are gone.
        _, left = await asyncio.wait(carriers, return_when=asyncio.FIRST_COMPLETED)
        for carrier in left:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        server.close()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    with TemporaryDirectory(prefix="pw-proxy-") as folder:
        between = Proxy(database_url, Path(folder))
        async with await asyncio.start_unix_server(between.accept, between.path):
            yield between


@pytest.fixture
async def remote(proxy: Proxy) -> AsyncIterator[Ledger]:
    """A ledger at the other end of the line; `ledger` needs none."""
    async with Ledger.open(proxy.url) as ledger:
        yield ledger


@pytest.fixture
async def until_stored(connect: Connect) -> Callable[[Event], Awaitable[None]]:
    observer = await connect()

    async def wait(event: Event) -> None:
        query = "SELECT count(*) FROM ledger.event WHERE message_id = %s"
        while await (await observer.execute(query, [event.message_id])).fetchone() != (1,):
            pass

    return wait


UntilStored = Callable[[Event], Awaitable[None]]


async def stored(ledger: Ledger) -> list[Event]:
    return [record.event for record in await ledger.read_task(TASK)]


def statuses(receipts: list[Receipt]) -> list[str]:
    return [receipt.status for receipt in receipts]


# --- appending ------------------------------------------------------------------------------------------


async def test_an_append_whose_answer_was_lost_is_sent_again_and_found(
    proxy: Proxy, remote: Ledger, ledger: Ledger, new_event: NewEvent, until_stored: UntilStored
) -> None:
    first, event = new_event(), new_event()
    await remote.append([first])
    line = await proxy.line("append")
    line.swallow_answers()
    sending = asyncio.create_task(remote.append([event]))
    await until_stored(event)
    line.cut()
    assert statuses(await sending) == ["duplicate"]
    assert await stored(ledger) == [first, event]


async def test_the_version_that_was_expected_is_no_conflict_when_the_answer_was_lost(
    proxy: Proxy, remote: Ledger, new_event: NewEvent, until_stored: UntilStored
) -> None:
    await remote.append([new_event()], expected={"tree-1.1": 0})
    line = await proxy.line("append")
    line.swallow_answers()
    event = new_event()
    sending = asyncio.create_task(remote.append([event], expected={"tree-1.1": 1}))
    await until_stored(event)
    line.cut()
    [receipt] = await sending
    assert (receipt.status, receipt.version) == ("duplicate", 2)


async def test_all_callers_of_a_flush_whose_answer_was_lost_are_answered(
    proxy: Proxy, remote: Ledger, ledger: Ledger, new_event: NewEvent, until_stored: UntilStored
) -> None:
    await remote.append([new_event()])
    line = await proxy.line("append")
    line.swallow_answers()
    events = [new_event() for _ in range(50)]
    sending = [asyncio.create_task(remote.append([event])) for event in events]
    await until_stored(events[-1])
    line.cut()
    receipts = [receipt for [receipt] in await asyncio.gather(*sending)]
    assert statuses(receipts) == ["duplicate"] * 50
    assert (await stored(ledger))[1:] == events


async def test_an_append_that_never_arrived_is_sent_again_and_created(
    proxy: Proxy, remote: Ledger, ledger: Ledger, new_event: NewEvent
) -> None:
    first, event = new_event(), new_event()
    await remote.append([first])
    (await proxy.line("append")).cut_at_next_request()
    assert statuses(await remote.append([event])) == ["created"]
    assert await stored(ledger) == [first, event]


@pytest.mark.parametrize("answered_bytes", [0, 1, 200, 470, 487, 600, 653])
async def test_wherever_the_answers_break_off_an_append_is_stored_once(
    proxy: Proxy, ledger: Ledger, new_event: NewEvent, answered_bytes: int
) -> None:
    proxy.cut_next_after["append"] = [answered_bytes] * 2
    events = [new_event() for _ in range(5)]
    async with Ledger.open(proxy.url) as remote:
        for event in events:
            assert statuses(await remote.append([event])) in (["created"], ["duplicate"])
    assert proxy.cut_next_after["append"] == []
    assert await stored(ledger) == events


async def test_an_append_that_the_server_ends_while_it_runs_is_sent_again(
    remote: Ledger, connect: Connect, new_event: NewEvent
) -> None:
    await remote.append([new_event()])
    holder, other = await connect(), await connect()
    async with holder.transaction():
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        sending = asyncio.create_task(remote.append([new_event()]))
        ended: object = None
        while not ended:
            row = await (await other.execute(_END_BLOCKED)).fetchone()
            ended = row and row[0]
    assert statuses(await sending) == ["created"]


_END_BLOCKED = """
    SELECT pg_terminate_backend(pid, 10000)
    FROM pg_stat_activity
    WHERE application_name = 'pw append' AND wait_event_type = 'Lock' AND datname = current_database()
"""


# --- reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered_bytes", [0, 200, 470, 600, 2_000, 30_000, 70_000])
async def test_a_reader_whose_line_is_cut_within_a_result_is_given_everything_once(
    proxy: Proxy, ledger: Ledger, new_event: NewEvent, answered_bytes: int
) -> None:
    receipts = await ledger.append([new_event() for _ in range(500)])
    proxy.cut_next_after["feed"] = [answered_bytes] * 2
    fed: list[int | None] = []
    async with aclosing(Feed(proxy.url, poll_seconds=0.01).batches(batch_events_max=100)) as live:
        async for batch in live:
            fed += positions(batch)
            if len(fed) >= len(receipts):
                break
    assert fed == [receipt.position for receipt in receipts]


async def test_a_reader_to_the_end_says_that_its_line_was_cut_and_goes_on_from_its_cursor(
    proxy: Proxy, ledger: Ledger, new_event: NewEvent
) -> None:
    receipts = await ledger.append([new_event() for _ in range(900)])
    proxy.cut_next_after["feed"] = [70_000]
    batches: list[Batch] = []

    async def read_to_the_end(after: Cursor | None) -> None:
        async for batch in Feed(proxy.url).batches(after, follow=False, batch_events_max=100):
            batches.append(batch)  # noqa: PERF401 - what came before the cut counts

    with pytest.raises(LedgerError, match=r"^the ledger cannot be reached: [^\n]+$"):
        await read_to_the_end(None)
    assert 0 < len(batches) < 9
    await read_to_the_end(batches[-1].cursor)
    assert [position for batch in batches for position in positions(batch)] == [r.position for r in receipts]


def positions(batch: Batch) -> list[int]:
    return [record.position for record in batch.events]


# --- hints ----------------------------------------------------------------------------------------------


class NotedDoorbell(Doorbell):
    """Tells when a reader has looked, found nothing, and waits."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.waits = asyncio.Event()

    async def wait(self, rings: int, *, timeout_seconds: float) -> None:
        self.waits.set()
        await super().wait(rings, timeout_seconds=timeout_seconds)


async def test_a_reader_whose_doorbell_is_dead_looks_by_itself(
    proxy: Proxy, database_url: str, ledger: Ledger, new_event: NewEvent
) -> None:
    async with (
        Doorbell(proxy.url) as bell,
        aclosing(Feed(database_url, bell, poll_seconds=0.01).batches()) as live,
    ):
        line = await proxy.line("doorbell")
        proxy.refusing = True
        line.cut()
        await proxy.until_refused()
        for _ in range(3):
            [receipt] = await ledger.append([new_event()])
            assert positions(await anext(live)) == [receipt.position]


async def test_a_doorbell_that_is_back_tells_of_what_came_meanwhile(
    proxy: Proxy, database_url: str, connect: Connect, new_event: NewEvent
) -> None:
    async with (
        NotedDoorbell(proxy.url) as bell,
        aclosing(Feed(database_url, bell, poll_seconds=3600).batches()) as live,
    ):
        line = await proxy.line("doorbell")
        proxy.refusing = True
        line.cut()
        await proxy.until_refused()
        waiting = asyncio.ensure_future(anext(live))
        await bell.waits.wait()
        # Not through a Ledger: nobody is to send a hint.
        [receipt] = await Appender(await connect()).append([new_event()])
        proxy.refusing = False
        assert positions(await waiting) == [receipt.position]


async def test_a_doorbell_that_is_back_hears_hints_again(
    proxy: Proxy, database_url: str, ledger: Ledger, new_event: NewEvent
) -> None:
    async with Doorbell(proxy.url) as bell, aclosing(Feed(database_url, bell, poll_seconds=3600).batches()) as live:
        await bell.wait(0, timeout_seconds=60)
        (await proxy.line("doorbell")).cut()
        await bell.wait(1, timeout_seconds=60)
        for _ in range(3):
            [receipt] = await ledger.append([new_event()])
            assert positions(await anext(live)) == [receipt.position]
