"""Tells on standard error what happens in a run; the bars are the live view's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.markup import escape

from api.cli.console import err
from api.cli.tables import plan_table, span
from api.schemas import EstimateView
from domain import events as e
from domain.counted import counted
from domain.ids import TaskId, short
from domain.plan import Plan
from domain.readers.report import Report as ToolReport
from domain.task_state import TaskState

if TYPE_CHECKING:
    from api.service.planning import Look, PhasePlan
    from api.service.service import Service


class Narrator:
    """Looks on at a run and says a line for each thing that a person would want to know."""

    def __init__(self, *, quiet: bool) -> None:
        self._state: Callable[[], TaskState | None] = lambda: None
        self._estimate: Callable[[], EstimateView | None] = lambda: None
        self._quiet = quiet

    def state(self) -> TaskState | None:
        """Give the task's present state; None before it is submitted."""
        return self._state()

    def estimate(self) -> EstimateView | None:
        """Give the last estimate of when the task will be done; None before the first."""
        return self._estimate()

    def begins(self, service: Service, task_id: TaskId) -> None:
        """Look on from now on."""

        def state() -> TaskState | None:
            desk = service.desks.resident(task_id)
            return desk.state if desk is not None else None

        self._state = state
        self._estimate = lambda: service.estimates.latest(task_id)
        service.courses.on_planned = self._looked
        service.desks.listeners.append(lambda desk, record: self._heard(record) if desk.task_id == task_id else None)
        self._say(f"[bold]task {task_id}[/]")

    def _looked(self, state: TaskState, seen: Look, planned: PhasePlan | None) -> None:
        self.observed(state.observations[-1], seen.report)
        if planned is not None:
            self.planned(planned.plan, state.observations[-1])

    def observed(self, observation: e.ProblemsObserved, report: ToolReport) -> None:
        """Say what the tool found, and what of it could not be read."""
        files = len({problem.path for problem in report.problems})
        codes = counted(len(observation.codes), "code")
        self._say(
            f"{observation.tool or 'the tool'}: {counted(observation.problems, 'problem')} under "
            f"{codes} in {counted(files, 'file')}, {observation.targeted:,} of them for these workers"
        )
        if report.damaged:
            first = report.damaged[0]
            self._say(
                f"[yellow]left out as unreadable: {counted(len(report.damaged), 'record')}[/] "
                f"(first: line {first.line}: {escape(first.reason)})"
            )
        if report.duplicates:
            self._say(f"folded: {counted(report.duplicates, 'duplicate')}")

    def planned(self, plan: Plan, observation: e.ProblemsObserved) -> None:
        """Show the plan with its reasons."""
        state = self.state()
        if state is None or self._quiet:
            return
        err.print(
            plan_table(plan, title=f"Round {observation.phase}: ", first=len(state.subtasks) - len(plan.subtasks) + 1)
        )
        self._say(f"recommended workers: {plan.recommended_workers} ({plan.recommendation})")
        if plan.left_out:
            left_out = counted(len(plan.left_out), "problem")
            self._say(f"[yellow]in no subtask, for want of a file of the tree: {left_out}[/]")

    def _heard(self, record: e.RecordedEvent) -> None:
        event = record.event
        who = f"{short(event.stream_id)} by {event.worker_id}" if event.worker_id else short(event.stream_id)
        match event.body:
            case e.TaskForecast(p50_seconds=p50, p80_seconds=p80, workers=workers):
                crew = counted(workers, "worker")
                self._say(f"[dim]expected[/] done in {span(p50)}, within {span(p80)} with 80 % ({crew})")
            case e.SubtaskAccepted(files_changed=changed):
                self._say(f"[green]accepted[/] {who}: {counted(changed, 'file')} changed")
            case e.SubtaskRejected(gate=gate, reason=reason):
                self._say(f"[yellow]refused[/]  {who}: {gate}: {escape(reason)}")
            case e.Failed(error=error):
                self._say(f"[yellow]failed[/]   {who}: {escape(error)}")
            case e.LeaseExpired(reason=reason):
                self._say(f"[yellow]lost[/]     {who}: {escape(reason)}")
            case e.SubtaskReleased(reason=reason):
                self._say(f"[yellow]released[/] {who}: {escape(reason)}")
            case e.SubtaskHeld(reason=reason):
                self._say(f"[red]held[/]     {who}: {escape(reason)}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            err.print(text, soft_wrap=True)
