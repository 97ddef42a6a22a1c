"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain import events as e
from projections.replay.comparison import compare_runs, figures_of
from tests.projections.corpus.read import recording

History = Any


def ran(history: History, seconds: float, *, cost: float | None = None) -> list[e.RecordedEvent]:
    """One subtask of 30 estimated seconds that takes so long."""
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0)
    history.start(10)
    usage = None if cost is None else e.Usage(cost=cost)
    history.add(10 + seconds, e.Completed(usage=usage), subtask=1, epoch=1)
    history.accept(10 + seconds)
    recorded: list[e.RecordedEvent] = history.recorded
    return recorded


def test_the_second_run_stands_beside_the_first(new_history: Callable[[str], History]) -> None:
    first, second = new_history("tree-1"), new_history("tree-2")
    first.submit()
    second.submit()
    compared = compare_runs(ran(first, 60.0, cost=0.5), ran(second, 15.0, cost=1.0), cores=4)
    assert compared.ratios["worker_seconds"] == 0.25
    assert compared.ratios["cost"] == 2.0
    assert (compared.first.estimate_factor, compared.second.estimate_factor) == (2.0, 2.0)
    assert compared.same_input


def test_what_no_worker_said_is_unknown_and_has_no_ratio(new_history: Callable[[str], History]) -> None:
    first, second = new_history("tree-1"), new_history("tree-2")
    first.submit()
    second.submit()
    compared = compare_runs(ran(first, 60.0), ran(second, 15.0), cores=4)
    assert (compared.first.cost, compared.second.cost) == (None, None)
    assert "cost" not in compared.ratios


def test_attempts_failures_and_losses_are_counted() -> None:
    figures = figures_of(recording("lost").events, cores=2)
    assert (figures.attempts, figures.failures, figures.lost, figures.rejected) == (8, 2, 1, 1)


def test_a_task_without_events_has_no_figures() -> None:
    with pytest.raises(ValueError, match="without events"):
        figures_of([], cores=1)
