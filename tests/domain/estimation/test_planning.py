"""Efforts of a plan by the effort model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.effort import UnitKind, Work, WorkerKind
from domain.estimation.features import Completion
from domain.estimation.learner import Learner
from domain.estimation.model import ModelReference
from domain.estimation.planning import ModelEstimator
from domain.estimation.shipped import SHIPPED
from domain.plan import Effort

units = st.sampled_from(["automatic", "cause", "local"])
REFERENCE = ModelReference(sha256="ab" * 32, position=7)


def work(seconds: float, unit: UnitKind = "automatic", domain: str = "") -> Work:
    return Work(unit=unit, domain=domain, prior_seconds=seconds, problems=20, files=10)


def estimator(learner: Learner, kind: WorkerKind = "script") -> ModelEstimator:
    return ModelEstimator(learner, REFERENCE, kind, task_id="next", project="/tree", worker="ruff-fix")


def taught(factor: float, seconds: list[float]) -> Learner:
    """A script takes so many times what its prior says, in one task."""
    learner = Learner(prior=SHIPPED)
    for position, prior in enumerate(seconds, 1):
        known = estimator(learner).features(work(prior))
        learner.learn(Completion(position=position, features=known, seconds=factor * prior))
    return learner


@pytest.mark.parametrize("seconds", [1.0, 5.0, 20.0, 60.0])
def test_before_anything_was_learnt_a_script_takes_what_its_prior_says(seconds: float) -> None:
    effort = estimator(Learner(prior=SHIPPED)).effort(work(seconds))

    # The shipped regression bends plans towards each other: a half more or less between a second and a minute.
    assert seconds / 1.5 < effort.p50 < seconds * 1.5


@pytest.mark.parametrize("factor", [0.1, 0.5, 2.0, 10.0])
def test_a_script_s_own_pace_is_known_after_its_first_task(factor: float) -> None:
    learner = taught(factor, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])

    effort = estimator(learner).effort(work(4.0))

    assert effort.p50 == pytest.approx(4.0 * factor, rel=0.25)
    assert estimator(learner).pace("automatic", "") == pytest.approx(factor, rel=0.4)


def test_an_effort_says_which_model_it_is_of_which_kind_of_work_and_why() -> None:
    effort = estimator(taught(2.0, [4.0] * 8), "agent").explained(work(100.0, "local", "types"))

    assert (effort.model, effort.position, effort.prior) == ("ab" * 32, 7, 100.0)
    assert effort.category == "agent local types"
    assert effort.basis.startswith("base ")


def test_parts_of_a_task_that_is_not_begun_may_err_together() -> None:
    learner = Learner(prior=SHIPPED)
    features = estimator(learner, "agent").features(work(100.0, "local", "types"))

    assert (features.decomposition, estimator(learner).features(work(1.0)).decomposition) == ("next", "")


@settings(deadline=None)
@given(st.lists(st.floats(0.5, 100.0), max_size=20), st.floats(0.1, 1e4), units)
def test_the_same_model_gives_the_same_efforts_explained_or_not(
    history: list[float], seconds: float, unit: UnitKind
) -> None:
    one, other = (estimator(taught(1.5, history)) for _ in range(2))

    def figures(effort: Effort) -> tuple[float, float, float]:
        return effort.p50, effort.p80, effort.p95

    wanted = work(seconds, unit)
    assert one.effort(wanted) == other.effort(wanted)
    assert figures(one.effort(wanted)) == figures(one.explained(wanted))
    assert list(figures(one.effort(wanted))) == sorted(figures(one.effort(wanted)))
