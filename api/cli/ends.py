"""When a task will be done, for people: a line, and a table."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from api.cli.tables import make_table, span
from api.schemas import EstimateView
from domain.ids import short

#: Moments that lie closer together are told apart by their seconds.
_CLOSE = timedelta(minutes=3)
#: Subtasks that are shown.
_ROWS_MAX = 8


def end_line(estimate: EstimateView | None) -> str:
    """Say in a line when it will be done: `done 14:05, by 14:20 with 80 %`; empty where there is no telling."""
    if estimate is None or estimate.p50_at is None or estimate.p80_at is None:
        return ""
    p50, p80 = (_moment(at, estimate) for at in (estimate.p50_at, estimate.p80_at))
    return f"done {p50}, by {p80} with 80 %"


def estimate_table(estimate: EstimateView, supposed: EstimateView | None = None) -> RenderableType:
    """Show when it will be done and why, beside what would be if something were other than it is."""
    shown = [estimate] if supposed is None else [estimate, supposed]
    table = Table(title="When it will be done", title_justify="left", show_header=len(shown) > 1, box=None)
    table.add_column("", style="bold", no_wrap=True)
    for one in shown:
        table.add_column(f"if {one.supposed}" if one.supposed else "as it is", overflow="fold")
    if all(one.unknown for one in shown):
        table.add_row("no telling", *(one.unknown for one in shown))
        return table
    for name, cells in (
        ("P50", [one.unknown or _end(one, one.p50_seconds, one.p50_at) for one in shown]),
        ("P80", [_end(one, one.p80_seconds, one.p80_at) for one in shown]),
        ("P95", [_end(one, one.p95_seconds, one.p95_at) for one in shown]),
        ("because", ["\n".join(one.reasons) for one in shown]),
        ("model", [_model(one) for one in shown]),
    ):
        table.add_row(name, *map(Text, cells))
    return Group(table, _critical_table(shown[-1])) if shown[-1].subtasks else table


def _end(estimate: EstimateView, seconds: float | None, at: datetime | None) -> str:
    if seconds is None or at is None:
        return ""
    return f"{_moment(at, estimate)}, in {span(seconds)}"


def _moment(at: datetime, estimate: EstimateView) -> str:
    """Spell a moment by the clock of whoever reads it, as exactly as it has to be."""
    here, made_at = at.astimezone(), estimate.made_at.astimezone()
    spread = (estimate.p80_at or at) - (estimate.p50_at or at)
    exact = f"{here:%H:%M:%S}" if spread < _CLOSE else f"{here:%H:%M}"
    return exact if here.date() == made_at.date() else f"{here:%m-%d} {exact}"


def _model(estimate: EstimateView) -> str:
    if not estimate.model:
        return ""
    return f"{estimate.model[:12]} at position {estimate.model_position:,}; the task at {estimate.position:,}"


def _critical_table(estimate: EstimateView) -> Table:
    table = make_table(
        "What the end waits for", "#", "chance", "of the variance", "what",
        right=("#", "chance", "of the variance"), prose=("what",),
    )  # fmt: skip
    for one in estimate.subtasks[:_ROWS_MAX]:
        table.add_row(short(one.id)[1:], f"{one.critical:.0%}", f"{one.variance:.0%}", Text(one.title))
    if len(estimate.subtasks) > _ROWS_MAX:
        table.add_row("", "", "", f"and {len(estimate.subtasks) - _ROWS_MAX} more")
    return table
