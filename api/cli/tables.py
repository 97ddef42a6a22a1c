"""Tables for people: the plan, the report, tasks and subtasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from api.schemas import TaskView
from domain.counted import counted
from domain.ids import short
from domain.plan import Plan
from domain.task_state import TaskState
from projections.report import RunReport

if TYPE_CHECKING:
    # SQLModel takes longer to load than all the rest of a command.
    from projections.tables import TaskProgress

_ROWS_MAX = 40
#: Room for a column of prose below which others are left out.
_PROSE_WIDTH = 24
#: Wider than any table.
_UNBOUNDED = 1_000_000
_STYLES = {
    "accepted": "green",
    "completed": "green",
    "running": "cyan",
    "claimed": "cyan",
    "reported": "cyan",
    "blocked": "yellow",
    "paused": "yellow",
    "held": "red",
    "stalled": "red",
    "cancelled": "red",
}


def span(seconds: float) -> str:
    """Spell a duration: `0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def styled(status: str) -> Text:
    """Colour a status."""
    return Text(status, style=_STYLES.get(status, ""))


class FittingTable(Table):
    """A table that would rather go without some of its columns than cut what stands in the others."""

    #: Columns that it can do without, the least important first.
    spare: Sequence[str] = ()
    #: Columns that may be wrapped.
    prose: Sequence[str] = ()
    #: What is said below the table as long as a column is shown: its legend.
    legends: Mapping[str, Sequence[Text]] = {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        dropped: tuple[str, ...] = ()
        for name in self.spare:
            if self._needs(dropped, console, options) <= options.max_width:
                break
            dropped += (name,)
        yield from Table.__rich_console__(self._without(dropped), console, options)
        for name, lines in self.legends.items():
            if name not in dropped:
                yield from lines

    def _needs(self, dropped: Sequence[str], console: Console, options: ConsoleOptions) -> int:
        """Tell how wide it is with nothing cut, and with as much room for prose as reads well."""
        table = self._without(dropped)
        for column in table.columns:
            if column.header in self.prose:
                column.max_width = _PROSE_WIDTH
        return Measurement.get(console, options.update_width(_UNBOUNDED), table).maximum

    def _without(self, dropped: Sequence[str]) -> FittingTable:
        table = copy(self)
        kept = [column for column in self.columns if column.header not in dropped]
        table.columns = [replace(column, _index=index) for index, column in enumerate(kept)]
        return table


def make_table(
    title: str, *columns: str, right: Sequence[str] = (), prose: Sequence[str] = (), spare: Sequence[str] = ()
) -> FittingTable:
    """Make a table in which only the columns `prose` are ever wrapped.

    Where there is little room, those of `spare` are left out, the first of them first.
    """
    table = FittingTable(
        title=title,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    table.prose, table.spare = prose, spare
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        wraps = column in prose
        table.add_column(column, justify=justify, no_wrap=not wraps, overflow="fold" if wraps else "ellipsis")
    return table


def plan_table(plan: Plan, *, title: str = "", first: int = 1) -> Table:
    """Show the subtasks of a plan, numbered from `first`, and below them the reasons, each once."""
    table = make_table(
        f"{title}{counted(len(plan.subtasks), 'subtask')} ({plan.strategy})",
        "#", "what", "files", "problems", "codes", "wave", "effort P50/P80", "why",
        right=("#", "files", "problems", "codes", "wave"), prose=("what",), spare=("codes", "wave", "why"),
    )  # fmt: skip
    letters: dict[str, str] = {}
    for number, subtask in enumerate(plan.subtasks[:_ROWS_MAX], start=first):
        letter = letters.setdefault(subtask.reason, _letter(len(letters)))
        table.add_row(
            str(number),
            Text(subtask.title),
            str(len(subtask.scope.files)),
            str(len(subtask.problems)),
            str(len(subtask.scope.codes)),
            str(subtask.wave),
            f"{span(subtask.effort.p50)} / {span(subtask.effort.p80)}",
            letter,
        )
    if len(plan.subtasks) > _ROWS_MAX:
        table.add_row("...", f"and {len(plan.subtasks) - _ROWS_MAX} more")
    table.legends = {"why": [Text(f"{letter}: {reason}") for reason, letter in letters.items()]}
    return table


def _letter(number: int) -> str:
    """Number by letters: a, b ... z, aa, ab ..."""
    head, tail = divmod(number, 26)
    return (_letter(head - 1) if head else "") + chr(ord("a") + tail)


def codes_table(report: RunReport) -> Table:
    """Show the problems before and after, per code."""
    table = make_table(
        "Problems", "code", "before", "after", "removed", right=("before", "after", "removed"), prose=("code",)
    )
    codes = sorted({*report.before, *report.after}, key=lambda code: (-report.before.get(code, 0), code))
    for code in codes[:_ROWS_MAX]:
        before, after = report.before.get(code, 0), report.after.get(code, 0)
        table.add_row(Text(code), f"{before:,}", f"{after:,}", f"{before - after:,}")
    if len(codes) > _ROWS_MAX:
        table.add_row(f"and {counted(len(codes) - _ROWS_MAX, 'more code')}")
    before, after = sum(report.before.values()), sum(report.after.values())
    table.add_section()
    table.add_row("all", f"{before:,}", f"{after:,}", f"{before - after:,}", style="bold")
    return table


def report_table(report: RunReport) -> Table:
    """Show what came of a run and what it cost."""
    table = Table(title=f"Task {report.task_id}", title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rounds = counted(report.phases, "round")
    refused = f"{counted(report.rejected, 'attempt')} refused by a gate, {counted(report.conflicts, 'conflict')}"
    rows: list[tuple[str, str | Text]] = [
        ("outcome", Text.assemble(styled(report.status), f": {report.reason}" if report.reason else "")),
        ("subtasks", f"{report.accepted} accepted, {report.held} held, in {rounds}"),
        ("attempts", f"{refused}, {counted(report.lost, 'worker')} lost"),
        ("wall time", span(report.wall_seconds)),
        ("worker time", f"{span(report.worker_seconds)} ({span(report.worker_cpu_seconds)} of processor time)"),
        ("gates", f"{span(report.gate_seconds)} of checks, beside the work"),
        ("speed-up", f"{report.speedup:.2f}, measured as {report.speedup_basis}"),
        ("branch", f"{report.branch} at {report.head[:12]}"),
        ("look deeper", f"git log -p {report.branch}\npw status {report.task_id}"),
    ]
    if report.status in ("stalled", "paused"):
        rows.append(("go on", f"pw run --resume {report.task_id}"))
    for name, value in rows:
        table.add_row(name, value)
    return table


def subtasks_table(state: TaskState) -> Table:
    """Show the subtasks of a task with their states."""
    table = make_table(
        "Subtasks", "#", "round", "state", "worker", "done", "problems", "tries", "worked", "what",
        right=("#", "round", "done", "problems", "tries", "worked"),
        prose=("what",), spare=("round", "tries", "worker", "problems"),
    )  # fmt: skip
    for subtask in state.subtasks.values():
        table.add_row(
            short(subtask.id)[1:],
            str(subtask.plan.phase),
            styled(subtask.status),
            subtask.worker_id or "",
            f"{100 * subtask.fraction:.0f}%",
            str(len(subtask.plan.problems)),
            str(subtask.epoch),
            span(subtask.worked_seconds),
            Text(f"{subtask.plan.title}: {subtask.note}" if subtask.note else subtask.plan.title),
        )
    return table


def tasks_table(tasks: Sequence[TaskProgress]) -> Table:
    """Show the tasks of the ledger."""
    table = make_table(
        "Tasks", "task", "state", "since (UTC)", "done", "accepted", "held", "problems",
        right=("done", "accepted", "held", "problems"), prose=("task",), spare=("held", "since (UTC)", "done"),
    )  # fmt: skip
    for task in tasks:
        table.add_row(
            task.task_id,
            styled(task.status),
            f"{task.submitted_at:%m-%d %H:%M}",
            f"{task.percent:.0f}%",
            f"{task.accepted}/{task.subtasks}",
            str(task.held),
            "" if task.problems_before is None else f"{task.problems_before} > {task.problems_now}",
        )
    return table


def task_views_table(tasks: Sequence[TaskView]) -> Table:
    """Show the tasks of a service."""
    table = make_table(
        "Tasks", "task", "state", "since (UTC)", "round", "done", "accepted", "held", "problems",
        right=("round", "done", "accepted", "held", "problems"),
        prose=("task",), spare=("round", "held", "since (UTC)", "done"),
    )  # fmt: skip
    for task in tasks:
        table.add_row(
            task.id,
            styled(task.status),
            f"{task.submitted_at:%m-%d %H:%M}",
            str(task.phase),
            f"{task.percent:.0f}%",
            f"{task.subtasks.get('accepted', 0)}/{sum(task.subtasks.values())}",
            str(task.subtasks.get("held", 0)),
            f"{task.problems:,}",
        )
    return table
