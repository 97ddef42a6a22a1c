"""The service: everything that `Services` promises, on one ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from api.auth.principal import Principal
from api.postmortem.document import Postmortem
from api.schemas import (
    AnswerRequest,
    AnyMessage,
    Baseline,
    BlockerPage,
    ClaimReply,
    ClaimRequest,
    EstimateView,
    EventPage,
    GatesRequest,
    HeartbeatReply,
    HeartbeatRequest,
    HeldLease,
    LeaseState,
    MessageReceipt,
    ObservationRequest,
    Outlook,
    ProgressView,
    ReleaseRequest,
    ReviewRequest,
    SubtaskPage,
    SubtaskView,
    TaskPage,
    TaskRequest,
    TaskView,
    VerdictReply,
    WorkerRequest,
    WorkerView,
)
from api.service.briefs import brief_of
from api.service.desk import Desk
from api.service.desks import Desks
from api.service.dispatcher import Dispatcher
from api.service.effort_model import REFRESH_SECONDS, EffortModel
from api.service.estimates import Estimates
from api.service.leases import Leases
from api.service.messages import Messages
from api.service.observations import Observations
from api.service.policy import tool_of
from api.service.postmortems import Postmortems
from api.service.queries import Queries
from api.service.store import Store
from api.service.supposition import Supposition
from api.service.tasks import Tasks
from api.service.verdicts import Verdicts
from api.service.views import blocker_view, progress_view
from api.service.workers import Workers
from api.streams.hub import EventHub
from domain.errors import NotYoursError
from domain.experience import Experience
from domain.ids import TaskId
from domain.lease_clocks import LeaseTimes, deadline
from domain.task_state import LIVE, SubtaskState, TaskState
from eventstore.clock import Clock
from eventstore.doorbell import Doorbell
from eventstore.ledger import Ledger

#: How often leases are looked at, in seconds.
SWEEP_SECONDS = 1.0
#: How often estimates of ends may be made anew, in seconds.
ESTIMATE_SECONDS = 1.0
#: How often signs of life are written down, in seconds.
SAVE_SECONDS = 1.0
_FORGET_SECONDS = 600.0

Job = tuple[str, float, Callable[[], Awaitable[None]]]
"""Its name, how often it runs in seconds, and what it does."""


class Service:
    """The service of one process; `only` makes it the private one of a single task's run."""

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        store: Store,
        clock: Clock,
        hub: EventHub,
        *,
        only: TaskId | None,
        times: LeaseTimes,
        worker_leases_max: int | None,
    ) -> None:
        self.hub = hub
        self.clock = clock
        self.ledger = ledger
        self.store = store
        self.desks = Desks(ledger, store, clock, only)
        self.workers = Workers(store)
        self.leases = Leases(self.desks, self.workers, store, clock, times)
        self.effort_model = EffortModel(url, clock)
        self.dispatcher = Dispatcher(
            self.desks, self.leases, self.effort_model, clock, worker_leases_max=worker_leases_max
        )
        self._observations = Observations(url)
        self.messages = Messages(self.desks, self.workers, self.leases, self._observations, ledger, clock)
        self._verdicts = Verdicts(self.desks, self.workers, self._observations)
        self.courses = Tasks(url, self.desks, self.dispatcher, self._observations, self.effort_model, clock)
        self.estimates = Estimates(self.desks, self.dispatcher, self.effort_model, clock)
        self._queries = Queries(self.desks, ledger, store)
        self._postmortems = Postmortems(url, ledger, clock)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        clock: Clock,
        *,
        only: TaskId | None = None,
        times: LeaseTimes | None = None,
        worker_leases_max: int | None = None,
    ) -> AsyncIterator[Self]:
        """Connect, take up the tasks that are under way, and hand out work until the end of the block.

        No worker holds more than `worker_leases_max` subtasks at once. `jobs` and `leader_jobs` have to be run by
        somebody. Raises `LedgerError` where the database is out of reach.
        """
        async with AsyncExitStack() as stack:
            ledger = await stack.enter_async_context(Ledger.open(url, clock))
            store = await stack.enter_async_context(Store(url))
            doorbell = await stack.enter_async_context(Doorbell(url))
            hub = EventHub(url, doorbell)
            service = cls(
                url,
                ledger,
                store,
                clock,
                hub,
                only=only,
                times=times or LeaseTimes(),
                worker_leases_max=worker_leases_max,
            )
            # From here on nothing is missed: what was there before is read by the desks themselves.
            await stack.enter_async_context(service.hub.run())
            service.hub.on_unreadable = service.desks.give_up
            stack.callback(service.hub.subscribe(service.desks.take_in))
            stack.callback(service.hub.subscribe(service.effort_model.hear))
            await stack.enter_async_context(service.effort_model.follow(service.hub.position))
            if only is None:
                await service.leases.pulse()
            await service.desks.open_all()
            rounds = asyncio.create_task(service.dispatcher.run(), name="dispatcher")
            try:
                yield service
            finally:
                await service.dispatcher.close()
                rounds.cancel()
                await asyncio.gather(rounds, return_exceptions=True)
                await service.desks.close()

    @property
    def jobs(self) -> list[Job]:
        """What each process has to do again and again."""
        return [
            ("pulse", self.leases.pulse_seconds, self.leases.pulse),
            ("signs of life", SAVE_SECONDS, self.leases.save),
            ("forget idle workers", _FORGET_SECONDS, self._forget),
            ("effort model", REFRESH_SECONDS, self.effort_model.refresh),
        ]

    @property
    def leader_jobs(self) -> list[Job]:
        """What one process has to do for all; a private service does it for its own task."""
        return [
            ("leases", SWEEP_SECONDS, self.leases.sweep),
            ("estimates", ESTIMATE_SECONDS, self.estimates.refresh),
            ("keep effort model", REFRESH_SECONDS, self.effort_model.keep),
        ]

    async def _forget(self) -> None:
        self.leases.forget_idle()

    # --- tasks ---

    async def submit(
        self, request: TaskRequest, report: bytes, principal: Principal, *, idempotency_key: str | None = None
    ) -> TaskView:
        """Open a task; see `Services`."""
        return self._queries.task_view(await self.courses.submit(request, report, principal, idempotency_key))

    async def observe(
        self, task_id: str, request: ObservationRequest, report: bytes, principal: Principal
    ) -> TaskView:
        """Take in a new look; see `Services`."""
        self._check_looker(await self.desks.get(TaskId(task_id)), principal)
        return self._queries.task_view(await self.courses.observe(task_id, request, report))

    async def tasks(self, *, status: str | None = None, cursor: str | None = None, limit: int = 100) -> TaskPage:
        """List tasks; see `Services`."""
        return await self._queries.tasks(status, cursor, limit)

    async def task(self, task_id: str) -> TaskView:
        """Give a task; see `Services`."""
        return self._queries.task_view(await self.desks.get(TaskId(task_id)))

    async def experience(self, repository: str) -> Experience:
        """Give what the history says; see `Services`."""
        return await self.courses.experience(repository)

    async def progress(self, task_id: str) -> ProgressView:
        """Say how far a task is; see `Services`."""
        estimate = await self.estimates.of(TaskId(task_id))
        desk = await self.desks.get(TaskId(task_id))
        return progress_view(desk.state, estimate)

    async def estimate(
        self, task_id: str, *, without_worker: str = "", blocked_longer: float = 0.0, workers: int | None = None
    ) -> EstimateView:
        """Say when a task's phase will be done; see `Services`."""
        supposed = Supposition(without_worker=without_worker, blocked_longer=blocked_longer, workers=workers)
        return await self.estimates.of(TaskId(task_id), supposed)

    async def postmortem(self, task_id: str) -> Postmortem:
        """Say where a task's time went; see `Services`."""
        return await self._postmortems.of(TaskId(task_id))

    async def subtasks(
        self, task_id: str, *, status: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> SubtaskPage:
        """List subtasks; see `Services`."""
        return await self._queries.subtasks(task_id, status, cursor, limit)

    async def blockers(
        self, task_id: str, *, open_only: bool = False, cursor: str | None = None, limit: int = 100
    ) -> BlockerPage:
        """List blockers; see `Services`."""
        return await self._queries.blockers(task_id, cursor, limit, open_only=open_only)

    async def events(self, task_id: str, *, after: int = 0, limit: int = 100) -> EventPage:
        """List events; see `Services`."""
        return await self._queries.events(task_id, after, limit)

    async def pause(self, task_id: str, reason: str, principal: Principal) -> TaskView:
        """Pause a task; see `Services`."""
        return self._queries.task_view(await self.courses.pause(task_id, _said(reason, principal)))

    async def resume(self, task_id: str, reason: str, principal: Principal) -> TaskView:
        """Resume a task; see `Services`."""
        return self._queries.task_view(await self.courses.resume(task_id, _said(reason, principal)))

    async def cancel(self, task_id: str, reason: str, principal: Principal) -> TaskView:
        """Cancel a task; see `Services`."""
        return self._queries.task_view(await self.courses.cancel(task_id, _said(reason, principal)))

    # --- workers ---

    async def register(self, request: WorkerRequest, principal: Principal) -> WorkerView:
        """Bind a worker's name; see `Services`."""
        known = await self.workers.register(request.worker_id, principal, request.name)
        held = (
            subtask.id
            for desk in self.desks.served()
            for subtask in desk.state.subtasks.values()
            if subtask.status in LIVE and subtask.worker_id == request.worker_id
        )
        return WorkerView(
            worker_id=request.worker_id,
            name=known.name,
            registered_at=known.registered_at,
            heard_at=known.heard_at,
            leases=tuple(held),
        )

    async def heartbeat(self, worker_id: str, request: HeartbeatRequest, principal: Principal) -> HeartbeatReply:
        """Take note that a worker is alive; see `Services`."""
        await self.workers.check(worker_id, principal)
        self.leases.heard(worker_id)
        return HeartbeatReply(leases=tuple([await self._lease_state(worker_id, held) for held in request.leases]))

    async def claim(self, request: ClaimRequest, principal: Principal, gone: asyncio.Event) -> ClaimReply | None:
        """Hand out work; see `Services`."""
        await self.workers.check(request.worker_id, principal)
        return await self.dispatcher.claim(request, gone)

    async def outlook(self, request: ClaimRequest) -> Outlook:
        """Say what may still come; see `Services`."""
        return self.dispatcher.outlook(request)

    async def release(self, subtask_id: str, request: ReleaseRequest, principal: Principal) -> SubtaskView:
        """Take a subtask back; see `Services`."""
        desk = await self._verdicts.release(subtask_id, request, principal)
        return self._queries.subtask_view(desk, subtask_id)

    # --- messages and verdicts ---

    async def post(self, messages: Sequence[AnyMessage], principal: Principal) -> list[MessageReceipt]:
        """Store messages; see `Services`."""
        return await self.messages.post(messages, principal)

    async def subtask(self, subtask_id: str, principal: Principal) -> SubtaskView:
        """Give a subtask; see `Services`."""
        desk, _ = await self._readable(subtask_id, principal)
        return self._queries.subtask_view(desk, subtask_id)

    async def brief(self, subtask_id: str, principal: Principal, *, report: str = "") -> str:
        """Write a subtask's brief; see `Services`."""
        desk, subtask = await self._readable(subtask_id, principal)
        problems = await self._observations.of_subtask(desk.state, subtask)
        return brief_of(desk.state, subtask, problems, report)

    async def baseline(self, subtask_id: str, principal: Principal, *, files: Sequence[str] = ()) -> Baseline:
        """Give what work is measured against; see `Services`."""
        desk, subtask = await self._readable(subtask_id, principal)
        state = desk.state
        problems = await self._observations.of_phase(state, subtask.plan.phase)
        seen = next(one for one in reversed(state.observations) if one.phase == subtask.plan.phase)
        tool = tool_of(state.submitted)
        if tool is not None and tool.scoped:
            wanted = {*subtask.plan.scope.files, *files}
            problems = [problem for problem in problems if problem.path in wanted]
        return Baseline(commit=seen.commit, problems=tuple(problems))

    async def answer(self, subtask_id: str, request: AnswerRequest, principal: Principal) -> SubtaskView:
        """Answer a blocker; see `Services`."""
        desk = await self._verdicts.answer(subtask_id, request, principal)
        return self._queries.subtask_view(desk, subtask_id)

    async def judge(self, subtask_id: str, request: GatesRequest, principal: Principal) -> VerdictReply:
        """Take in what the gates said; see `Services`."""
        return await self._verdicts.judge(subtask_id, request, principal)

    async def review(self, subtask_id: str, request: ReviewRequest, principal: Principal) -> VerdictReply:
        """Take in a review; see `Services`."""
        return await self._verdicts.review(subtask_id, request, principal)

    # --- who may see what ---

    async def _readable(self, subtask_id: str, principal: Principal) -> tuple[Desk, SubtaskState]:
        """Find a subtask for somebody who may see it: a worker, what one of its workers holds or held."""
        desk, subtask = await self._queries.subtask(subtask_id)
        if principal.role != "worker" or await self._had_by(subtask, principal):
            return desk, subtask
        # Another process may have given it the lease just now.
        await desk.catch_up()
        subtask = desk.state.subtasks[subtask.id]
        if not await self._had_by(subtask, principal):
            raise NotYoursError(f"{subtask_id} is no subtask of a worker of yours")
        return desk, subtask

    async def _had_by(self, subtask: SubtaskState, principal: Principal) -> bool:
        """Tell whether a worker of the caller's holds or held a subtask."""
        workers = {note.worker_id for note in subtask.history} | {subtask.last_worker or ""}
        return any([await self.workers.belongs_to(worker, principal) for worker in workers if worker])

    def _check_looker(self, desk: Desk, principal: Principal) -> None:
        """Refuse a worker's look at a tree that nobody has asked it for."""
        if principal.role == "worker":
            looker = self.dispatcher.looker(desk.task_id)
            if looker is None or not self.workers.known_to_belong(looker, principal):
                raise NotYoursError(f"no worker of yours was asked to look at the tree of {desk.task_id}")

    async def _lease_state(self, worker_id: str, held: HeldLease) -> LeaseState:
        desk, subtask = await self._queries.subtask(held.subtask_id)
        if subtask.epoch < held.lease_epoch:
            # Another process gave that lease, and we have not heard of it yet.
            await desk.catch_up()
            subtask = desk.state.subtasks[subtask.id]
        state = desk.state
        reason = _why_lost(state, subtask, worker_id, held.lease_epoch)
        lease = None if reason else self.leases.expiry(subtask)
        answers = (
            ()
            if reason
            else tuple(
                blocker_view(state, subtask, blocker)
                for blocker in subtask.blockers
                if blocker.epoch == held.lease_epoch and blocker.answered_at is not None
            )
        )
        return LeaseState(
            subtask_id=subtask.id,
            lease_epoch=held.lease_epoch,
            held=not reason,
            reason=reason,
            expires_at=lease.at if lease else None,
            deadline_at=None if reason else deadline(subtask, self.leases.outages),
            answers=answers,
        )


def _why_lost(state: TaskState, subtask: SubtaskState, worker_id: str, epoch: int) -> str:
    """Say why a lease is not held any more; empty where it is."""
    if subtask.epoch != epoch:
        return f"{subtask.id} was leased again, under epoch {subtask.epoch}"
    if subtask.status in LIVE and subtask.worker_id == worker_id:
        return ""
    if subtask.lost_worker == worker_id and state.status == "running":
        return f"the lease ran out: {subtask.note}"
    return f"{subtask.id} is {subtask.status}" + (f": {subtask.note}" if subtask.note else "")


def _said(reason: str, principal: Principal) -> str:
    who = principal.name or principal.key_id or principal.role
    return f"{reason} (by {who})" if reason else f"by {who}"
