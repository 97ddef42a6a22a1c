"""What must hold of any ledger."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.estimation.explain import estimate, quantile
from domain.estimation.features import Completion, Features
from domain.estimation.graph import Graph, Task
from domain.estimation.learner import Learner
from domain.estimation.model import empty, fold, fold_all, restored, snapshot
from domain.estimation.running import curve, outlook
from domain.estimation.simulation import Crew, run
from tests.domain.estimation.conftest import features, history, learned

LAW = settings(deadline=None, max_examples=30)

counts = st.sampled_from((0, 1, 7, 60, 199, 230, 450))
seeds = st.integers(0, 1_000)


@LAW
@given(counts, seeds, st.integers(0, 500))
def test_quantiles_never_cross(count: int, seed: int, number: int) -> None:
    learner = learned(count, seed)
    forecast = learner.forecast(features(number, planned=True))

    said = [quantile(learner, forecast, share) for share in (0.005, 0.2, 0.5, 0.8, 0.95, 0.995)]

    assert said == sorted(said)
    assert said[0] > 0


@LAW
@given(counts, seeds, st.data())
def test_learning_in_parts_makes_the_same_bytes_as_learning_at_once(
    count: int, seed: int, data: st.DataObject
) -> None:
    completions = history(count, seed, planned=True)
    cut = data.draw(st.integers(0, count))

    in_parts = fold_all(fold_all(empty(), completions[:cut]), completions[cut:])

    assert in_parts == fold_all(empty(), completions)


def test_learning_one_by_one_makes_the_same_bytes_as_learning_at_once() -> None:
    completions = history(260)

    model = empty()
    for one in completions:
        model = fold(model, one)

    assert model == fold(empty(), *completions)


@LAW
@given(seeds, st.permutations(range(40)))
def test_the_order_of_completions_with_nothing_in_common_changes_nothing(seed: int, order: list[int]) -> None:
    # By then a step takes 50 completions: these 40 come between two.
    learner = Learner()
    for one in history(900, seed):
        learner.learn(one)
        if one.position > 810 and learner.state.stepped_at == one.position:
            break
    before = snapshot(learner)
    source = random.Random(seed)
    apart = [
        Completion(
            position=900,
            features=Features(category=f"new {n}", project=f"new {n}", worker=f"new {n}", planned_seconds=90.0),
            seconds=source.lognormvariate(5.0, 1.0),
        )
        for n in range(40)
    ]
    one_way, another = fold(before, *apart), fold(before, *(apart[n] for n in order))

    further = history(60, seed + 1)
    asked = features(3, planned=True)
    assert estimate(restored(one_way), asked) == estimate(restored(another), asked)
    assert fold(one_way, *further) == fold(another, *further)


@LAW
@given(st.integers(0, 300), st.integers(1, 100), seeds)
def test_an_estimate_at_a_position_ignores_what_comes_later(position: int, later: int, seed: int) -> None:
    completions = history(position + later, seed)
    at_position = fold_all(empty(), (one for one in completions if one.position <= position))
    said = estimate(restored(at_position), features(5))

    fold_all(at_position, completions[position:])

    again = fold_all(empty(), history(position, seed))
    assert (again, estimate(restored(again), features(5))) == (at_position, said)


@LAW
@given(seeds, st.integers(1, 12))
def test_one_more_worker_never_makes_it_later_beyond_noise(seed: int, workers: int) -> None:
    source = np.random.Generator(np.random.PCG64(seed))
    tasks = [
        Task(
            expected_seconds=100.0,
            files=frozenset({f"f{source.integers(8)}"}) if source.random() < 0.3 else frozenset(),
            depends_on=(int(source.integers(number)),) if number and source.random() < 0.3 else (),
        )
        for number in range(30)
    ]
    seconds = source.lognormal(4.0, 1.0, (200, 30))
    nobody_waits = np.zeros_like(seconds)

    few, more = (
        np.median(run(Graph(tasks), seconds, nobody_waits, [Crew()] * size).makespans)
        for size in (workers, workers + 1)
    )

    # List schedules have anomalies (Graham 1969), but no large ones on average.
    assert more <= few * 1.03


@LAW
@given(counts, seeds, st.lists(st.floats(0.0, 1e5), min_size=2, max_size=5))
def test_longer_elapsed_never_lowers_the_expected_total(count: int, seed: int, elapsed: list[float]) -> None:
    learner = learned(count, seed)
    residuals, forecast = curve(learner), learner.forecast(features(2))

    totals = [
        outlook(learner, residuals, forecast, seconds).expected_seconds(residuals) for seconds in sorted(elapsed)
    ]

    assert all(later >= earlier * (1 - 1e-9) for earlier, later in pairwise(totals))


@LAW
@given(seeds, st.floats(1.0, 1e5))
def test_the_whole_time_of_running_work_is_never_less_than_what_has_passed(seed: int, elapsed: float) -> None:
    learner = learned(230, seed)
    residuals = curve(learner)

    expected = outlook(learner, residuals, learner.forecast(features(2)), elapsed)

    assert expected.seconds(residuals, 0.001) >= elapsed * (1 - 1e-6)


@LAW
@given(counts, seeds)
def test_supposing_leaves_the_learner_as_it_is(count: int, seed: int) -> None:
    learner = learned(count, seed)
    before = snapshot(learner)

    learner.supposing([msgspec.structs.replace(one, censored=True) for one in history(9, seed)])

    assert snapshot(learner) == before


def test_an_empty_learner_can_be_asked() -> None:
    assert estimate(Learner(), Features()).p50 > 0
