"""What is learnt from completions."""

from __future__ import annotations

import math
import random

import pytest

from domain.estimation.explain import estimate, quantile
from domain.estimation.export import exported
from domain.estimation.features import Completion, Features, Report
from domain.estimation.learner import Learner
from domain.estimation.levels import SIBLINGS
from domain.estimation.running import curve, outlook
from domain.estimation.shipped import SHIPPED
from tests.domain.estimation.conftest import features, history, learned


def taught(*attempts: tuple[Features, float], times: int = 1, learner: Learner | None = None) -> Learner:
    learner = learner or Learner()
    for position, (known, seconds) in enumerate(attempts * times):
        learner.learn(Completion(position=position, features=known, seconds=seconds))
    return learner


def median(learner: Learner, known: Features) -> float:
    return estimate(learner, known).p50


def test_work_of_a_known_category_is_estimated_by_it() -> None:
    learner = taught((Features(category="short"), 60.0), (Features(category="long"), 600.0), times=50)

    assert median(learner, Features(category="short")) == pytest.approx(60.0, rel=0.15)
    assert median(learner, Features(category="long")) == pytest.approx(600.0, rel=0.15)


def test_a_slow_worker_is_slow_at_work_that_it_has_never_done() -> None:
    attempts = [
        (Features(category=f"c{n % 6}", worker=worker), seconds)
        for n in range(6)
        for worker, seconds in (("fast", 100.0), ("slow", 400.0))
    ]
    learner = taught(*attempts, times=10)

    new = "never seen"
    fast, slow = (median(learner, Features(category=new, worker=worker)) for worker in ("fast", "slow"))
    assert slow > 2 * fast


def test_siblings_that_ran_long_make_the_next_one_longer() -> None:
    learner = learned(300)
    before = median(learner, Features(category="c0", decomposition="task"))

    taught(*[(Features(category="c0", decomposition="task"), 20 * before)] * 4, learner=learner)

    assert median(learner, Features(category="c0", decomposition="task")) > 3 * before


def test_the_only_repository_adds_nothing_to_what_its_category_says() -> None:
    learner = taught((Features(category="c", project="only"), 60.0), times=30)

    category, here, *_ = learner.forecast(Features(category="c", project="only")).effects

    assert category is not None
    assert category.completions == 30
    assert here is not None
    assert here.added == 0


def test_the_planners_own_estimate_counts_but_is_not_believed_blindly() -> None:
    source = random.Random(1)
    plans = [30.0 * 2 ** (n % 7) for n in range(400)]
    learner = taught(
        *((Features(category="c", planned_seconds=p), 3 * p * source.lognormvariate(0, 0.3)) for p in plans)
    )

    for planned in (60.0, 960.0):
        assert median(learner, Features(category="c", planned_seconds=planned)) == pytest.approx(
            3 * planned, rel=0.25
        )


def test_an_empty_ledger_goes_by_the_planners_estimate() -> None:
    learner = Learner(prior=SHIPPED)

    short, long = (median(learner, Features(category="c", planned_seconds=seconds)) for seconds in (60.0, 3_600.0))

    assert short < 120
    assert long > 1_200


def test_what_was_cut_off_is_taken_to_have_lasted_longer() -> None:
    ended, cut_off = learned(300), learned(300)
    known = Features(category="c0", worker="w9")
    limit = median(ended, known)
    for position in range(301, 321):
        ended.learn(Completion(position=position, features=known, seconds=limit))
        cut_off.learn(Completion(position=position, features=known, seconds=limit, censored=True))

    assert median(cut_off, known) > 1.1 * median(ended, known)


def test_work_under_way_for_long_makes_its_siblings_longer() -> None:
    learner = learned(300)
    known = Features(category="c0", decomposition="task")
    long = 5 * median(learner, known)

    supposing = learner.supposing(
        [Completion(position=301, features=known, seconds=long, censored=True) for _ in range(3)]
    )

    assert median(supposing, known) > 1.2 * median(learner, known)


def test_four_in_five_of_later_work_come_in_under_p80() -> None:
    learner, under = Learner(), 0
    completions = history(3_000)
    for one in completions:
        if one.position > 1_000:
            under += one.seconds <= quantile(learner, learner.forecast(one.features), 0.8)
        learner.learn(one)

    assert under / 2_000 == pytest.approx(0.8, abs=0.04)


def test_an_alarm_says_that_work_has_changed() -> None:
    learner = learned(600)
    assert not learner.state.residuals.alarm()

    source = random.Random(1)
    taught(
        *((Features(category=f"new {n}"), 20_000 * source.lognormvariate(0.0, 1.0)) for n in range(200)),
        learner=learner,
    )

    assert learner.state.residuals.alarm()
    assert "the work has changed" in estimate(learner, features(1)).reasons


def test_strengths_are_estimated_from_200_completions_on() -> None:
    before, after = learned(199), learned(211)

    assert before.state.strengths == Learner().state.strengths
    assert after.state.strengths != before.state.strengths


def test_good_progress_reports_are_used_and_bad_ones_are_not() -> None:
    good, bad = Learner(), Learner()
    source = random.Random(1)
    for position in range(200):
        seconds = 300 * source.lognormvariate(0.0, 1.0)
        for learner, fraction in ((good, 0.5), (bad, source.choice((0.3, 0.45)))):
            elapsed = seconds * 0.5 if learner is good else source.lognormvariate(5.0, 2.0)
            learner.learn(
                Completion(
                    position=position,
                    features=Features(category="c"),
                    seconds=seconds,
                    reports=(Report(elapsed_seconds=elapsed, fraction=fraction),),
                )
            )

    half = Report(elapsed_seconds=1_000.0, fraction=0.5)
    for learner, expected in ((good, 2_000.0), (bad, None)):
        forecast = learner.forecast(Features(category="c"))
        mean = math.exp(outlook(learner, curve(learner), forecast, 0.0, half).mean)
        if expected is None:
            assert mean == pytest.approx(math.exp(forecast.mean / 1e6))
        else:
            assert mean == pytest.approx(expected, rel=0.25)


def test_a_warm_ledger_starts_where_others_have_come_to() -> None:
    others = learned(2_000)
    warm, cold = Learner(prior=exported(others, "others")), Learner()

    new = Features(category="c1", project="new", worker="new")
    usual = 200.0
    assert abs(math.log(median(warm, new) / usual)) < abs(math.log(median(cold, new) / usual))
    assert "others" in estimate(warm, new).reasons


def test_the_shipped_prior_expects_minutes_of_an_agent() -> None:
    assert 60 < median(Learner(prior=SHIPPED), Features(category="c", worker="w")) < 1_800


def test_what_was_foretold_at_once_in_an_empty_ledger_errs_once() -> None:
    source = random.Random(2)
    known = Features(category="agent local types", project="here", worker="w", planned_seconds=1500.0)
    learner = Learner(prior=SHIPPED)
    # Eight begin before one has ended, each three thousand times shorter than the prior has it.
    issued = [learner.forecast(known).issued] * 8
    for position, said in enumerate([*issued, *[None] * 8]):
        seconds = 0.5 * source.lognormvariate(0.0, 0.2)
        learner.learn(Completion(position=position, features=known, seconds=seconds, issued=said))

    after = estimate(learner, known)
    assert after.p50 == pytest.approx(0.5, rel=0.5)
    assert after.p95 < 5.0


def test_siblings_share_a_part_of_their_error() -> None:
    shared = dict(learned(500).forecast(Features(category="c0", decomposition="new")).shared)

    assert 0 < shared[f"{SIBLINGS} new"] < 1_000_000
