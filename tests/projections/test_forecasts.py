"""Forecasts beside what came, and their scores."""

from __future__ import annotations

import math
from typing import Any

import pytest

from domain import events as e
from domain.plan import StartForecast
from projections.course import Course
from projections.models import named
from tests.projections.conftest import History


def forecasts(history: History) -> dict[tuple[str, int], dict[str, Any]]:
    """Give the rows by kind and number."""
    course = Course(named(["forecast"]))
    for record in history.recorded:
        assert not course.apply(record)
    [taken] = course.take()
    assert not taken.error
    return {(row["kind"], row["number"]): row for row in taken.rows}


@pytest.fixture
def planned(history: History) -> History:
    history.observe(1, {"E1": 7})
    # Half of such attempts take 30 s, four in five 60 s, 19 in 20 90 s.
    history.plan(2, 30.0)
    return history


def claimed(history: History, second: float, p80: float, epoch: int = 1) -> None:
    forecast = StartForecast(p50=20.0, p80=p80, p95=100.0, mean=1, spread=2, position=3)
    history.add(second, e.SubtaskClaimed(base_commit="c0", forecast=forecast), subtask=1, epoch=epoch)
    history.add(second, e.Started(), subtask=1, epoch=epoch)


def test_an_effort_is_scored_by_the_accepted_attempt(planned: History) -> None:
    planned.start(10)
    planned.complete(80)
    planned.accept(81)

    row = forecasts(planned)["plan", 0]

    # 70 s: longer than the P80 of 60 s by 10 s, which count 0.8 each.
    assert (row["actual_seconds"], row["hit80"], row["hit95"]) == (70.0, False, True)
    assert row["log_ratio"] == pytest.approx(math.log(70 / 30), abs=1e-6)
    assert row["pinball80"] == pytest.approx(8.0)


def test_what_was_foretold_at_the_claim_is_a_forecast_of_its_own(planned: History) -> None:
    claimed(planned, 10, p80=40.0)
    planned.complete(40)
    planned.accept(41)

    row = forecasts(planned)["start", 1]

    assert (row["worker_id"], row["model_position"], row["actual_seconds"]) == ("w1", 3, 30.0)
    # 10 s shorter than the P80, which count 0.2 each.
    assert (row["pinball80"], row["hit80"]) == (pytest.approx(2.0), True)


def test_a_forecast_of_an_attempt_that_failed_is_not_scored(planned: History) -> None:
    claimed(planned, 10, p80=40.0)
    planned.add(20, e.Failed(error="gave up"), subtask=1, epoch=1)
    claimed(planned, 30, p80=50.0, epoch=2)
    planned.complete(60, epoch=2)
    planned.accept(61, epoch=2)

    rows = forecasts(planned)

    assert rows["start", 1]["actual_seconds"] is None
    assert rows["start", 2]["actual_seconds"] == 30.0


def test_what_was_left_of_a_phase_is_scored_at_its_end(planned: History) -> None:
    planned.add(
        12,
        e.TaskForecast(
            phase=1, occasion="planned", p50_seconds=50.0, p80_seconds=60.0, p95_seconds=90.0, workers=2,
            open_subtasks=1, state_position=4, model="ab", model_position=3,
        ),
    )  # fmt: skip
    planned.start(13)
    planned.complete(80)
    planned.accept(81)
    planned.add(82, e.MilestoneReached(phase=1, percent=100))

    row = forecasts(planned)["task", 1]

    assert (row["actual_seconds"], row["workers"], row["hit80"], row["hit95"]) == (70.0, 2, False, True)
