"""Somebody who looks on at a runner, and says how much it puts up with."""

from __future__ import annotations

from typing import Protocol

from api.runner.look import Look
from api.schemas import Lease, ObservationJob
from domain.errors import ParallelWorkersError, UnfitError


class Watcher(Protocol):
    """Whoever started the runner."""

    #: Why the runner stops, for the ledger.
    stop_reason: str

    def told(self, lease: Lease, what: str) -> None:
        """Take note of what came of a lease, in words that go on after its name."""

    def cannot_work(self, lease: Lease, error: UnfitError) -> None:
        """Take note that a task cannot be worked on from here; what is raised here ends the runner."""

    def looked(self, job: ObservationJob, seen: Look) -> None:
        """Take note of a look at a tree, before the service has it."""

    def cannot_look(self, job: ObservationJob, error: ParallelWorkersError) -> None:
        """Take note that a look has failed; what is raised here ends the runner."""
