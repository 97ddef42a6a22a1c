"""The runner: asks for work, and has it done, by several workers at once.

It knows the service by its HTTP interface alone. A subtask becomes an attempt in a tree of its worker's own
(`work.py`); a phase that is over becomes a look at the task's tree (`look.py`).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from api.runner.look import Look, look
from api.runner.machine import Room, Thresholds, measure
from api.runner.process import WORKERS_MAX
from api.runner.tool import Tool
from api.runner.work import Shop, Work
from api.schemas import ClaimReply, ClaimRequest, Lease, ObservationJob, ObservationRequest, Outlook, WorkerRequest
from domain.errors import LifecycleError, ReportError, RepositoryError, ToolError, UnfitError

#: How long one request waits for work, in seconds.
_WAIT_SECONDS = 30.0
#: The same for a runner that ends when there is none: what follows from the last piece of work comes at once, and so
#: does what has rested after a failure.
_LAST_WAIT_SECONDS = 1.0
#: How often a runner looks whether the machine has room again, in seconds.
_ROOM_SECONDS = 1.0
#: How long a worker looks at no tree after it could not look at one, and a runner leaves alone a task that it could
#: not work on, in seconds.
_UNFIT_SECONDS = 60.0

_LOG = logging.getLogger(__name__)


class Runner:
    """Workers that claim, work and hand in, until they are stopped."""

    def __init__(
        self,
        shop: Shop,
        name_of: Callable[[int], str],
        *,
        task_id: str | None = None,
        repository: str | None = None,
        drain: bool = False,
        thresholds: Thresholds | None = None,
        machine: Callable[[], Room] = measure,
    ) -> None:
        """Work for one task, or one repository, or whatever comes; with `drain` until nothing comes any more.

        More than one piece of work is taken on only while `thresholds` leave room on the `machine`.
        """
        self._shop = shop
        self._name_of = name_of
        self._task_id = task_id
        self._repository = repository
        self._drain = drain
        self._thresholds = thresholds or Thresholds()
        self._machine = machine
        self._asking = asyncio.Lock()
        self._group: asyncio.TaskGroup | None = None
        self._slots = 0
        #: Pieces of work that are under way.
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        #: Tasks that cannot be worked on from here, and until when that is believed.
        self._unfit: dict[str, float] = {}
        #: With `drain`: how many subtasks were open when there was nothing more to do here.
        self.left_open = 0

    async def run(self, jobs: int) -> None:
        """Let so many workers go. Cancelled, it ends them and hands back what they hold.

        Raises `ServiceError` where the service stays out of reach, and what the watcher raises.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.grow(jobs)
        finally:
            self._group = None
            await asyncio.shield(self._shop.trees.clear())

    def grow(self, jobs: int) -> None:
        """Have at least so many workers."""
        if self._group is None:
            return
        for number in range(self._slots + 1, min(jobs, WORKERS_MAX) + 1):
            self._slots = number
            self._group.create_task(self._slot(self._name_of(number)), name=f"worker {number}")

    async def _slot(self, worker_id: str) -> None:
        clock = self._shop.clock
        await self._shop.client.register(WorkerRequest(worker_id=worker_id, name=self._shop.worker.name))
        looks_from = clock.monotonic()
        wait_seconds = first_wait = _LAST_WAIT_SECONDS if self._drain else _WAIT_SECONDS
        while True:
            await self._wait_for_room()
            # That it asks on tells the service as well that a look which has failed is somebody else's turn.
            reply = await self._claim(worker_id, wait_seconds, can_observe=clock.monotonic() >= looks_from)
            wait_seconds = first_wait
            if not isinstance(reply, Outlook):
                if not await self._do(reply):
                    looks_from = self._until_tried_again()
            elif self._drain:
                self.left_open = reply.open_subtasks
                if reply.retry_after_seconds is not None:
                    wait_seconds = min(reply.retry_after_seconds + _LAST_WAIT_SECONDS, _WAIT_SECONDS)
                elif not self._busy:
                    return

    async def _wait_for_room(self) -> None:
        if not self._thresholds.are_set:
            return
        async with self._asking:
            # One always goes on: whatever fills the machine may be somebody else's, and stay.
            while self._busy:
                # What the last one has begun is to be seen by then.
                await asyncio.sleep(_ROOM_SECONDS)
                if self._thresholds.leave_room(self._machine()):
                    return

    async def _claim(self, worker_id: str, wait_seconds: float, *, can_observe: bool) -> ClaimReply | Outlook:
        request = ClaimRequest(
            worker_id=worker_id,
            request_id=self._shop.clock.new_message_id(),
            task_id=self._task_id,
            repository=self._repository,
            without_tasks=self._left_out(),
            wait_seconds=wait_seconds,
            can_observe=can_observe,
        )
        return await self._shop.client.claim_or_outlook(request)

    def _left_out(self) -> tuple[str, ...]:
        now = self._shop.clock.monotonic()
        return tuple(task for task, until in self._unfit.items() if until > now)

    def _until_tried_again(self) -> float:
        """Say until when something is not tried that could not be done here, by the monotonic clock."""
        return math.inf if self._drain else self._shop.clock.monotonic() + _UNFIT_SECONDS

    async def _do(self, job: ClaimReply) -> bool:
        """Do what was asked for; tell whether this worker can go on looking at trees."""
        self._begin_one()
        try:
            match job:
                case Lease():
                    await self._work(job)
                case ObservationJob():
                    return await self._look(job)
        finally:
            self._end_one()
        return True

    async def _work(self, lease: Lease) -> None:
        work = Work(self._shop, lease)
        try:
            awaits_reviews = await work.run()
        except UnfitError as error:
            # Several may have been given something of it before one of them found out.
            is_known = lease.task_id in self._left_out()
            self._unfit[lease.task_id] = self._until_tried_again()
            if not is_known:
                self._shop.watcher.cannot_work(lease, error)
            return
        if awaits_reviews and self._group is not None:
            self._begin_one()
            self._group.create_task(self._await_reviews(work))

    def _begin_one(self) -> None:
        self._busy += 1
        self._idle.clear()

    def _end_one(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no piece of work is under way."""
        await self._idle.wait()

    async def _await_reviews(self, work: Work) -> None:
        try:
            await work.await_reviews()
        finally:
            self._end_one()

    async def _look(self, job: ObservationJob) -> bool:
        """Look at a task's tree and tell the service; tell whether that could be done."""
        shop = self._shop
        try:
            seen = await self._seen(job)
            shop.watcher.looked(job, seen)
            request = ObservationRequest(report="", format=seen.report.format, tree=seen.tree)
            await shop.client.observe(job.task_id, request, seen.data)
        except (RepositoryError, ToolError, ReportError) as error:
            shop.watcher.cannot_look(job, error)
            return False
        except LifecycleError as error:
            # Somebody else has looked meanwhile, or the task was paused.
            _LOG.info("a look came too late", extra={"task_id": job.task_id, "reason": str(error)})
        return True

    async def _seen(self, job: ObservationJob) -> Look:
        # The same for all looks at a task: what its build has cached makes the next one fast.
        name = look_name(self._name_of(1))
        tree = await self._shop.trees.take(name, job.task_id, job.repository, job.commit, alone=False)
        if tree.checkout is None:
            raise RepositoryError(f"{tree.path} is no git checkout: what it holds is of no commit")
        repository = tree.checkout.repository
        if job.branch:
            # Whoever did the last piece may have been killed between its verdict and its branch.
            await repository.advance_branch(job.branch, job.commit)
        return await look(Tool.of(job.tool), tree.path, job.prefix, job.commit, repository=repository)


def look_name(worker_id: str) -> str:
    """Name the tree in which a runner looks at a task, by its first worker."""
    return f"{worker_id}-look"
