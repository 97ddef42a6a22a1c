"""A runner is killed at every step of its cycle: its agents go with it, and another one does its work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import psycopg

from api.client.address import Address
from api.client.client import Client
from tests.api.chaos.line import Fault, Line, Moment, open_line
from tests.api.chaos.processes import Processes, Pw, until
from tests.api.chaos.tree import Bench

LEASE_SECONDS = 3.0
FILES = 8

#: By victim, the moment at which it is killed.
VICTIMS: dict[str, tuple[bytes, Moment, bytes]] = {
    "claimed": (b"/v1/claims", "heard", b"lease_epoch"),
    "started": (b'"started"', "heard", b""),
    "moving": (b'"progress"', "heard", b""),
    "completed": (b'"completed"', "heard", b""),
    "accepted": (b"/gates", "unheard", b'"accepted"'),
}
#: The one that is killed while its gate runs.
JUDGED = "judged"

_OUTCOMES = """
    SELECT stream_id, count(*) FILTER (WHERE type = 'subtask_accepted')
    FROM ledger.event
    WHERE stream_id <> task_id
    GROUP BY stream_id
"""


def outcomes(url: str) -> dict[str, int]:
    """By subtask, how often it was accepted."""
    with psycopg.connect(url) as connection:
        return dict(connection.execute(_OUTCOMES).fetchall())


async def test_a_runner_that_is_killed_at_any_step_leaves_no_agent_and_no_harm(
    processes: Processes, database_url: str, expired: Callable[[], set[str]]
) -> None:
    await processes.serve(lease_seconds=LEASE_SECONDS)
    bench = Bench(processes, FILES)
    for name in ("started", "moving"):
        bench.hold(f"{name}-1")
    bench.get_stuck(f"{JUDGED}-1")

    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client.open(Address.of(f"unix:{processes.socket()}")))
        task = await bench.submit(client)
        victims: dict[str, Pw] = {}
        lines: list[Line] = []
        for name, (request, moment, answer) in VICTIMS.items():
            line = await stack.enter_async_context(open_line(processes.socket()))
            lines.append(line)
            line.faults = [Fault(request, moment, lambda name=name: victims[name].kill(), answer)]  # type: ignore[misc]
            victims[name] = bench.work(name, line.url)
        victims[JUDGED] = bench.work(JUDGED, f"unix:{processes.socket()}")
        await until(lambda: bench.began(f"gate-{JUDGED}-1"), "the gate has begun")
        await victims[JUDGED].kill()
        await asyncio.gather(*(victim.ended() for victim in victims.values()))
        for what in ("agent-started-1", "agent-moving-1", f"gate-{JUDGED}-1"):
            await until(lambda what=what: not bench.is_running(what), f"{what} is gone")  # type: ignore[misc]

        bench.work("rest", f"unix:{processes.socket()}", "-j", "3")
        await until(lambda: "task_completed" in types(database_url), "the task is completed")
        view = await client.task(task.id)

    accepted = outcomes(database_url)
    assert set(accepted.values()) == {1}
    assert expired() == {f"{name}-1" for name in (*VICTIMS, JUDGED) if name != "accepted"}
    assert bench.git("rev-parse", view.branch) == view.head
    assert bench.commits_by_subtask(view) == Counter(accepted)
    assert bench.is_clean(view)


async def test_work_is_on_the_branch_although_its_runner_was_killed_before_it_could_put_it_there(
    processes: Processes, database_url: str
) -> None:
    await processes.serve()
    bench = Bench(processes, 1)
    async with (
        Client.open(Address.of(f"unix:{processes.socket()}")) as client,
        open_line(processes.socket()) as line,
    ):
        task = await bench.submit(client)
        victim: Pw

        async def kill() -> None:
            await victim.kill()

        line.faults = [Fault(b"/gates", "unheard", kill, b'"accepted"')]
        victim = bench.work("victim", line.url)
        await victim.ended()

        bench.work("next", f"unix:{processes.socket()}")
        await until(lambda: "task_completed" in types(database_url), "the task is completed")
        view = await client.task(task.id)

    assert bench.git("rev-parse", view.branch) == view.head
    assert bench.commits_by_subtask(view) == Counter(outcomes(database_url)) == {f"{task.id}.1": 1}


def types(url: str) -> set[str]:
    """What has happened so far."""
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT DISTINCT type FROM ledger.event")}
