"""Estimates before and after there is a history."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effort import PRIORS, Calibration, UnitKind, WorkerKind, estimate, weight

kinds = st.sampled_from(sorted(PRIORS))
counts = st.integers(1, 10_000)
NEUTRAL = Calibration()


def test_a_script_s_prior_is_a_base_and_a_time_per_file_and_problem() -> None:
    # 0.3 s for the start, 60 ms for each file, half a millisecond for each problem.
    units = weight("script", "automatic", files=10, problems=100)

    assert units == pytest.approx(0.65)
    assert estimate("script", "automatic", units, NEUTRAL).p50 == pytest.approx(0.95)


def test_an_estimate_says_what_it_rests_on() -> None:
    assert estimate("agent", "local", 40.0, NEUTRAL).basis == "agent prior 100 s"
    measured = estimate("agent", "local", 40.0, Calibration(factor=0.5, attempts=7))
    assert measured.basis == "agent prior 140 s x0.50 measured here (n=7)"


def test_what_was_measured_scales_the_base_and_not_weights_that_it_has_scaled_already() -> None:
    effort = estimate("agent", "local", 40.0, Calibration(factor=0.5, attempts=7))

    # Half of the 60 s to take it up, and 40 s of work.
    assert effort.p50 == 70.0


@given(kinds, st.floats(0.0, 1e5), st.floats(0.01, 100.0))
def test_the_prior_is_the_median_without_what_was_measured(
    kind: tuple[WorkerKind, UnitKind], weights: float, factor: float
) -> None:
    measured = estimate(*kind, weights * factor, Calibration(factor=factor, attempts=1))

    assert measured.prior == pytest.approx(estimate(*kind, weights, NEUTRAL).p50, abs=0.0011)


@given(kinds, st.floats(0.0, 1e5), st.floats(0.01, 100.0))
def test_quantiles_rise_and_spread_as_the_prior_says(
    kind: tuple[WorkerKind, UnitKind], weights: float, factor: float
) -> None:
    effort = estimate(*kind, weights, Calibration(factor=factor, attempts=1))

    assert effort.p50 <= effort.p80 <= effort.p95
    # 1.6449 is the standard normal's 95 % quantile; figures are rounded to milliseconds.
    spread = math.exp(1.6449 * PRIORS[kind].sigma)
    assert effort.p95 == pytest.approx(effort.p50 * spread, abs=0.001 * (1 + spread))


@given(kinds, counts, counts, counts)
def test_more_files_or_problems_never_weigh_less(
    kind: tuple[WorkerKind, UnitKind], files: int, problems: int, more: int
) -> None:
    alone = weight(*kind, files=files, problems=problems)

    assert weight(*kind, files=files + more, problems=problems) > alone
    assert weight(*kind, files=files, problems=problems + more) > alone


@given(kinds, counts, counts)
def test_problems_together_never_weigh_more_than_apart(
    kind: tuple[WorkerKind, UnitKind], one: int, other: int
) -> None:
    together = weight(*kind, files=1, problems=one + other)

    apart = weight(*kind, files=1, problems=one) + weight(*kind, files=1, problems=other)
    assert together <= apart


def test_to_an_agent_a_cause_costs_more_to_take_up_than_a_local_edit() -> None:
    cause = estimate("agent", "cause", 0.0, NEUTRAL)
    local = estimate("agent", "local", 0.0, NEUTRAL)
    automatic = estimate("agent", "automatic", 0.0, NEUTRAL)

    assert cause.p50 > local.p50 > automatic.p50
