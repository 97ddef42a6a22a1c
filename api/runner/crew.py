"""A crew for a service: what `pw work` starts."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from api.client.address import Address
from api.client.client import Client
from api.runner.heartbeat import Heart
from api.runner.look import Look
from api.runner.machine import Thresholds
from api.runner.process import Guardian, WorkerHost
from api.runner.runner import Runner
from api.runner.stopping import until_stopped
from api.runner.trees import OneTree, Trees
from api.runner.work import Shop
from api.runner.workers import WorkerSpec
from api.schemas import Lease, ObservationJob
from domain.errors import ParallelWorkersError, UnfitError
from domain.ids import short
from eventstore.clock import SystemClock

#: How long a service may be away before its runner gives up: longer than a restart takes.
_PATIENCE_SECONDS = 600.0

Say = Callable[[str], None]


class Hiring(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to work, for whom, and where."""

    address: Address
    worker: WorkerSpec
    jobs: int
    #: What the workers' names begin with.
    name: str
    task_id: str | None
    #: Where the tree is on this machine; None: where the task says.
    repository: Path | None
    #: The one folder to work in; None: worktrees.
    folder: Path | None
    #: End when there is no work.
    drain: bool
    #: How full the machine may be before more than one of them works.
    thresholds: Thresholds = Thresholds()


async def work(hiring: Hiring, folder: Path, say: Say) -> None:
    """Work until a signal asks to stop; worktrees and what attempts leave are kept in `folder`.

    Raises `ServiceError` where the service stays out of reach, `UsageError` for a folder that is not fit, and
    `UnfitError` where the one task that they work for cannot be worked on from here.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    own = hiring.folder
    trees = await OneTree.at(own) if own is not None else Trees(folder, repository=hiring.repository)
    async with Client.open(hiring.address, clock=clock, patience_seconds=_PATIENCE_SECONDS) as client:
        with ExitStack() as stack:
            stack.enter_context(Guardian())
            shop = Shop(
                client=client,
                clock=clock,
                heart=stack.enter_context(Heart(hiring.address, clock)),
                host=stack.enter_context(WorkerHost()),
                trees=trees,
                worker=hiring.worker,
                folder=folder,
                watcher=_Reporter(say, one_task=hiring.task_id is not None),
            )
            runner = Runner(
                shop,
                lambda number: f"{hiring.name}-{number}",
                task_id=hiring.task_id,
                drain=hiring.drain,
                thresholds=hiring.thresholds,
            )
            say(f"{hiring.jobs} workers for {hiring.address.name}: {hiring.name}-1 and on")
            if await until_stopped(runner.run(hiring.jobs), stop) and runner.left_open:
                say(f"no more work for these workers; subtasks left open: {runner.left_open:,}")


class _Reporter:
    """Says a line for each piece of work; a look that fails is somebody else's turn."""

    def __init__(self, say: Say, *, one_task: bool) -> None:
        self.stop_reason = "its runner was stopped"
        self._say = say
        self._one_task = one_task

    def told(self, lease: Lease, what: str) -> None:
        """Say what came of a subtask."""
        self._say(f"{lease.task_id} {short(lease.subtask_id)} by {lease.worker_id}: {what}")

    def cannot_work(self, lease: Lease, error: UnfitError) -> None:
        """Say why a task is left to others; end the runner where it has no other."""
        if self._one_task:
            raise UnfitError(f"{lease.task_id} cannot be worked on from here: {error}") from error
        self._say(f"{lease.task_id} is left to others: {error}")

    def looked(self, job: ObservationJob, seen: Look) -> None:
        """Say what the tool found."""
        self._say(f"{job.task_id} looked at {job.commit[:12]}: {len(seen.report.problems):,} problems")

    def cannot_look(self, job: ObservationJob, error: ParallelWorkersError) -> None:
        """Say why the tree could not be looked at."""
        self._say(f"{job.task_id} could not be looked at: {error}")
