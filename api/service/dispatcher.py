"""Who waits for work, and who gets it: one dispatcher for each process.

Waiting costs memory and nothing else. A round is made when somebody new waits, or when something has changed that may
make work: all waiting workers are matched with all that can be handed out (`domain/matching.py`), and each pair is a
claim at the desk of its task. There the ledger decides: of several processes that hand out the same subtask, one
gets it, and the others' workers go on waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from api.schemas import ClaimReply, ClaimRequest, Lease, ObservationJob, Outlook
from api.service.desk import Desk
from api.service.desks import Desks
from api.service.effort_model import EffortModel
from api.service.leases import Leases
from api.service.views import awaits_observation, lease_view
from domain import events as e
from domain.errors import LedgerError, LifecycleError, ParallelWorkersError
from domain.events import RecordedEvent
from domain.expertise import Expertise
from domain.ids import SubtaskId, TaskId, WorkerId
from domain.lifecycle import Claim, Release
from domain.matching import Applicant, Offer, effective_priority, match
from domain.readiness import held_files
from domain.task_state import LIVE, SubtaskState, TaskState
from eventstore.clock import Clock

#: A subtask that has been ready for so long goes before newer ones of the next priority.
AGEING_SECONDS = 600.0
#: How long somebody has for looking at a tree before another one is asked.
OBSERVATION_SECONDS = 1800.0
#: Claims by request whose leases are found again.
_REQUESTS_MAX = 100_000

#: After these there may be something to hand out, or nothing more to wait for.
_WAKING = (
    e.SubtaskReady, e.SubtaskAccepted, e.SubtaskRejected, e.SubtaskReleased, e.SubtaskHeld, e.LeaseExpired, e.Failed,
    e.TaskResumed, e.TaskDecomposed, e.SubtaskSplit,
)  # fmt: skip

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Waiter:
    request: ClaimRequest
    since: datetime
    reply: asyncio.Future[ClaimReply | None]
    #: Set while a claim of it is under way, so that it is not given two.
    claiming: bool = False


@dataclass(slots=True)
class _Look:
    """Somebody was asked to look at a task's tree."""

    worker_id: str
    phase: int
    expires_at: datetime


class Dispatcher:
    """Hands out the work of this process's desks."""

    def __init__(
        self,
        desks: Desks,
        leases: Leases,
        effort_model: EffortModel,
        clock: Clock,
        *,
        worker_leases_max: int | None = None,
    ) -> None:
        self._desks = desks
        self._worker_leases_max = worker_leases_max
        self._leases = leases
        self._effort_model = effort_model
        self._clock = clock
        self._waiters: dict[int, _Waiter] = {}
        self._claimed: dict[tuple[str, UUID], tuple[TaskId, SubtaskId]] = {}
        self._looks: dict[TaskId, _Look] = {}
        self._wake = asyncio.Event()
        # A round looks at what the one before has left: two at once would offer the same subtask to two workers.
        self._turn = asyncio.Lock()
        self._closing = False
        self.on_given: Callable[[ClaimReply], None] = lambda _: None
        desks.listeners.append(self._heard)

    @property
    def waiting(self) -> int:
        """How many workers wait for work."""
        return len(self._waiters)

    def waiting_for(self, state: TaskState) -> frozenset[str]:
        """Name the workers that wait for work and may be given a task's."""
        return frozenset(
            waiter.request.worker_id
            for waiter in self._waiters.values()
            if _may_have(waiter.request, state) and not waiter.reply.done()
        )

    def outlook(self, request: ClaimRequest) -> Outlook:
        """Say what a claim that found nothing may still hope for."""
        asked = [desk for desk in self._desks.served() if _is_about(request, desk.state)]
        rests = [
            until
            for desk in asked
            if desk.state.status == "running" and _may_have(request, desk.state)
            for until in desk.resting.values()
        ]
        return Outlook(
            open_subtasks=sum(len(desk.unfinished) for desk in asked),
            # What should be ready by now is let go with the next sweep.
            retry_after_seconds=max((min(rests) - self._clock.now()).total_seconds(), 0.0) if rests else None,
        )

    def wake(self) -> None:
        """Have another round made soon."""
        self._wake.set()

    # --- waiting ---

    async def claim(self, request: ClaimRequest, gone: asyncio.Event) -> ClaimReply | None:
        """Wait for work, at most as long as the request says; None where there was none."""
        await self._end_same(request)
        if (lease := self._again(request)) is not None:
            return lease
        if self._closing:
            return None
        self._end_looks(request.worker_id)
        waiter = _Waiter(request, self._clock.now(), asyncio.get_running_loop().create_future())
        self._waiters[id(waiter)] = waiter
        if request.wait_seconds > 0.0:
            self.wake()
        leaving = asyncio.ensure_future(gone.wait())
        try:
            if request.wait_seconds > 0.0:
                awaited: set[asyncio.Future[Any]] = {waiter.reply, leaving}
                await asyncio.wait(awaited, timeout=request.wait_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not waiter.reply.done() and not gone.is_set():
                # Who does not want to wait is there for one round; and what is on its way to the ledger, and may be
                # this worker's already, is waited for.
                await self._round()
        finally:
            leaving.cancel()
            self._waiters.pop(id(waiter), None)
            # A claim that is still under way finds that nobody waits for it, and takes it back.
            if not waiter.reply.done():
                waiter.reply.set_result(None)
        reply = waiter.reply.result()
        if reply is not None and gone.is_set():
            await self._take_back(reply)
            return None
        return reply

    def _again(self, request: ClaimRequest) -> Lease | None:
        """Give the lease that the same request was given before, while it is held."""
        if request.request_id is None:
            return None
        found = self._claimed.get((request.worker_id, request.request_id))
        desk = self._desks.resident(found[0]) if found else None
        if found is None or desk is None:
            return None
        subtask = desk.state.subtasks[found[1]]
        held = subtask.status in LIVE and subtask.request_id == request.request_id
        return self._lease(desk.state, subtask) if held else None

    async def _end_same(self, request: ClaimRequest) -> None:
        """Who asks again has given up waiting for the first answer: two that wait would get two leases."""
        if request.request_id is None:
            return
        key = (request.worker_id, request.request_id)
        for waiter in list(self._waiters.values()):
            if (waiter.request.worker_id, waiter.request.request_id) == key and not waiter.reply.done():
                if waiter.claiming:
                    await asyncio.wait({waiter.reply})
                else:
                    waiter.reply.set_result(None)

    def _lease(self, state: TaskState, subtask: SubtaskState) -> Lease:
        lease = self._leases.expiry(subtask)
        expires_at = lease.at if lease else self._clock.now() + timedelta(seconds=self._leases.times.silence)
        return lease_view(state, subtask, expires_at, self._leases.times.heartbeat)

    async def _take_back(self, reply: ClaimReply) -> None:
        """Release what was claimed for somebody who has gone away meanwhile."""
        if isinstance(reply, ObservationJob):
            self._looks.pop(TaskId(reply.task_id), None)
            self.wake()
            return
        desk = await self._desks.get(TaskId(reply.task_id))
        release = Release(
            subtask_id=SubtaskId(reply.subtask_id), epoch=reply.lease_epoch, reason="its worker did not wait for it"
        )
        with contextlib.suppress(LifecycleError):
            await desk.command(release)

    # --- handing out ---

    async def run(self) -> None:
        """Make rounds until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._round()
            except LedgerError:
                _LOG.warning("work could not be handed out", exc_info=True)
            except Exception:  # noqa: BLE001 - a fault of ours must not leave everybody waiting
                _LOG.exception("a round of the dispatcher has failed")

    async def _round(self) -> None:
        async with self._turn:
            await self._match()

    async def _match(self) -> None:
        """Pair workers and work until there is no more of one of them."""
        while waiting := [
            waiter for waiter in self._waiters.values() if not waiter.claiming and not waiter.reply.done()
        ]:
            waiting = self._hand_out_looks(self._without_full(waiting))
            offers = self._offers(len(waiting))
            applicants = [self._applicant(waiter) for waiter in waiting]
            now = self._clock.now()
            pairs = match(
                applicants, [offer for offer, _ in offers], Expertise(self._effort_model.learner), now, AGEING_SECONDS
            )
            if not pairs:
                return
            for waiter, _ in pairs:
                waiting[waiter].claiming = True
            given = await asyncio.gather(*(self._give(waiting[waiter], *offers[offer]) for waiter, offer in pairs))
            if not any(given):
                # Another process is faster: what it does is heard of soon, and wakes us.
                return

    async def _give(self, waiter: _Waiter, offer: Offer, desk: Desk) -> bool:
        """Claim a subtask for a worker; tell whether that was possible."""
        request = waiter.request
        claim = Claim(
            subtask_id=SubtaskId(offer.subtask_id),
            worker_id=WorkerId(request.worker_id),
            base_commit=desk.state.head if request.base_commit is None else request.base_commit,
            request_id=request.request_id,
            forecast=self._effort_model.start_forecast(
                desk.state, desk.state.subtasks[SubtaskId(offer.subtask_id)], request.worker_id
            ),
        )
        try:
            await desk.command(claim)
        except LifecycleError:
            # Another process was faster, and may have given something to the same request.
            if (given := self._again(request)) is not None and not waiter.reply.done():
                waiter.reply.set_result(given)
            self.wake()
            return False
        except ParallelWorkersError as error:
            if not waiter.reply.done():
                waiter.reply.set_exception(error)
            return False
        finally:
            waiter.claiming = False
        subtask = desk.state.subtasks[claim.subtask_id]
        self._leases.heard(request.worker_id)
        lease = self._lease(desk.state, subtask)
        self.on_given(lease)
        if waiter.reply.done():
            await self._take_back(lease)
        else:
            waiter.reply.set_result(lease)
        return True

    def _without_full(self, waiting: list[_Waiter]) -> list[_Waiter]:
        """Leave out workers that hold as much as they may: they wait until they have done something."""
        if self._worker_leases_max is None:
            return waiting
        held = Counter[str](
            subtask.worker_id or "" for desk in self._desks.served() for subtask in desk.live.values()
        )
        free = []
        for waiter in waiting:
            held[waiter.request.worker_id] += 1
            if held[waiter.request.worker_id] <= self._worker_leases_max:
                free.append(waiter)
        return free

    def _applicant(self, waiter: _Waiter) -> Applicant:
        request = waiter.request
        return Applicant(
            worker_id=request.worker_id,
            waiting_since=waiter.since,
            task_id=request.task_id,
            repository=request.repository,
            without_tasks=frozenset(request.without_tasks),
        )

    def _offers(self, waiting: int) -> list[tuple[Offer, Desk]]:
        """List what can be handed out to so many workers, the most urgent of each task."""
        offers = []
        for desk in self._desks.served():
            state = desk.state
            if state.status != "running" or not desk.ready:
                continue
            live, leases_max = len(desk.live), desk.policy.leases_max
            for subtask, holds in self._most_urgent(desk, waiting):
                offer = Offer(
                    task_id=state.id,
                    subtask_id=subtask.id,
                    repository=state.submitted.repository,
                    priority=subtask.plan.priority,
                    ready_at=subtask.ready_at or state.submitted_at,
                    effort_p50=subtask.plan.effort.p50,
                    category=subtask.plan.effort.category,
                    holds=holds,
                    task_leases=live,
                    leases_left=None if leases_max is None else leases_max - live,
                )
                offers.append((offer, desk))
        return offers

    def _most_urgent(self, desk: Desk, count: int) -> list[tuple[SubtaskState, frozenset[str]]]:
        """List the most urgent of what is ready and whose files nobody holds, as much as can matter in one go."""
        now = self._clock.now()
        held = held_files(desk.live.values())
        free = [ready for ready in desk.ready.values() if held.isdisjoint(ready[1])]
        if len(free) <= count:
            return free

        def urgency(ready: tuple[SubtaskState, frozenset[str]]) -> tuple[int, float, str]:
            subtask = ready[0]
            waiting_since = subtask.ready_at or now
            priority = effective_priority(subtask.plan.priority, waiting_since, now, AGEING_SECONDS)
            return priority, -subtask.plan.effort.p50, subtask.id

        return heapq.nsmallest(count, free, key=urgency)

    # --- looking at trees ---

    def _hand_out_looks(self, waiting: list[_Waiter]) -> list[_Waiter]:
        """Ask those who can to look at trees whose phase is over; give those who still wait."""
        if not any(waiter.request.can_observe for waiter in waiting):
            return waiting
        for desk in self._desks.served():
            state, tool = desk.state, desk.tool
            if desk.ready or desk.live or tool is None or not awaits_observation(state) or self._looked_at(state):
                continue
            seeing = next(
                (waiter for waiter in waiting if waiter.request.can_observe and _may_have(waiter.request, state)),
                None,
            )
            if seeing is None:
                continue
            expires_at = self._clock.now() + timedelta(seconds=OBSERVATION_SECONDS)
            self._looks[state.id] = _Look(seeing.request.worker_id, state.phase, expires_at)
            job = ObservationJob(
                task_id=state.id,
                worker_id=seeing.request.worker_id,
                repository=state.submitted.repository,
                prefix=state.submitted.prefix,
                commit=state.head,
                tool=tool,
                expires_at=expires_at,
                branch=state.submitted.branch,
            )
            self.on_given(job)
            seeing.reply.set_result(job)
            waiting = [waiter for waiter in waiting if waiter is not seeing]
        return waiting

    def _looked_at(self, state: TaskState) -> bool:
        look = self._looks.get(state.id)
        return look is not None and look.phase == state.phase and look.expires_at > self._clock.now()

    def looker(self, task_id: TaskId) -> str | None:
        """Give the worker that was asked to look at a task's tree."""
        look = self._looks.get(task_id)
        return look.worker_id if look else None

    def _end_looks(self, worker_id: str) -> None:
        """Ask again for looks of a worker that asks for work: it looks at nothing now, however that has ended."""
        for task_id in [task_id for task_id, look in self._looks.items() if look.worker_id == worker_id]:
            self.let_go_of_look(task_id)

    def let_go_of_look(self, task_id: TaskId) -> None:
        """Have somebody else asked: the look came to nothing."""
        self._looks.pop(task_id, None)
        self.wake()

    # --- listening ---

    def _heard(self, desk: Desk, record: RecordedEvent) -> None:
        event = record.event
        body = event.body
        if isinstance(body, e.SubtaskClaimed) and body.request_id is not None and event.worker_id is not None:
            self._claimed[event.worker_id, body.request_id] = (desk.task_id, SubtaskId(event.stream_id))
            if len(self._claimed) > _REQUESTS_MAX:
                self._claimed.pop(next(iter(self._claimed)))
        if isinstance(body, _WAKING):
            self.wake()

    async def close(self) -> None:
        """Send everybody away who waits, but for those whose claim is under way."""
        self._closing = True
        async with self._turn:
            for waiter in self._waiters.values():
                if not waiter.reply.done():
                    waiter.reply.set_result(None)


def _is_about(request: ClaimRequest, state: TaskState) -> bool:
    return request.task_id in (None, state.id) and request.repository in (None, state.submitted.repository)


def _may_have(request: ClaimRequest, state: TaskState) -> bool:
    return _is_about(request, state) and state.id not in request.without_tasks
