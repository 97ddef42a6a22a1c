"""Lines that break at the worst moment: to the database after a commit, to the client after the answer was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
import uuid6

from api.client.address import Address
from api.client.client import Client
from api.schemas import CompletedMessage, ProgressMessage, ReleaseRequest
from tests.api.chaos.crew import Worker, submit
from tests.api.chaos.line import Fault, Line, Moment, open_line
from tests.api.chaos.processes import Processes
from tests.eventstore.chaos.test_line_cut import Proxy

#: Of a client that waits for work for longer than that.
PATIENCE_SECONDS = 2.0

UntilStored = Callable[[str], Awaitable[None]]


@pytest.fixture
async def proxy(processes: Processes) -> AsyncIterator[Proxy]:
    """Stands between the server and its database."""
    between = Proxy(processes.url, processes.folder)
    async with await asyncio.start_unix_server(between.accept, between.path):
        yield between
        await processes.close()


@pytest.fixture
async def line(processes: Processes, proxy: Proxy) -> AsyncIterator[Line]:
    """Stands between clients and a server."""
    await processes.serve(url=proxy.url)
    async with open_line(processes.socket()) as between:
        yield between


@pytest.fixture
async def client(line: Line) -> AsyncIterator[Client]:
    async with Client.open(Address.of(line.url)) as client:
        yield client


@pytest.fixture
async def until_stored(database_url: str) -> AsyncIterator[UntilStored]:
    """Wait until an event of a type is committed."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as observer:

        async def wait(kind: str) -> None:
            query = "SELECT count(*) FROM ledger.event WHERE type = %s"
            while await (await observer.execute(query, [kind])).fetchone() == (0,):
                pass

        yield wait


def count(url: str, kind: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.event WHERE type = %s", [kind]).fetchone()
    assert row is not None
    return int(row[0])


# --- to the database, after COMMIT ----------------------------------------------------------------------


async def test_a_message_whose_commit_was_not_heard_of_is_a_duplicate(
    client: Client, proxy: Proxy, database_url: str, until_stored: UntilStored
) -> None:
    await submit(client, files=1)
    worker = Worker(lambda: client, "w1")
    await worker.claim()
    await worker.start()
    message = worker.message(ProgressMessage, completed=1, total=2)

    line = await proxy.line("append")
    line.swallow_answers()
    saying = asyncio.create_task(worker.say(message))
    await until_stored("progress")
    line.cut()

    [receipt] = await saying
    [again] = await worker.say(message)
    assert (receipt.status, again.status) == ("duplicate", "duplicate")
    assert receipt.position == again.position
    assert count(database_url, "progress") == 1


async def test_the_last_word_whose_commit_was_not_heard_of_is_a_duplicate_and_accepted_once(
    client: Client, proxy: Proxy, database_url: str, until_stored: UntilStored
) -> None:
    task = await submit(client, files=1, repository="")
    worker = Worker(lambda: client, "w1")
    await worker.claim()
    await worker.start()

    line = await proxy.line("append")
    line.swallow_answers()
    saying = asyncio.create_task(worker.say(worker.message(CompletedMessage)))
    await until_stored("completed")
    line.cut()

    assert [receipt.status for receipt in await saying] == ["duplicate"]
    assert count(database_url, "subtask_accepted") == 1
    assert (await client.task(task.id)).status == "completed"


async def test_a_claim_whose_commit_was_not_heard_of_gives_the_lease_that_its_request_gives_again(
    client: Client, proxy: Proxy, database_url: str, until_stored: UntilStored
) -> None:
    await submit(client, files=3)
    worker = Worker(lambda: client, "w1")
    request_id = uuid6.uuid7()

    line = await proxy.line("append")
    line.swallow_answers()
    claiming = asyncio.create_task(worker.claim(request_id=request_id))
    await until_stored("subtask_claimed")
    line.cut()

    lease, again = await claiming, await worker.claim(request_id=request_id)
    assert lease is not None
    assert again is not None
    assert (again.subtask_id, again.lease_epoch) == (lease.subtask_id, lease.lease_epoch)
    assert count(database_url, "subtask_claimed") == 1


async def test_a_verdict_whose_commit_was_not_heard_of_is_given_once(
    client: Client, proxy: Proxy, database_url: str, until_stored: UntilStored
) -> None:
    await submit(client, files=2)
    worker = Worker(lambda: client, "w1")
    await worker.claim()
    await worker.start()
    await worker.say(worker.message(CompletedMessage))

    line = await proxy.line("append")
    line.swallow_answers()
    judging = asyncio.create_task(worker.hand_in())
    await until_stored("subtask_accepted")
    line.cut()

    assert await judging == "accepted"
    assert count(database_url, "subtask_accepted") == 1


# --- to the client, after the answer --------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["unsent", "unheard"])
async def test_whatever_a_client_asks_again_has_happened_once(
    client: Client, line: Line, database_url: str, moment: Moment
) -> None:
    asked = {
        b"/v1/tasks ": b"submitted_at",
        b"/v1/claims": b"lease_epoch",
        b'"started"': b"",
        b'"progress"': b"",
        b'"completed"': b"",
        b"/gates": b"accepted",
    }
    line.faults = [Fault(request, moment, answer=answer) for request, answer in asked.items()]

    await submit(client, files=1)
    worker = Worker(lambda: client, "w1")
    await worker.claim()
    await worker.do()

    assert line.faults == []
    kinds = ("task_submitted", "subtask_claimed", "started", "completed", "subtask_accepted", "task_completed")
    assert {kind: count(database_url, kind) for kind in kinds} == dict.fromkeys(kinds, 1)
    assert count(database_url, "progress") == len(worker.journal.sent) - 2


async def test_what_is_handed_back_again_is_handed_back_once(client: Client, line: Line, database_url: str) -> None:
    await submit(client, files=1)
    worker = Worker(lambda: client, "w1")
    lease = await worker.claim()
    assert lease is not None
    line.faults = [Fault(b"/release", "unheard")]

    view = await client.release(lease.subtask_id, ReleaseRequest(worker_id="w1", lease_epoch=1))

    assert view.status == "ready"
    assert count(database_url, "subtask_released") == 1


async def test_who_has_hung_up_is_not_given_what_comes_later(
    client: Client, processes: Processes, database_url: str
) -> None:
    waiting = asyncio.create_task(Worker(lambda: client, "leaving").claim(wait_seconds=300.0))
    await processes.until_metric("a", "pw_claims_waiting", 1.0)
    waiting.cancel()
    await processes.until_metric("a", "pw_claims_waiting", 0.0)

    await submit(client, files=1)

    assert await Worker(lambda: client, "staying").claim(wait_seconds=60.0) is not None
    assert count(database_url, "subtask_claimed") == 1


async def test_who_has_waited_for_longer_than_its_patience_asks_again_when_the_line_is_cut(
    line: Line, processes: Processes, until_passed: Callable[[float], Awaitable[None]]
) -> None:
    async with Client.open(Address.of(line.url), patience_seconds=PATIENCE_SECONDS) as client:
        waiting = asyncio.create_task(Worker(lambda: client, "w1").claim(wait_seconds=300.0))
        await processes.until_metric("a", "pw_claims_waiting", 1.0)
        await until_passed(PATIENCE_SECONDS)
        line.cut()
        await submit(client, files=1)
        assert await waiting is not None
