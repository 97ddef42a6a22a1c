"""Tables for people: the plan, the report, tasks and subtasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from api.schemas import TaskView
from domain.ids import short
from domain.plan import Plan
from domain.task_state import TaskState
from projections.report import RunReport

if TYPE_CHECKING:
    # SQLModel takes longer to load than all the rest of a command.
    from projections.tables import TaskProgress

_ROWS_MAX = 40
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


def make_table(title: str, *columns: str, right: Sequence[str] = (), prose: str = "") -> Table:
    """Make a table in which only the column `prose` is ever wrapped."""
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        wide = column == prose
        table.add_column(column, justify=justify, no_wrap=not wide, overflow="fold", min_width=24 if wide else None)
    return table


def plan_table(plan: Plan, *, title: str = "", first: int = 1) -> RenderableType:
    """Show the subtasks of a plan, numbered from `first`, and below them the reasons, each once."""
    table = make_table(
        f"{title}{len(plan.subtasks):,} subtasks ({plan.strategy})",
        "#", "what", "files", "problems", "codes", "wave", "effort P50/P80", "why",
        right=("#", "files", "problems", "codes", "wave"), prose="what",
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
    reasons = [Text(f"{letter}: {reason}") for reason, letter in letters.items()]
    return Group(table, *reasons)


def _letter(number: int) -> str:
    """Number by letters: a, b ... z, aa, ab ..."""
    head, tail = divmod(number, 26)
    return (_letter(head - 1) if head else "") + chr(ord("a") + tail)


def codes_table(report: RunReport) -> Table:
    """Show the problems before and after, per code."""
    table = make_table("Problems", "code", "before", "after", "removed", right=("before", "after", "removed"))
    codes = sorted({*report.before, *report.after}, key=lambda code: (-report.before.get(code, 0), code))
    for code in codes[:_ROWS_MAX]:
        before, after = report.before.get(code, 0), report.after.get(code, 0)
        table.add_row(Text(code), f"{before:,}", f"{after:,}", f"{before - after:,}")
    if len(codes) > _ROWS_MAX:
        table.add_row(f"and {len(codes) - _ROWS_MAX} more codes")
    before, after = sum(report.before.values()), sum(report.after.values())
    table.add_section()
    table.add_row("all", f"{before:,}", f"{after:,}", f"{before - after:,}", style="bold")
    return table


def report_table(report: RunReport) -> Table:
    """Show what came of a run and what it cost."""
    table = Table(title=f"Task {report.task_id}", title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rounds = f"{report.phases} round" + ("s" if report.phases != 1 else "")
    refused = f"{report.rejected} attempts refused by a gate, {report.conflicts} conflicts"
    rows: list[tuple[str, str | Text]] = [
        ("outcome", Text.assemble(styled(report.status), f": {report.reason}" if report.reason else "")),
        ("subtasks", f"{report.accepted} accepted, {report.held} held, in {rounds}"),
        ("attempts", f"{refused}, {report.lost} workers lost"),
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
        right=("#", "round", "done", "problems", "tries", "worked"), prose="what",
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
        right=("done", "accepted", "held", "problems"),
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
