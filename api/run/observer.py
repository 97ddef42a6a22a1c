"""Who looks on at a run."""

from __future__ import annotations

from typing import NoReturn, Protocol

from api.runner.look import Look
from api.schemas import Lease, ObservationJob
from api.service.service import Service
from domain.errors import ParallelWorkersError, UnfitError
from domain.ids import TaskId


class Observer(Protocol):
    """Somebody who looks on; nothing depends on it."""

    def begins(self, service: Service, task_id: TaskId) -> None:
        """Look on from now on."""


class RunWatcher:
    """What a run puts up with: what it needs to know of its runner it hears from its service."""

    def __init__(self) -> None:
        self.stop_reason = "the run was paused: interrupted by the user"

    def told(self, lease: Lease, what: str) -> None:
        """Leave it to the events."""

    def cannot_work(self, lease: Lease, error: UnfitError) -> None:  # noqa: ARG002
        """End the run: there is nobody else who could do it."""
        self._end(error)

    def looked(self, job: ObservationJob, seen: Look) -> None:
        """Leave it to the events."""

    def cannot_look(self, job: ObservationJob, error: ParallelWorkersError) -> None:  # noqa: ARG002
        """End the run: there is nobody else who could look."""
        self._end(error)

    def _end(self, error: ParallelWorkersError) -> NoReturn:
        self.stop_reason = f"the run was paused: {error}"
        raise error
