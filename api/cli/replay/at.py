"""`pw replay TASK --at`: how a task stood at a moment, and what changed up to another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from api.cli.console import out, print_json
from api.cli.options import Output
from api.cli.replay.source import events_of
from api.cli.tables import make_table, span, styled, subtasks_table
from domain.counted import counted
from projections.replay.difference import Difference, difference
from projections.replay.moments import parse_moment, until
from projections.replay.state_at import StateAt, state_at

_ROWS_MAX = 40


def show_at(
    task: str, at: str, other: str | None, server: str | None, database_url: str | None, output: Output
) -> None:
    """Show a task at a moment, or what changed between two, the earlier one first whichever was named first."""
    moments = [parse_moment(text) for text in (at, other) if text is not None]
    events = events_of(task, server, database_url, moments=moments)
    parts = sorted((until(events, moment) for moment in moments), key=len)
    if other is None:
        state = state_at(parts[0])
        print_json(state) if output is Output.json else out.print(_tables(state))
        return
    changed = difference(state_at(parts[0]), state_at(parts[1]), parts[1][len(parts[0]) :])
    print_json(changed) if output is Output.json else out.print(_changes(changed))


# --- a moment -------------------------------------------------------------------------------------------


def _tables(state: StateAt) -> RenderableType:
    parts: list[RenderableType] = [_whole(state)]
    parts += [subtasks_table(state.task)] if state.task.subtasks else []
    parts += [_running(state)] if state.running else []
    parts += [_workers(state)] if state.rows["worker"] else []
    blockers = [row for row in state.rows["blocker"] if row["freed_at"] is None]
    parts += [_blockers(blockers)] if blockers else []
    parts += [_gates(state)] if state.rows["gate"] else []
    parts.append(_burndown(state))
    return Group(*parts)


def _whole(state: StateAt) -> Table:
    [row] = state.rows["progress"]
    table = Table(
        title=f"{state.task_id} at position {state.position:,}", title_justify="left",
        show_header=False, box=None, pad_edge=False,
    )  # fmt: skip
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    when = f"{state.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {span(state.elapsed_seconds)} after its start"
    table.add_row("then", f"{when}, with {counted(state.events, 'event')}")
    table.add_row("state", Text.assemble(styled(row["status"]), f": {row['reason']}" if row["reason"] else ""))
    counts = ", ".join(f"{row[name]} {name}" for name in ("accepted", "held", "ready", "planned") if row[name])
    planned = f"{row['phase']}, {row['percent']:.0f}% done: {counts or 'all are running'}"
    table.add_row("round", planned if row["phase"] else "nothing was planned yet")
    before, now = row["problems_before"], row["problems_now"]
    table.add_row("problems", "not looked at" if before is None else f"{before:,} at first, {now:,} when last seen")
    cost = "" if row["cost"] is None else f", ${row['cost']:.2f}"
    table.add_row("worker time", f"{span(row['worker_seconds'])} of ended attempts{cost}")
    table.add_row("head", state.task.head[:12] or "none")
    return table


def _running(state: StateAt) -> Table:
    table = make_table(
        "Running then", "#", "state", "worker", "try", "done", "what",
        right=("#", "try", "done"), prose=("what",), spare=("try", "worker"),
    )  # fmt: skip
    for one in state.running:
        what = f"{one.title}: {one.note}" if one.note else one.title
        done = f"{100 * one.fraction:.0f}%"
        table.add_row(one.subtask[1:], styled(one.status), one.worker_id, str(one.attempt), done, Text(what))
    return table


def _workers(state: StateAt) -> Table:
    table = make_table(
        "Workers", "worker", "holds", "claims", "accepted", "failed", "lost", "worked",
        right=("holds", "claims", "accepted", "failed", "lost", "worked"),
        prose=("worker",), spare=("claims", "lost"),
    )  # fmt: skip
    for row in state.rows["worker"][:_ROWS_MAX]:
        held = "" if row["subtask"] is None else f"#{row['subtask']}"
        counts = [str(row[name]) for name in ("claims", "accepted", "failed", "lost")]
        table.add_row(row["worker_id"], held, *counts, span(row["worked_seconds"]))
    return table


def _blockers(rows: list[dict[str, Any]]) -> Table:
    table = make_table(
        "Blocked then", "#", "kind", "policy", "since (UTC)", "what",
        right=("#",), prose=("what",), spare=("policy", "since (UTC)"),
    )  # fmt: skip
    for row in rows[:_ROWS_MAX]:
        since = f"{row['opened_at'].astimezone(UTC):%H:%M:%S}"
        table.add_row(str(row["subtask"]), row["kind"], row["policy"], since, Text(row["detail"]))
    return table


def _gates(state: StateAt) -> Table:
    table = make_table("Gates", "gate", "passed", "failed", right=("passed", "failed"))
    rows = state.rows["gate"]
    for name in sorted({row["gate"] for row in rows}):
        passed = [row["passed"] for row in rows if row["gate"] == name]
        table.add_row(name, str(sum(passed)), str(len(passed) - sum(passed)))
    return table


def _burndown(state: StateAt) -> Table:
    table = make_table(
        "Burn-down", "at (UTC)", "event", "left", "accepted", "held", "effort left", "problems",
        right=("left", "accepted", "held", "effort left", "problems"), spare=("event", "held"),
    )  # fmt: skip
    for row in sorted(state.rows["burndown"], key=lambda row: row["position"])[-10:]:
        counts = [str(row[f"subtasks_{name}"]) for name in ("left", "accepted", "held")]
        problems = "" if row["problems"] is None else f"{row['problems']:,}"
        at = f"{row['at'].astimezone(UTC):%H:%M:%S}"
        table.add_row(at, row["event"], *counts, span(row["weight_left_seconds"]), problems)
    return table


# --- between two ----------------------------------------------------------------------------------------


def _changes(changed: Difference) -> RenderableType:
    title = (
        f"{changed.task_id} from position {changed.from_position:,} to {changed.to_position:,}, "
        f"{span(changed.seconds)} later"
    )
    whole = make_table(title, "what", "before", "after", prose=("after",))
    for name, change in {**changed.changes, **{f"{k} subtasks": v for k, v in changed.counts.items()}}.items():
        whole.add_row(name, _spelt(change.before), Text(_spelt(change.after)))
    subtasks = make_table("Subtasks", "#", "what", "changed", right=("#",), prose=("changed",))
    for one in changed.subtasks[:_ROWS_MAX]:
        subtasks.add_row(one.subtask[1:], Text(one.title[:50]), Text(_listed(one.changes, new=one.new)))
    if len(changed.subtasks) > _ROWS_MAX:
        subtasks.add_row("...", f"and {len(changed.subtasks) - _ROWS_MAX} more")
    events = ", ".join(f"{count:,} {kind}" for kind, count in changed.events.items())
    return Group(whole, subtasks, Text(f"events: {events or 'none'}"))


def _listed(changes: Mapping[str, Any], *, new: bool) -> str:
    if new:
        return f"new, {changes['status'].after}"
    return ", ".join(f"{name} {_spelt(one.before)} > {_spelt(one.after)}" for name, one in changes.items())


def _spelt(value: object) -> str:
    match value:
        case None | "":
            return "none"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
