"""The report of a run, folded from the events of its task: what came of it, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain import events as e
from domain.events import RecordedEvent
from domain.lifecycle import TaskState, evolve

#: A worker that uses at least this share of the processors it could have keeps a processor busy.
_BUSY = 0.5


class SubtaskReport(msgspec.Struct, frozen=True, kw_only=True):
    """One subtask as it ended."""

    id: str
    title: str
    status: str
    problems: int
    attempts: int
    rejected: int
    lost: int
    estimated_seconds: float
    worker_seconds: float
    note: str


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a task, so far or in the end."""

    task_id: str
    status: str
    reason: str
    branch: str
    head: str
    #: Problems per code, by the first and by the last observation.
    before: dict[str, int]
    after: dict[str, int]
    #: Subtasks whose work was taken, attempts whose work was refused, workers that were lost.
    accepted: int
    rejected: int
    lost: int
    held: int
    conflicts: int
    phases: int
    #: From the first to the last event, without the time in which the task was paused or nobody ran it.
    wall_seconds: float
    #: Time from the worker's first word to its last, summed over all attempts.
    worker_seconds: float
    #: Processor time of the worker processes, where they said it.
    worker_cpu_seconds: float
    #: Gates and merges, summed: what coordination cost.
    gate_seconds: float
    #: What one worker alone would have needed for the attempts, over the wall time.
    speedup: float
    #: What that figure rests on, in words.
    speedup_basis: str
    subtasks: tuple[SubtaskReport, ...]


def build_report(recorded: Sequence[RecordedEvent], *, cores: int) -> RunReport:
    """Fold a task's events, all of them and in order, into its report.

    `cores` is the number of processors of the machine that ran the workers. Raises `ValueError` where there are
    no events.
    """
    tally = _Tally()
    for record in recorded:
        tally.add(record.event)
    if tally.state is None:
        raise ValueError("a task without events has no report")
    return tally.report(cores)


class _Tally:
    def __init__(self) -> None:
        self.state: TaskState | None = None
        self.wall = 0.0
        self.worker = 0.0
        self.cpu = 0.0
        self.gates = 0.0
        self.counts = {"rejected": 0, "lost": 0, "conflicts": 0}
        self.per_subtask: dict[str, dict[str, float]] = {}
        #: The most workers that worked at once.
        self.peak = 0
        self._last: datetime | None = None
        self._since: dict[str, datetime] = {}

    def add(self, event: e.Event) -> None:
        # A task that is taken up again was not running since its last event before.
        if self._last is not None and not isinstance(event.body, e.TaskResumed):
            taken_back = isinstance(event.body, e.LeaseExpired) and event.body.reason.endswith("is gone")
            if not taken_back:
                self.wall += max((event.occurred_at - self._last).total_seconds(), 0.0)
        self._last = event.occurred_at
        self.state = evolve(self.state, event)
        self._add_work(event)

    def _add_work(self, event: e.Event) -> None:
        own = self.per_subtask.setdefault(event.stream_id, {"attempts": 0, "rejected": 0, "lost": 0, "seconds": 0.0})
        match event.body:
            case e.SubtaskClaimed():
                own["attempts"] += 1
            case e.Started():
                self._since[event.stream_id] = event.occurred_at
                self.peak = max(self.peak, len(self._since))
            case e.Completed(result=result):
                self._end_work(event, own)
                self.cpu += float(result.get("cpu_seconds", 0.0))
            case e.Failed() | e.SubtaskReleased() | e.LeaseExpired():
                self._end_work(event, own)
                lost = isinstance(event.body, e.LeaseExpired)
                self.counts["lost"] += lost
                own["lost"] += lost
            case e.SubtaskRejected():
                self.counts["rejected"] += 1
                own["rejected"] += 1
            case e.GateEvaluated(gate=gate, passed=passed, seconds=seconds):
                self.gates += seconds
                self.counts["conflicts"] += gate == "merge" and not passed

    def _end_work(self, event: e.Event, own: dict[str, float]) -> None:
        since = self._since.pop(event.stream_id, None)
        if since is not None:
            seconds = max((event.occurred_at - since).total_seconds(), 0.0)
            self.worker += seconds
            own["seconds"] += seconds

    def report(self, cores: int) -> RunReport:
        state = self.state
        assert state is not None  # noqa: S101 - build_report has looked
        alone, basis = self._alone(cores)
        observations = state.observations
        statuses = [subtask.status for subtask in state.subtasks.values()]
        return RunReport(
            task_id=state.id,
            status=state.status,
            reason=state.reason,
            branch=state.submitted.branch,
            head=state.head,
            before=observations[0].codes if observations else {},
            after=observations[-1].codes if observations else {},
            accepted=statuses.count("accepted"),
            rejected=self.counts["rejected"],
            lost=self.counts["lost"],
            held=statuses.count("held"),
            conflicts=self.counts["conflicts"],
            phases=len(state.decompositions),
            wall_seconds=round(self.wall, 3),
            worker_seconds=round(self.worker, 3),
            worker_cpu_seconds=round(self.cpu, 3),
            gate_seconds=round(self.gates, 3),
            speedup=round(alone / self.wall, 2) if self.wall else 0.0,
            speedup_basis=basis,
            subtasks=tuple(self._subtask(state, name) for name in state.subtasks),
        )

    def _alone(self, cores: int) -> tuple[float, str]:
        """Estimate what one worker alone would have needed, from what was measured.

        Workers that share processors each take longer than one would alone. So where they kept the processors
        busy, only as much of their time counts as there were processors for.
        """
        share = min(1.0, cores / max(self.peak, 1))
        if share < 1.0 and self.cpu >= _BUSY * self.worker * share:
            alone = max(self.cpu, self.worker * share)
            return alone, (
                f"{alone:.1f} s over the wall time: {self.peak} workers shared {cores} processors, so {share:.0%} of "
                f"their time"
            )
        return self.worker, f"worker time over wall time, with up to {self.peak} workers at once"

    def _subtask(self, state: TaskState, name: str) -> SubtaskReport:
        subtask = next(s for s in state.subtasks.values() if s.id == name)
        own = self.per_subtask[name]
        return SubtaskReport(
            id=subtask.id,
            title=subtask.plan.title,
            status=subtask.status,
            problems=len(subtask.plan.problems),
            attempts=int(own["attempts"]),
            rejected=int(own["rejected"]),
            lost=int(own["lost"]),
            estimated_seconds=subtask.plan.effort.p50,
            worker_seconds=round(own["seconds"], 3),
            note=subtask.note,
        )
