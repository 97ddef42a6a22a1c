"""`pw replay TASK --compare`: two runs side by side."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from api.cli.console import out, print_json
from api.cli.options import Output
from api.cli.replay.source import Events, events_of
from api.cli.tables import make_table, span
from api.run.find import processors
from projections.replay.comparison import Comparison, RunFigures, compare_runs

_COUNTS = (
    "rounds", "workers", "problems_before", "problems_after", "subtasks", "accepted", "held", "attempts", "failures",
    "rejected", "lost", "conflicts",
)  # fmt: skip
_SPELLED: dict[str, Callable[[float], str]] = {
    "wall_seconds": span,
    "worker_seconds": span,
    "gate_seconds": span,
    "speedup": lambda value: f"{value:.2f}",
    "cost": lambda value: f"${value:.2f}",
    "estimate_factor": lambda value: f"x{value:.2f}",
}
_NAMES = {
    "problems_before": "problems before",
    "problems_after": "problems after",
    "wall_seconds": "wall time",
    "worker_seconds": "worker time",
    "gate_seconds": "gates",
    "speedup": "speed-up",
    "estimate_factor": "estimates were off by",
}


def show_comparison(task: str, other: str, server: str | None, database_url: str | None, output: Output) -> None:
    """Show two tasks beside each other."""
    both = [events_of(name, server, database_url) for name in (task, other)]
    print_comparison(both[0], both[1], output)


def print_comparison(first: Events, second: Events, output: Output) -> None:
    """Print two runs beside each other."""
    compared = compare_runs(first, second, cores=processors())
    print_json(msgspec.to_builtins(compared)) if output is Output.json else out.print(_table(compared))


def _table(compared: Comparison) -> RenderableType:
    first, second = compared.first, compared.second
    right = (first.task_id, second.task_id, "ratio") if first.task_id != second.task_id else ()
    table = make_table(
        "Two runs", "", first.task_id, second.task_id, "ratio", right=right, prose=(first.task_id, second.task_id)
    )
    for name in ("status", "strategy"):
        table.add_row(name, getattr(first, name), getattr(second, name), "")
    for name in (*_COUNTS, *_SPELLED):
        ratio = f"{compared.ratios[name]:.2f}" if name in compared.ratios else ""
        table.add_row(_NAMES.get(name, name), _value(first, name), _value(second, name), ratio)
    return Group(table, Text(_relation(compared)))


def _value(figures: RunFigures, name: str) -> str:
    value = getattr(figures, name)
    if value is None:
        return "unknown"
    return _SPELLED[name](value) if name in _SPELLED else f"{value:,}"


def _relation(compared: Comparison) -> str:
    first, second = compared.first, compared.second
    what = "both began with the same output" if compared.same_input else "they did not begin with the same output"
    for one, other in ((first, second), (second, first)):
        if one.rerun_of == other.task_id:
            return f"{one.task_id} is a rerun of {other.task_id}; {what}"
    return what
