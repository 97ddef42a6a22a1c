"""A lease that this runner holds, as the service last spoke of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import msgspec

from api.schemas import BlockerView, HeldLease, Lease, LeaseState

#: How often the service is asked while the worker waits for an answer, in seconds: people notice more than that.
_WAITING_SECONDS = 2.0


class Hold:
    """A lease, whether it still holds, the time it has, and where answers to its worker go.

    Belongs to the event loop; the heartbeats' thread hands over what it hears.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        #: Set once the lease is gone.
        self.gone = asyncio.Event()
        self.reason = ""
        #: Whether the worker has said that it cannot go on.
        self.waits = False
        self._deadline_at: datetime | None = None
        self._extra_seconds = 0.0
        self._answers: Path | None = None
        self._answered: set[int] = set()

    @property
    def key(self) -> HeldLease:
        """What the service knows it by."""
        return HeldLease(subtask_id=self.lease.subtask_id, lease_epoch=self.lease.lease_epoch)

    @property
    def beat_seconds(self) -> float:
        """How often the service is to hear of it."""
        asked = self.lease.heartbeat_seconds
        return min(asked, _WAITING_SECONDS) if self.waits else asked

    @property
    def budget_seconds(self) -> float:
        """How long the worker may take, with what was granted since it began."""
        return self.lease.time_budget_seconds + self._extra_seconds

    def answers_go_to(self, path: Path) -> None:
        """Name the file to which answers are appended, a line of JSON each."""
        self._answers = path

    def take(self, state: LeaseState) -> None:
        """Take note of what the service says."""
        if not state.held:
            self.revoke(state.reason)
            return
        if state.deadline_at is not None:
            # By how much it was put off, so that the clocks of two machines need not agree.
            first = self._deadline_at = self._deadline_at or state.deadline_at
            self._extra_seconds = max((state.deadline_at - first).total_seconds(), 0.0)
        for blocker in state.answers:
            self._pass_on(blocker)

    def revoke(self, reason: str) -> None:
        """Take note that the lease is gone."""
        if not self.gone.is_set():
            self.reason = reason
            self.gone.set()

    def _pass_on(self, blocker: BlockerView) -> None:
        if self._answers is None or blocker.answered_at is None or blocker.number in self._answered:
            return
        self._answered.add(blocker.number)
        line = msgspec.json.encode({"number": blocker.number, "action": blocker.action, "answer": blocker.answer})
        with self._answers.open("ab") as file:
            file.write(line + b"\n")
