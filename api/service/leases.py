"""Who was heard of when, and which leases are over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString

from api.service.desk import Desk
from api.service.desks import Desks
from api.service.store import Store
from api.service.workers import Workers
from domain import events as e
from domain.errors import LifecycleError
from domain.events import RecordedEvent
from domain.lease_clocks import Expiry, LeaseTimes, Outage, expiry
from domain.lifecycle import LoseWorker
from domain.readiness import newly_ready
from domain.task_state import SubtaskState
from eventstore.clock import Clock

#: How often a process says that the service is there, within the silence that costs a worker its lease.
_PULSES = 12
#: A silence of ours that is longer than so many was an outage: shorter ones leave every worker time enough.
_OUTAGE_PULSES = 3
#: How far back outages are of interest: no lease is older, in days.
_OUTAGE_DAYS = 7

# Before the pulse is renewed, a gap behind the last one is written down: once, however many processes come back.
_GAP: LiteralString = """
    INSERT INTO service.outage (began_at, ended_at)
    SELECT alive_at, clock_timestamp()
    FROM service.pulse
    WHERE clock_timestamp() - alive_at > make_interval(secs => %(outage_seconds)s)
    ON CONFLICT (began_at) DO NOTHING
"""

_PULSE: LiteralString = """
    INSERT INTO service.pulse (alive_at) VALUES (clock_timestamp())
    ON CONFLICT (only_row) DO UPDATE SET alive_at = greatest(pulse.alive_at, excluded.alive_at)
"""

_OUTAGES: LiteralString = """
    SELECT began_at, ended_at
    FROM service.outage
    WHERE ended_at > clock_timestamp() - make_interval(days => %(days)s)
    ORDER BY began_at
"""

_SAID = (e.Started, e.Progress, e.Blocked, e.Completed)

_LOG = logging.getLogger(__name__)


class Leases:
    """The clocks of all leases of this process's desks."""

    def __init__(self, desks: Desks, workers: Workers, store: Store, clock: Clock, times: LeaseTimes) -> None:
        self.times = times
        self._desks = desks
        self._workers = workers
        self._store = store
        self._clock = clock
        self._heard: dict[str, datetime] = {}
        self._moved: dict[str, datetime] = {}
        self._unsaved: set[str] = set()
        desks.listeners.append(self._listen)
        self._outages: Sequence[Outage] = ()
        self._swept_at: datetime | None = None

    @property
    def pulse_seconds(self) -> float:
        """How often the service has to say that it is there."""
        return self.times.silence / _PULSES

    @property
    def outages(self) -> Sequence[Outage]:
        """When the service was not there, in order."""
        return self._outages

    def heard(self, worker_id: str) -> None:
        """Take note of a sign of life."""
        self._heard[worker_id] = self._clock.now()
        self._unsaved.add(worker_id)

    def expiry(self, subtask: SubtaskState) -> Expiry | None:
        """Say when a lease is over unless its worker is heard of."""
        heard = self._heard.get(subtask.worker_id or "")
        return expiry(subtask, heard, self.times, self._outages, moved_at=self._moved.get(subtask.id))

    def _listen(self, _: Desk, record: RecordedEvent) -> None:
        """Date what workers say by our clock: theirs may be hours off, and a lease must not end or last for that."""
        event = record.event
        if isinstance(event.body, _SAID) and event.worker_id is not None:
            heard_at = min(record.recorded_at, self._clock.now())
            self._heard[event.worker_id] = max(heard_at, self._heard.get(event.worker_id, heard_at))
            self._moved[event.stream_id] = heard_at
        elif isinstance(event.body, e.BlockerAnswered):
            self._moved[event.stream_id] = record.recorded_at
        elif isinstance(event.body, e.SubtaskClaimed | e.SubtaskAccepted | e.SubtaskHeld | e.SubtaskSplit):
            self._moved.pop(event.stream_id, None)

    # --- what is done again and again ---

    async def pulse(self) -> None:
        """Say that the service is there, and learn when it was not."""
        await self._store.rows(_GAP, {"outage_seconds": self._outage_seconds})
        await self._store.rows(_PULSE)
        rows = await self._store.rows(_OUTAGES, {"days": _OUTAGE_DAYS})
        self._outages = [(began, ended) for began, ended in rows]

    async def save(self) -> None:
        """Write down who was heard of since the last time, so that other processes know."""
        unsaved, self._unsaved = self._unsaved, set()
        if not unsaved:
            return
        now = self._clock.now()
        try:
            await self._workers.store_signs_of_life(
                {worker: (now - self._heard[worker]).total_seconds() for worker in unsaved}
            )
        except BaseException:
            self._unsaved |= unsaved
            raise

    async def sweep(self) -> None:
        """End the leases that are over, and hand out again what has rested long enough."""
        now = self._clock.now()
        if self._desks.only is not None:
            self._notice_own_gap(now)
        if over := self._over(now):
            if self._desks.only is None:
                # Silent may have been who could not be heard: this may be the first that is done after an outage.
                await self.pulse()
            await self._hear_others([subtask.worker_id or "" for _, subtask, _ in over])
        for desk, subtask, lease in self._over(now):
            await self._end(desk, subtask, lease)
        for desk in self._desks.served():
            if newly_ready(desk.state, now):
                await desk.settle()

    def forget_idle(self) -> None:
        """Drop what was heard of workers that hold nothing."""
        holding = {subtask.worker_id for desk in self._desks.served() for subtask in desk.live.values()}
        for worker in [worker for worker in self._heard if worker not in holding and worker not in self._unsaved]:
            del self._heard[worker]

    @property
    def _outage_seconds(self) -> float:
        return _OUTAGE_PULSES * self.pulse_seconds

    def _over(self, now: datetime) -> list[tuple[Desk, SubtaskState, Expiry]]:
        """List the leases that are over, as far as this process knows."""
        return [
            (desk, subtask, lease)
            for desk in self._desks.served()
            for subtask in desk.live.values()
            if (lease := self.expiry(subtask)) is not None and lease.at <= now
        ]

    def _notice_own_gap(self, now: datetime) -> None:
        """Take a pause of this process, which serves its task alone, for an outage: its machine may have slept."""
        last, self._swept_at = self._swept_at, now
        if last is not None and (now - last).total_seconds() > self._outage_seconds:
            self._outages = [*self._outages, (last, now)]

    async def _hear_others(self, workers: list[str]) -> None:
        """Ask what other processes have heard of workers that this one takes for silent."""
        now = self._clock.now()
        for worker, silent_seconds in (await self._workers.silent_for(workers)).items():
            heard_at = now - timedelta(seconds=silent_seconds)
            if worker not in self._heard or self._heard[worker] < heard_at:
                self._heard[worker] = heard_at

    async def _end(self, desk: Desk, subtask: SubtaskState, lease: Expiry) -> None:
        lost = LoseWorker(subtask_id=subtask.id, epoch=subtask.epoch, reason=lease.reason, clock=lease.clock)
        try:
            await desk.command(lost)
        except LifecycleError:
            # It has said its last word meanwhile.
            return
        _LOG.info(
            "lease expired",
            extra={"subtask_id": subtask.id, "worker_id": subtask.worker_id, "clock": lease.clock},
        )
