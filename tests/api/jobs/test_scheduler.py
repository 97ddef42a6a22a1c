"""Jobs run by the clock, one run at a time, whatever becomes of a run."""

from __future__ import annotations

import asyncio
import logging

import psycopg
import pytest

from api.jobs.scheduler import Job, led_jobs, scheduled
from api.observability.metrics import Metrics
from domain.errors import LedgerError
from eventstore.clock import SystemClock

_SECONDS_MAX = 30


class Work:
    """A job that counts its runs, and can be made to fail or to take its time."""

    def __init__(self, name: str = "work", fails: int = 0) -> None:
        self.runs = 0
        self.at_once = 0
        self.at_once_max = 0
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._fails = fails
        self._ran = asyncio.Condition()
        self.job = Job(name, 0.01, self._run)

    async def _run(self) -> None:
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        async with self._ran:
            self.runs += 1
            self._ran.notify_all()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1
        if self.runs <= self._fails:
            raise RuntimeError("broken")

    async def ran(self, times: int) -> None:
        async with asyncio.timeout(_SECONDS_MAX), self._ran:
            await self._ran.wait_for(lambda: self.runs >= times)


def count(metrics: Metrics, job: str, outcome: str) -> float:
    return float(metrics.registry.get_sample_value("pw_job_runs_total", {"job": job, "outcome": outcome}) or 0)


async def test_a_job_runs_again_and_again() -> None:
    work = Work()
    async with scheduled([work.job], Metrics(), SystemClock()):
        await work.ran(3)


async def test_a_job_with_a_long_period_runs_at_once() -> None:
    work = Work()
    async with scheduled([work.job._replace(seconds=86_400)], Metrics(), SystemClock()):
        await work.ran(1)


async def test_a_job_that_fails_is_logged_and_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    work, metrics = Work(fails=1), Metrics()
    with caplog.at_level(logging.ERROR):
        async with scheduled([work.job], metrics, SystemClock()):
            await work.ran(3)
    assert count(metrics, "work", "failed") == 1
    assert count(metrics, "work", "done") >= 1
    [record] = [record for record in caplog.records if record.name == "api.jobs.scheduler"]
    assert record.exc_info is not None
    assert "broken" in str(record.exc_info[1])


async def test_a_database_that_is_away_fills_no_log_with_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    ran = asyncio.Event()

    async def run() -> None:
        ran.set()
        raise LedgerError("the ledger cannot be reached: connection refused")

    with caplog.at_level(logging.WARNING):
        async with scheduled([Job("work", 3600, run)], Metrics(), SystemClock()):
            await ran.wait()
    [record] = [record for record in caplog.records if record.name == "api.jobs.scheduler"]
    assert record.levelname == "WARNING"
    assert record.exc_info is None


async def test_a_job_that_fails_keeps_no_other_from_running() -> None:
    bad, good = Work("bad", fails=10_000), Work("good")
    async with scheduled([bad.job, good.job], Metrics(), SystemClock()):
        await bad.ran(2)
        await good.ran(3)


async def test_a_job_never_runs_twice_at_once() -> None:
    slow, other = Work("slow"), Work("other")
    slow.gate.clear()
    async with scheduled([slow.job, other.job], Metrics(), SystemClock()):
        await slow.ran(1)
        # Time for the slow one to come up again and again.
        await other.ran(10)
        slow.gate.set()
        await slow.ran(3)
    assert slow.at_once_max == 1


async def test_nothing_runs_when_the_block_is_over() -> None:
    work = Work()
    work.gate.clear()
    async with scheduled([work.job], Metrics(), SystemClock()):
        await work.ran(1)
    assert (work.at_once, work.cancelled) == (0, 1)


async def test_jobs_run_in_the_process_that_leads(database_url: str) -> None:
    first, second = Work(), Work()
    metrics = Metrics(), Metrics()
    async with led_jobs(database_url, [first.job], metrics[0], SystemClock()):
        await first.ran(3)
        async with led_jobs(database_url, [second.job], metrics[1], SystemClock()):
            await first.ran(first.runs + 10)
            assert second.runs == 0
            assert metrics[0].registry.get_sample_value("pw_leader") == 1.0
            assert metrics[1].registry.get_sample_value("pw_leader") == 0.0


async def test_jobs_go_on_elsewhere_when_the_leader_loses_its_line(database_url: str) -> None:
    first, second = Work(), Work()
    async with led_jobs(database_url, [first.job], Metrics(), SystemClock()) as leader:
        await first.ran(1)
        async with led_jobs(database_url, [second.job], Metrics(), SystemClock()):
            first.gate.clear()
            await first.ran(first.runs + 1)
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            async with asyncio.timeout(_SECONDS_MAX):
                await leader.until(leads=False)
            assert first.at_once == 0
            first.gate.set()
            started = first.runs + second.runs
            async with asyncio.timeout(_SECONDS_MAX):
                while first.runs + second.runs == started:  # noqa: ASYNC110 - the fact is in two places
                    await asyncio.sleep(0.01)
