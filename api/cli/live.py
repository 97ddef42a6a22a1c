"""The live view of a task: bars per worker and for the whole, what is blocked and why."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from api.cli.ends import end_line
from api.cli.tables import styled
from api.schemas import EstimateView
from domain.blockers import describe_issue
from domain.ids import short
from domain.progress import progress
from domain.task_state import LIVE, SubtaskState, TaskState

_BLOCKED_ROWS = 5


class LiveView:
    """Draws a task's state again and again; the state and the estimate of its end are asked for, never kept."""

    def __init__(
        self, console: Console, state: Callable[[], TaskState | None], estimate: Callable[[], EstimateView | None]
    ) -> None:
        self._state = state
        self._estimate = estimate
        self.live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def _render(self) -> RenderableType:
        state = self._state()
        if state is None or not state.decompositions:
            return Text("looking at the tree ...", style="dim")
        return Group(self._whole(state), *_bars(state), *_troubles(state))

    def _whole(self, state: TaskState) -> RenderableType:
        measured = progress(state)
        estimate = self._estimate()
        # That of the phase before says nothing of this one.
        left = end_line(estimate) if estimate is not None and estimate.phase == state.phase else ""
        table = _row_table()
        counts = f"{measured.accepted} of {measured.total} accepted, {measured.live} live, {measured.waiting} waiting"
        if measured.held:
            counts += f", {measured.held} held"
        table.add_row(
            Text(f"round {state.phase}", style="bold"),
            _bar(measured.percent / 100),
            f"{measured.percent:.0f}%",
            counts,
        )
        if left:
            # A row of its own: narrow terminals cut off what is far to the right.
            table.add_row("", "", "", Text(left, style="bold"))
        return table


def _bars(state: TaskState) -> list[RenderableType]:
    table = _row_table()
    live = [subtask for subtask in state.subtasks.values() if subtask.status in LIVE]
    for subtask in sorted(live, key=lambda subtask: (len(subtask.worker_id or ""), subtask.worker_id or "")):
        table.add_row(
            Text(subtask.worker_id or "?"),
            _bar(subtask.fraction),
            f"{100 * subtask.fraction:.0f}%",
            _doing(subtask),
        )
    return [table] if live else []


def _doing(subtask: SubtaskState) -> Text:
    stages = {"claimed": "getting its worktree ready", "reported": "gates and merge"}
    what = stages.get(subtask.status) or subtask.note or subtask.plan.title
    text = Text.assemble(f"{short(subtask.id)} ", styled(subtask.status), f" {what}")
    text.truncate(90, overflow="ellipsis")
    return text


def _troubles(state: TaskState) -> list[RenderableType]:
    lines = []
    for subtask in state.in_phase():
        if subtask.status == "blocked" and subtask.issue is not None:
            lines.append(f"{short(subtask.id)} is blocked: {describe_issue(subtask.issue)}")
        elif subtask.status == "held":
            lines.append(f"{short(subtask.id)} is held: {subtask.note}")
    more = [f"and {len(lines) - _BLOCKED_ROWS} more"] if len(lines) > _BLOCKED_ROWS else []
    return [Text(line[:160], style="yellow") for line in lines[:_BLOCKED_ROWS] + more]


def _row_table() -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=8, no_wrap=True)
    table.add_column(width=24)
    table.add_column(width=4, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis")
    return table


def _bar(fraction: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=fraction, width=24)
