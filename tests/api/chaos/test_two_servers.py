"""Two servers on one database: whatever is asked of either, in any order, the work is done once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from api.client.address import Address
from api.client.client import Client
from domain.events import Event, SubtaskAccepted
from domain.evolution import evolve
from domain.ids import TaskId
from domain.task_state import LIVE, TaskState
from eventstore.ledger import Ledger
from tests.api.chaos.crew import Journal, Worker, any_of, report_of, submit
from tests.api.chaos.processes import Processes
from tests.api.chaos.test_server_killed import follow_each_other

Figures = dict[str, int]

WORKERS = 16
#: Three codes in each of six groups of two files: of three subtasks, two wait for the files of the first.
SUBTASKS = 18
SHARED_FILES = "".join(
    report_of((group, group + 6), (f"F{group}01", f"E{group}11", f"W{group}05")) for group in range(1, 7)
)
LEASE_SECONDS = 2.0


async def clients_of(processes: Processes, stack: AsyncExitStack, *names: str) -> list[Client]:
    return [
        await stack.enter_async_context(Client.open(Address.of(f"unix:{processes.socket(name)}"))) for name in names
    ]


@pytest.mark.parametrize("seed", range(2), ids="seed={}".format)
async def test_a_task_whose_workers_speak_to_either_server_is_done_once(
    processes: Processes, database_url: str, reckon: Callable[..., Figures], seed: int
) -> None:
    await asyncio.gather(processes.serve("a"), processes.serve("b"))
    journal = Journal()
    async with AsyncExitStack() as stack:
        clients = await clients_of(processes, stack, "a", "b")
        task = await submit(clients[0], SUBTASKS, report=SHARED_FILES, strategy="code")
        workers = [
            Worker(any_of(clients, seed * WORKERS + number), f"w{number}", journal) for number in range(WORKERS)
        ]
        await asyncio.gather(*(worker.work(task.id) for worker in workers))

    assert journal.acknowledged.keys() == journal.sent
    assert journal.refused == []
    assert reckon(database_url, journal) == {}
    async with Ledger.open(database_url) as ledger:
        events = [record.event for record in await ledger.read_task(TaskId(task.id))]
    assert files_in_two_hands(events) == set()
    commits = [event.body.commit for event in events if isinstance(event.body, SubtaskAccepted)]
    assert len(commits) == SUBTASKS
    assert follow_each_other(commits)


def files_in_two_hands(events: list[Event]) -> set[str]:
    """Find the files that two workers have held at once."""
    state: TaskState | None = None
    found: set[str] = set()
    for event in events:
        state = evolve(state, event)
        live = [subtask for subtask in state.subtasks.values() if subtask.status in LIVE]
        hands = Counter(path for subtask in live for path in subtask.plan.scope.holds)
        found |= {path for path, number in hands.items() if number > 1}
    return found


async def test_a_server_whose_leader_is_killed_ends_leases_in_its_place(
    processes: Processes, expired: Callable[[], set[str]]
) -> None:
    leader = await processes.serve("a", lease_seconds=LEASE_SECONDS)
    await processes.until_metric("a", "pw_leader", 1.0)
    await processes.serve("b", lease_seconds=LEASE_SECONDS)
    async with AsyncExitStack() as stack:
        [client] = await clients_of(processes, stack, "b")
        await submit(client, files=2)
        alive, silent = (Worker(lambda: client, name) for name in ("alive", "silent"))
        for worker in (alive, silent):
            assert await worker.claim() is not None
            await worker.start()
        await leader.kill()
        await alive.beat_until(lambda: expired() == {"silent"})
    await processes.until_metric("b", "pw_leader", 1.0)


async def test_a_leader_asks_what_the_other_server_has_heard_before_it_ends_a_lease(
    processes: Processes, expired: Callable[[], set[str]]
) -> None:
    await processes.serve("a", lease_seconds=LEASE_SECONDS)
    await processes.until_metric("a", "pw_leader", 1.0)
    await processes.serve("b", lease_seconds=LEASE_SECONDS)
    async with AsyncExitStack() as stack:
        at_leader, at_other = await clients_of(processes, stack, "a", "b")
        await submit(at_leader, files=2)
        alive, silent = Worker(lambda: at_other, "alive"), Worker(lambda: at_leader, "silent")
        for worker in (alive, silent):
            assert await worker.claim(wait_seconds=60.0) is not None
            await worker.start()
        await alive.beat_until(lambda: expired() == {"silent"})
        # Once more around: what was heard at the other server went on counting.
        again = Worker(lambda: at_leader, "silent-again")
        assert await again.claim(wait_seconds=60.0) is not None
        await alive.beat_until(lambda: expired() == {"silent", "silent-again"})
