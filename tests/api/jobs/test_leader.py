"""One process leads, and another one takes over when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg

from api.jobs.leader import LOCK_KEY, Leader

_SECONDS_MAX = 30


class Watched:
    """A leader, and whether it is on duty."""

    def __init__(self, url: str) -> None:
        self.on_duty = False
        self.terms = 0
        self.leader = Leader(url, self._duty, try_seconds=0.02)

    @asynccontextmanager
    async def _duty(self) -> AsyncIterator[None]:
        self.on_duty = True
        self.terms += 1
        try:
            yield
        finally:
            self.on_duty = False

    @contextmanager
    def running(self) -> Iterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.leader.run())
        try:
            yield task
        finally:
            task.cancel()

    async def until(self, *, leads: bool) -> None:
        async with asyncio.timeout(_SECONDS_MAX):
            await self.leader.until(leads=leads)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def cut(url: str) -> None:
    """Cut the line of whoever leads."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks"
            " WHERE locktype = 'advisory' AND granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )


async def test_whoever_is_alone_leads(database_url: str) -> None:
    one = Watched(database_url)
    with one.running():
        await one.until(leads=True)
        assert one.on_duty


async def test_of_several_one_leads(database_url: str) -> None:
    several = [Watched(database_url) for _ in range(3)]
    with several[0].running():
        await several[0].until(leads=True)
        with several[1].running(), several[2].running():
            # The others have tried, and have found that they do not.
            await several[1].leader.until(leads=False)
            await asyncio.to_thread(wait_for_tries, database_url, 3)
            assert [one.on_duty for one in several] == [True, False, False]


def wait_for_tries(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'pw leader' AND state = 'idle'"
            " AND (query LIKE '%pg_try_advisory_lock%' OR query LIKE 'SELECT 1%')"
        )
        while connection.execute(query).fetchone() != (count,):
            connection.execute("SELECT pg_sleep(0.02)")


async def test_another_one_takes_over_when_the_leader_ends(database_url: str) -> None:
    first, second = Watched(database_url), Watched(database_url)
    with first.running() as task:
        await first.until(leads=True)
        with second.running():
            await ended(task)
            assert not first.on_duty
            await second.until(leads=True)


async def test_a_lost_connection_is_the_end_of_the_lead(database_url: str) -> None:
    one = Watched(database_url)
    with one.running():
        await one.until(leads=True)
        with psycopg.connect(database_url, autocommit=True) as other:
            # Takes the lead as soon as it is free, so that it does not come back.
            taken = asyncio.create_task(asyncio.to_thread(other.execute, "SELECT pg_advisory_lock(%s)", [LOCK_KEY]))
            await asyncio.to_thread(cut, database_url)
            await taken
            await one.until(leads=False)
            assert not one.on_duty


async def test_a_leader_that_was_cut_off_leads_again_when_nobody_else_does(database_url: str) -> None:
    one = Watched(database_url)
    with one.running():
        await one.until(leads=True)
        await asyncio.to_thread(cut, database_url)
        await one.until(leads=False)
        await one.until(leads=True)
        assert one.terms == 2


async def test_two_never_lead_at_once(database_url: str) -> None:
    several = [Watched(database_url) for _ in range(3)]
    with several[0].running(), several[1].running(), several[2].running():
        for _ in range(10):
            async with asyncio.timeout(_SECONDS_MAX):
                waits = [asyncio.create_task(one.leader.until(leads=True)) for one in several]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
            assert sum(one.on_duty for one in several) <= 1
            terms = sum(one.terms for one in several)
            await asyncio.to_thread(cut, database_url)
            async with asyncio.timeout(_SECONDS_MAX):
                while sum(one.terms for one in several) == terms:
                    await asyncio.sleep(0.01)
                    assert sum(one.on_duty for one in several) <= 1


async def test_a_duty_that_fails_to_begin_is_begun_again(database_url: str) -> None:
    begun = 0

    @asynccontextmanager
    async def duty() -> AsyncIterator[None]:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise RuntimeError("not yet")
        yield

    leader = Leader(database_url, duty, try_seconds=0.02)
    task = asyncio.create_task(leader.run())
    async with asyncio.timeout(_SECONDS_MAX):
        await leader.until(leads=True)
    await ended(task)
    assert begun == 2
