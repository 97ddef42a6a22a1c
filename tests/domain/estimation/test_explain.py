"""An estimate says why."""

from __future__ import annotations

from domain.estimation.explain import estimate
from domain.estimation.features import Features
from tests.domain.estimation.conftest import learned


def test_an_estimate_names_what_made_it_and_how_often_such_were_right() -> None:
    said = estimate(learned(1_000), Features(category="c4", project="p1", worker="w2", decomposition="d49"))

    assert said.reasons.startswith("base ")
    assert "this category (n=200)" in said.reasons
    assert "P95" in said.reasons
    assert "of the last 200 forecasts" in said.reasons


def test_the_named_factors_multiply_to_the_median() -> None:
    learner = learned(1_000)
    known = Features(category="c4", project="p1", worker="w2", planned_seconds=50.0)
    forecast = learner.forecast(known)

    added = forecast.measures + sum(effect.added for effect in forecast.effects if effect is not None)

    assert forecast.base + added == forecast.mean


def test_what_has_been_seen_too_seldom_is_called_weak() -> None:
    learner = learned(1_000)
    learner.state.cells[0]["rare"] = [1_000, 900_000, 1]

    assert "this category (n=1, weak)" in estimate(learner, Features(category="rare")).reasons


def test_a_young_ledger_says_that_it_cannot_judge_itself() -> None:
    assert "too few completions (20)" in estimate(learned(20), Features(category="c1")).reasons
