"""Runs jobs by the clock, in the process that leads.

A job never runs twice at once, and runs that were missed become one. A job that fails is logged and counted, and
runs again when its time comes. When the lead is lost, what is under way is cancelled, and the jobs are over when
`scheduled` has been left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC
from typing import NamedTuple

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from api.jobs.leader import Duty, Leader
from api.observability.metrics import Metrics
from domain.errors import LedgerError
from eventstore.clock import Clock

_LOG = logging.getLogger(__name__)


class Job(NamedTuple):
    """What is to be done every so many seconds, the first time at once."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[object]]


class _Runner:
    """One job's runs."""

    def __init__(self, job: Job, metrics: Metrics, clock: Clock) -> None:
        self._job = job
        self._metrics = metrics
        self._clock = clock
        self._turn = asyncio.Lock()

    async def __call__(self) -> None:
        async with self._turn:
            started = self._clock.monotonic()
            try:
                await self._job.run()
            except asyncio.CancelledError:
                # By the scheduler's end, which nobody above waits to hear of.
                outcome = "cancelled"
            except LedgerError as error:
                # Where that happened is of no interest, and it may happen every second for a while.
                _LOG.warning("a job could not be done", extra={"job": self._job.name, "reason": str(error)})
                outcome = "failed"
            except Exception:  # noqa: BLE001 - a job's fault must not end the jobs
                _LOG.exception("a job has failed", extra={"job": self._job.name})
                outcome = "failed"
            else:
                outcome = "done"
            self._metrics.job_runs.labels(self._job.name, outcome).inc()
            self._metrics.job_seconds.labels(self._job.name).observe(self._clock.monotonic() - started)

    async def over(self) -> None:
        """Wait until no run is under way."""
        async with self._turn:
            return


@asynccontextmanager
async def scheduled(jobs: Sequence[Job], metrics: Metrics, clock: Clock) -> AsyncIterator[None]:
    """Run the jobs until the end of the block."""
    # A run that takes longer than its interval is no fault, and would be told of each time.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    scheduler = AsyncIOScheduler(timezone=UTC)
    runners = {job.name: _Runner(job, metrics, clock) for job in jobs}
    for job in jobs:
        scheduler.add_job(
            runners[job.name].__call__,
            "interval",
            seconds=job.seconds,
            id=job.name,
            next_run_time=clock.now(),
            coalesce=True,
            max_instances=1,
            # However late: the next time may be as late.
            misfire_grace_time=None,
        )
    scheduler.start()
    try:
        yield
    finally:
        # Cancels what is under way, in the next round of the loop.
        scheduler.shutdown(wait=False)
        await asyncio.sleep(0)
        for runner in runners.values():
            await runner.over()


@asynccontextmanager
async def led_jobs(
    url: str, jobs: Sequence[Job], metrics: Metrics, clock: Clock, *, beside: Sequence[Duty] = ()
) -> AsyncIterator[Leader]:
    """Try for the lead of the database at `url`, and run the jobs while it is ours, until the end of the block.

    `beside` are duties that know no clock: they go on as long as the lead.
    """

    @asynccontextmanager
    async def duty() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for other in beside:
                await stack.enter_async_context(other())
            await stack.enter_async_context(scheduled(jobs, metrics, clock))
            yield

    leader = Leader(url, duty)
    metrics.leader.set_function(lambda: float(leader.leads))
    task = asyncio.create_task(leader.run(), name="leader")
    try:
        yield leader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
