"""What follows by itself: one round, from whose events more may follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from domain import events as e
from domain.consequences import consequences, is_quiet
from domain.evolution import fold
from domain.lifecycle import Limits
from domain.task_state import TaskState
from tests.projections.conftest import START, History

LIMITS = Limits()


@pytest.fixture
def planned() -> Callable[..., History]:
    """A task with one subtask, of which nobody has said yet that it is ready."""

    def begin(*later: tuple[float, e.EventBody]) -> History:
        history = History("tree-1", 1)
        history.submit()
        history.plan(2, 30.0)
        history.events.pop()
        for second, body in later:
            history.add(second, body, subtask=1, epoch=1)
        return history

    return begin


def state_of(history: History) -> TaskState:
    state = fold(history.recorded)
    assert state is not None
    return state


def bodies(history: History, limits: Limits = LIMITS, second: float | None = None) -> list[e.EventBody]:
    now = None if second is None else START + timedelta(seconds=second)
    return [draft.body for draft in consequences(state_of(history), limits, now)]


def test_what_nothing_holds_back_is_ready(planned: Callable[..., History]) -> None:
    assert bodies(planned()) == [e.SubtaskReady()]


def test_a_retry_is_ready_when_its_pause_is_over(planned: Callable[..., History]) -> None:
    history = planned(
        (3, e.SubtaskReady()),
        (4, e.SubtaskClaimed(base_commit="c0")),
        (5, e.Failed(error="no")),
        (5, e.RetryScheduled(after_seconds=10.0, failures=1)),
    )
    assert bodies(history) == bodies(history, second=14.9) == []
    assert bodies(history, second=15.0) == [e.SubtaskReady()]


def test_an_accepted_subtask_brings_milestones_and_where_nobody_looks_again_the_end(
    planned: Callable[..., History],
) -> None:
    history = planned((9, e.SubtaskAccepted(commit="c1", files_changed=1)))
    milestones = [e.MilestoneReached(phase=1, percent=percent) for percent in (25, 50, 75, 100)]
    assert bodies(history) == milestones
    alone: list[Any] = bodies(history, Limits(looks_again=False))
    assert alone[:-1] == milestones
    assert isinstance(alone[-1], e.TaskCompleted)


def test_a_worker_that_says_what_it_has_cost_is_not_quiet() -> None:
    assert is_quiet(e.Progress(completed=1, total=2))
    assert not is_quiet(e.Progress(completed=1, total=2, usage=e.Usage(cost=0.5)))
    assert not is_quiet(e.Failed(error="no"))
