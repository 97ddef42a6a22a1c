"""Any sequence of appends, crashes and reads, against a plain list."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from domain.errors import InvalidEventError, VersionConflictError
from domain.events import Event, Failed, Receipt
from domain.ids import StreamId, TaskId
from eventstore.feed import Cursor, Feed
from eventstore.ledger import Ledger

T = TypeVar("T")

#: A message, the stream it goes to, and what it says: few of each, so that they repeat and contradict.
Sent = tuple[int, int, str]
sent = st.tuples(st.integers(0, 30), st.integers(0, 2), st.sampled_from(["a", "b"]))
call = st.lists(sent, min_size=1, max_size=4)

_MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
_CONNECTED = "FROM pg_stat_activity WHERE application_name = ANY (%s) AND datname = current_database()"


class LedgerMachine(RuleBasedStateMachine):
    """A ledger and two processes that use it; all it should hold is in `stored`, with versions."""

    url: ClassVar[str]
    tasks: ClassVar[itertools.count[int]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.admin = psycopg.connect(self.url, autocommit=True)
        self.task = TaskId(f"tree-{next(self.tasks)}")
        self.stored: list[tuple[Sent, int]] = []
        self.cursor: Cursor | None = None
        self.fed: list[Event] = []

    @initialize()
    def begin(self) -> None:
        self.processes = AsyncExitStack()
        self.ledgers = [self._run(self.processes.enter_async_context(Ledger.open(self.url))) for _ in range(2)]

    def teardown(self) -> None:
        self._run(self.processes.aclose())
        self.runner.close()
        self.admin.close()

    # --- what can happen --------------------------------------------------------------------------------

    @rule(ledger=st.integers(0, 1), batch=call)
    def append(self, ledger: int, batch: list[Sent]) -> None:
        receipts = self._run(self.ledgers[ledger].append(self._events(batch)))
        assert told(receipts) == [self._store(one) for one in batch]

    @rule(ledger=st.integers(0, 1), batches=st.lists(call, min_size=2, max_size=5))
    def append_at_once(self, ledger: int, batches: list[list[Sent]]) -> None:
        async def gather() -> list[list[Receipt]]:
            return await asyncio.gather(*[self.ledgers[ledger].append(self._events(batch)) for batch in batches])

        receipts = self._run(gather())
        assert [told(some) for some in receipts] == [[self._store(one) for one in batch] for batch in batches]

    @rule(ledger=st.integers(0, 1), batch=call, off=st.sampled_from([-1, 0, 0, 1]))
    def append_with_an_expected_version(self, ledger: int, batch: list[Sent], off: int) -> None:
        stream = batch[0][1]
        expected = {f"{self.task}.{stream}": self._version(stream) + off}
        appending = self.ledgers[ledger].append(self._events(batch), expected=expected)
        # What is stored already is no conflict, whatever version was expected.
        if off != 0 and any(self._known(one) is None for one in batch):
            with pytest.raises(VersionConflictError):
                self._run(appending)
        else:
            receipts = self._run(appending)
            assert told(receipts) == [self._store(one) for one in batch]

    @rule(ledger=st.integers(0, 1), batch=call)
    def append_what_cannot_be_kept(self, ledger: int, batch: list[Sent]) -> None:
        events = self._events([*batch, (99, 0, "NUL: \0")])
        with pytest.raises(InvalidEventError):
            self._run(self.ledgers[ledger].append(events))

    @rule(ledger=st.integers(0, 1), batch=call)
    def append_each_though_one_cannot_be_kept(self, ledger: int, batch: list[Sent]) -> None:
        receipts = self._run(self.ledgers[ledger].append_each(self._events([(99, 0, "NUL: \0"), *batch])))
        assert receipts[0].status == "rejected"
        assert told(receipts[1:]) == [self._store(one) for one in batch]

    @rule()
    def lose_the_connections_of_the_appends(self) -> None:
        self._end_connections("pw append", "pw hints")

    @rule(ledger=st.integers(0, 1), batch=call)
    def lose_the_connection_within_an_append(self, ledger: int, batch: list[Sent]) -> None:
        async def cut() -> list[Receipt]:
            appending = asyncio.create_task(self.ledgers[ledger].append(self._events(batch)))
            await asyncio.to_thread(self._end_connections, "pw append")
            return await appending

        statuses = {receipt.status for receipt in self._run(cut())}
        wanted = {self._store(one)[0] for one in batch}
        # What was stored before the connection was lost is a duplicate when it is sent again.
        assert statuses - {"duplicate"} <= wanted

    @rule()
    def crash(self) -> None:
        """All that the processes had is gone but what is in the database."""
        self._end_connections("pw append", "pw hints", "pw read")
        self._run(self.processes.aclose())
        self.begin()

    # --- what must hold ---------------------------------------------------------------------------------

    @invariant()
    def a_read_gives_what_was_stored(self) -> None:
        for ledger in getattr(self, "ledgers", []):
            records = self._run(ledger.read_task(self.task))
            assert [(record.event, record.version) for record in records] == [
                (self._event(one), version) for one, version in self.stored
            ]

    @rule(size=st.integers(1, 5))
    def a_reader_is_given_what_came_since_its_cursor(self, size: int) -> None:
        async def read_on() -> None:
            feed = Feed(self.url)
            async for batch in feed.batches(self.cursor, follow=False, batch_events_max=size):
                self.cursor = batch.cursor
                self.fed += [record.event for record in batch.events if record.event.task_id == self.task]

        self._run(read_on())
        assert self.fed == [self._event(one) for one, _ in self.stored]

    # --- the model --------------------------------------------------------------------------------------

    def _version(self, stream: int) -> int:
        return sum(one[1] == stream for one, _ in self.stored)

    def _known(self, wanted: Sent) -> tuple[Sent, int] | None:
        return next((found for found in self.stored if found[0][0] == wanted[0]), None)

    def _store(self, one: Sent) -> tuple[str, int]:
        """Give the status and the version that a receipt should have."""
        if found := self._known(one):
            return ("duplicate" if found[0] == one else "conflict"), found[1]
        self.stored.append((one, self._version(one[1]) + 1))
        return "created", self.stored[-1][1]

    def _events(self, batch: list[Sent]) -> list[Event]:
        return [self._event(one) for one in batch]

    def _event(self, one: Sent) -> Event:
        message, stream, text = one
        return Event(
            task_id=self.task,
            stream_id=StreamId(f"{self.task}.{stream}"),
            message_id=UUID(int=message),
            occurred_at=_MOMENT,
            body=Failed(error=text),
        )

    def _end_connections(self, *names: str) -> None:
        pids = [pid for (pid,) in self.admin.execute(f"SELECT pid {_CONNECTED}", [list(names)])]
        self.admin.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::integer[]) AS pid", [pids])
        while self.admin.execute("SELECT FROM pg_stat_activity WHERE pid = ANY (%s)", [pids]).fetchone() is not None:
            pass

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)


def told(receipts: list[Receipt]) -> list[tuple[str, int | None]]:
    return [(receipt.status, receipt.version) for receipt in receipts]


def test_whatever_happens_the_ledger_holds_what_a_plain_list_would(database_url: str) -> None:
    class Machine(LedgerMachine):
        url = database_url
        # The examples share a database, so each has a task of its own.
        tasks = itertools.count(1)

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=20, stateful_step_count=25, deadline=None, print_blob=True)
    )
