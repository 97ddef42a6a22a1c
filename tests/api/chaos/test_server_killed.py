"""A server is killed at every step of the cycle, and comes back: its workers go on, and everything is there once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from api.client.address import Address
from api.client.client import Client
from tests.api.chaos.crew import BASE, Journal, Worker, submit
from tests.api.chaos.line import Fault, Moment, open_line
from tests.api.chaos.processes import Processes

Figures = dict[str, int]

WORKERS = 4
SUBTASKS = 12
#: Of the servers that go for longer than that.
LEASE_SECONDS = 1.5

#: What is asked for at each step, and what the answer holds.
STEPS: dict[str, tuple[bytes, bytes]] = {
    "claim": (b"/v1/claims", b"lease_epoch"),
    "started": (b'"started"', b""),
    "progress": (b'"progress"', b""),
    "completed": (b'"completed"', b""),
    "verdict": (b"/gates", b'"accepted"'),
}
MOMENTS: tuple[Moment, ...] = ("unsent", "sent", "unheard", "heard")

_HEADS = """
    SELECT payload ->> 'commit'
    FROM ledger.event
    WHERE type = 'subtask_accepted'
    ORDER BY position
"""


def faults(seed: int, do: Callable[[], Awaitable[None]]) -> list[Fault]:
    """Strike each step once, in an order and at moments that the seed decides; one lies between accept and branch."""
    chance = random.Random(seed)
    struck = [(step, chance.choice(MOMENTS)) for step in STEPS]
    struck.append(("verdict", "heard"))
    chance.shuffle(struck)
    print(f"seed {seed}:", ", ".join(f"{step} {moment}" for step, moment in struck))
    return [Fault(STEPS[step][0], moment, do, STEPS[step][1]) for step, moment in struck]


@pytest.mark.parametrize("seed", range(2), ids="seed={}".format)
async def test_a_server_that_is_killed_at_every_step_loses_nothing_and_does_nothing_twice(
    processes: Processes, database_url: str, reckon: Callable[..., Figures], seed: int
) -> None:
    server = await processes.serve()
    journal = Journal()

    async def kill() -> None:
        nonlocal server
        await server.kill()
        server = await processes.serve()

    async with open_line(processes.socket()) as line, Client.open(Address.of(line.url)) as client:
        task = await submit(client, files=SUBTASKS)
        line.faults = faults(seed, kill)
        workers = [Worker(lambda: client, f"w{number}", journal) for number in range(WORKERS)]
        await asyncio.gather(*(worker.work(task.id) for worker in workers))
        assert (await client.task(task.id)).status == "completed"
        assert line.faults == []

    assert journal.acknowledged.keys() == journal.sent
    assert reckon(database_url, journal) == {}
    with psycopg.connect(database_url) as connection:
        commits = [commit for (commit,) in connection.execute(_HEADS)]
    assert sorted(commits) == sorted(commit for one in journal.accepted.values() for commit in one)
    assert follow_each_other(commits)


def follow_each_other(commits: list[str]) -> bool:
    """Tell whether each commit was made on top of the one before."""
    return all(commit.endswith(head[:12]) for head, commit in zip([BASE, *commits], commits, strict=False))


async def one_alive_one_dead(client: Client) -> Worker:
    """Have two workers begin, and give the one that will be heard of again."""
    await submit(client, files=2)
    workers = [Worker(lambda: client, name) for name in ("alive", "dead")]
    for worker in workers:
        assert await worker.claim() is not None
        await worker.start()
    return workers[0]


async def test_a_server_that_was_away_for_longer_than_a_lease_takes_nobody_for_lost(
    processes: Processes, until_passed: Callable[[float], Awaitable[None]], expired: Callable[[], set[str]]
) -> None:
    server = await processes.serve(lease_seconds=LEASE_SECONDS)
    async with open_line(processes.socket()) as line, Client.open(Address.of(line.url)) as client:
        alive = await one_alive_one_dead(client)
        await server.kill()
        await until_passed(2 * LEASE_SECONDS)
        await processes.serve(lease_seconds=LEASE_SECONDS)
        await alive.beat_until(lambda: expired() == {"dead"})


async def test_a_server_that_slept_for_longer_than_a_lease_takes_nobody_for_lost(
    processes: Processes, until_passed: Callable[[float], Awaitable[None]], expired: Callable[[], set[str]]
) -> None:
    server = await processes.serve(lease_seconds=LEASE_SECONDS)
    async with open_line(processes.socket()) as line, Client.open(Address.of(line.url)) as client:
        alive = await one_alive_one_dead(client)
        server.stop()
        await until_passed(2 * LEASE_SECONDS)
        server.go_on()
        await alive.beat_until(lambda: expired() == {"dead"})
