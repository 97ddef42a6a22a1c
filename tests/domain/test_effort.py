"""The planner's own estimates, before anybody makes more of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effort import PRIORS, PriorsAlone, UnitKind, Work, WorkerKind, base, category_of, weight

kinds = st.sampled_from(sorted(PRIORS))
counts = st.integers(1, 10_000)


def work(unit: UnitKind, seconds: float) -> Work:
    return Work(unit=unit, prior_seconds=seconds, problems=3, files=2)


def test_a_script_s_prior_is_a_base_and_a_time_per_file_and_problem() -> None:
    # 0.3 s for the start, 60 ms for each file, half a millisecond for each problem.
    assert base("script", "automatic") == 0.3
    assert weight("script", "automatic", files=10, problems=100) == pytest.approx(0.65)


def test_an_estimate_says_what_it_rests_on_and_which_kind_of_work_it_is() -> None:
    effort = PriorsAlone("agent").explained(
        Work(unit="local", domain="types", prior_seconds=100.0, problems=3, files=2)
    )

    assert (effort.basis, effort.category) == ("agent prior 100 s", "agent local types")


def test_to_a_script_all_problem_domains_are_one() -> None:
    assert category_of("script", "automatic", "style") == "script automatic"
    assert category_of("agent", "cause", "imports") == "agent cause imports"


@given(kinds, st.floats(0.001, 1e5))
def test_quantiles_rise_and_spread_as_the_prior_says(kind: tuple[WorkerKind, UnitKind], seconds: float) -> None:
    worker, unit = kind

    effort = PriorsAlone(worker).effort(work(unit, seconds))

    assert effort.prior == effort.p50 <= effort.p80 <= effort.p95
    # 1.6449 is the standard normal's 95 % quantile; figures are rounded to milliseconds.
    spread = math.exp(1.6449 * PRIORS[kind].sigma)
    assert effort.p95 == pytest.approx(effort.p50 * spread, abs=0.001 * (1 + spread))


@given(kinds, counts, counts, counts)
def test_more_problems_never_weigh_less(
    kind: tuple[WorkerKind, UnitKind], files: int, problems: int, more: int
) -> None:
    assert weight(*kind, files=files, problems=problems) < weight(*kind, files=files, problems=problems + more)
