"""One worker's hold on one subtask, and where its time went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain import events as e
from domain.events import Event
from domain.task_state import LIVE, SubtaskState

if TYPE_CHECKING:
    from projections.projection import Step

_ENDS: dict[type, str] = {
    e.Failed: "failed",
    e.LeaseExpired: "lost",
    e.SubtaskReleased: "released",
    e.SubtaskRejected: "rejected",
    e.SubtaskAccepted: "accepted",
    e.SubtaskHeld: "held",
    e.SubtaskSplit: "split",
}


@dataclass(slots=True, eq=False)
class Attempt:
    """An attempt so far. Its time is the domain's (`worked_seconds` of a subtask's state), a part of it at a time."""

    plan: e.SubtaskPlanned
    epoch: int
    worker_id: str
    ready_at: datetime | None
    claimed_at: datetime
    started_at: datetime | None = None
    reported_at: datetime | None = None
    ended_at: datetime | None = None
    #: The subtask's status while the worker has it, then how the attempt ended.
    outcome: str = "claimed"
    #: From the worker's first word to its last, as far as it is known; blocked time is a part of it.
    worked_seconds: float = 0.0
    blocked_seconds: float = 0.0
    gate_seconds: float = 0.0
    cpu_seconds: float | None = None
    usage: e.Usage | None = None
    #: Its worker's last report that said how far it is, and no more.
    heard: e.RecordedEvent | None = None
    #: Whether the subtask's state is still without it.
    is_ahead: bool = False

    @classmethod
    def claimed(cls, before: SubtaskState, after: SubtaskState, event: Event) -> Attempt:
        """Begin an attempt with its claim."""
        return cls(before.plan, after.epoch, after.worker_id or "", before.ready_at, event.occurred_at)

    @property
    def active_seconds(self) -> float:
        """Time in which the worker worked and was not blocked."""
        return max(self.worked_seconds - self.blocked_seconds, 0.0)

    def follow(self, step: Step, before: SubtaskState, after: SubtaskState) -> str | None:
        """Take in the next event of the subtask; gives how the attempt has ended, where it has with this one."""
        self.worked_seconds += step.worked_seconds
        self.blocked_seconds += step.blocked_seconds
        if step.usage is not None:
            self.usage = step.usage
        body, kind, at = step.body, step.kind, step.at
        if self.started_at is None and after.started_at is not None:
            self.started_at = at
        if isinstance(body, e.GateEvaluated):
            self.gate_seconds += body.seconds
        elif isinstance(body, e.Completed):
            self.reported_at = at
            cpu = body.result.get("cpu_seconds")
            self.cpu_seconds = float(cpu) if isinstance(cpu, int | float) else self.cpu_seconds
        # A worker whose lease had run out may come back, if only to say that it has failed.
        back = before.lost_worker is not None and kind is e.Failed
        if not step.moved and not back:
            return None
        if after.status in LIVE:
            self.outcome, self.ended_at = after.status, None
            return None
        if before.status not in LIVE and not back:
            return None
        self.outcome, self.ended_at = _end(body), at
        return self.outcome


def _end(body: e.EventBody) -> str:
    if isinstance(body, e.SubtaskReleased) and body.parked:
        return "parked"
    if isinstance(body, e.LeaseExpired) and body.clock in ("progress", "deadline"):
        return "timed_out"
    return _ENDS.get(type(body), "released")


def blocked_seconds(before: SubtaskState, after: SubtaskState, event: Event) -> float:
    """Give the blocked time that has come to its end with an event."""
    if before.blocked_at is None or after.blocked_at is not None:
        return 0.0
    until = event.occurred_at
    body = event.body
    if (
        isinstance(body, e.LeaseExpired)
        and body.clock not in ("progress", "deadline")
        and before.heard_at is not None
    ):
        # Nobody knows when a lost worker stopped: it counts up to its last word, as its worked time does.
        until = before.heard_at
    return max((until - before.blocked_at).total_seconds(), 0.0)
