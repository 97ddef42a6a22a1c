"""When a task will be done."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import numpy as np
import pytest

from domain.estimation.draws import Work, drawn
from domain.estimation.eta import OpenSubtask, Question, blocked_longer, eta, without_worker
from domain.estimation.features import Completion, Features
from domain.estimation.learner import Learner
from domain.estimation.outcomes import Chances
from domain.estimation.simulation import Crew
from tests.domain.estimation.conftest import learned

LEARNER = learned(1_200)
HASH = "00"
CALM = Chances(failing=(1e-6, 1e6), blocking=(1e-6, 1e6), block_mean=0.0, block_deviation=0.0)


def subtask(
    number: int, *, category: str = "c1", elapsed: float | None = None, after: tuple[int, ...] = ()
) -> OpenSubtask:
    return OpenSubtask(
        id=f"task.{number}",
        features=Features(category=category, decomposition="task"),
        elapsed_seconds=elapsed,
        depends_on=after,
        chances=CALM,
    )


def work(**changes: Any) -> Work:
    forecast = LEARNER.forecast(Features(category="c1", decomposition="task"))
    return msgspec.structs.replace(Work(forecast=forecast, chances=CALM), **changes)


def question(*subtasks: OpenSubtask, workers: int = 2) -> Question:
    return Question(task="task", position=7, subtasks=subtasks, crew=(Crew(),) * workers)


TEN = question(*(subtask(number) for number in range(10)))


def test_the_same_question_has_the_same_answer() -> None:
    assert eta(LEARNER, HASH, TEN) == eta(LEARNER, HASH, TEN)


def test_another_position_draws_anew() -> None:
    later = msgspec.structs.replace(TEN, position=8)

    assert eta(LEARNER, HASH, later).p50 != eta(LEARNER, HASH, TEN).p50


def test_quantiles_do_not_cross() -> None:
    said = eta(LEARNER, HASH, TEN)

    assert 0 < said.p50 <= said.p80 <= said.p95


def test_nothing_open_is_done_now() -> None:
    assert eta(LEARNER, HASH, question()).p95 == 0.0


def test_nobody_at_work_never_ends() -> None:
    assert math.isinf(eta(LEARNER, HASH, question(subtask(0), workers=0)).p50)


def test_one_more_worker_saves_time_where_work_can_be_shared_out_and_none_in_a_chain() -> None:
    chain = question(subtask(0), subtask(1, after=(0,)), subtask(2, after=(1,)))

    assert eta(LEARNER, HASH, TEN).worker_saves > 0
    assert eta(LEARNER, HASH, chain).worker_saves == 0.0


def test_each_of_a_chain_is_critical() -> None:
    said = eta(LEARNER, HASH, question(subtask(0), subtask(1, after=(0,))))

    assert [one.critical for one in said.subtasks] == [1.0, 1.0]


def test_the_longest_work_makes_most_of_the_variance() -> None:
    short, long = subtask(0, category="c0"), subtask(1, category="c4")

    first, second = eta(LEARNER, HASH, question(short, long)).subtasks

    assert second.variance > first.variance


def test_a_lost_worker_makes_it_later() -> None:
    running = question(subtask(0, elapsed=50.0), subtask(1, elapsed=50.0), *(subtask(n) for n in range(2, 8)))

    lost = without_worker(running, 0)

    assert len(lost.crew) == 1
    assert lost.subtasks[0].elapsed_seconds is None
    assert eta(LEARNER, HASH, lost).p50 > eta(LEARNER, HASH, running).p50


def test_losing_what_is_under_way_never_makes_it_earlier() -> None:
    # Alone, and late already: that it takes long is not forgotten with its worker.
    late = question(subtask(0, elapsed=2_000.0), workers=2)

    assert eta(LEARNER, HASH, without_worker(late, 0)).p50 >= 2_000.0
    assert eta(LEARNER, HASH, without_worker(late, 0)).p50 > eta(LEARNER, HASH, late).p50


def test_workers_that_share_processors_take_as_much_longer() -> None:
    calm, crowded = (
        eta(LEARNER, HASH, msgspec.structs.replace(TEN, overhead_seconds=0.0, slow_down=slower)) for slower in (1, 4)
    )

    assert crowded.p50 == pytest.approx(4 * calm.p50)


def test_a_thousand_subtasks_that_hang_together_have_a_thousand_draws_or_nearly() -> None:
    crowd = question(
        *(msgspec.structs.replace(subtask(number), files=frozenset({f"f{number % 200}"})) for number in range(1_000)),
        workers=50,
    )

    assert eta(LEARNER, HASH, crowd).draws >= 800


def test_a_blocker_that_stays_open_for_an_hour_makes_it_an_hour_later_at_most() -> None:
    before, after = (eta(LEARNER, HASH, q) for q in (TEN, blocked_longer(TEN, "task.3", 3_600.0)))

    assert 3_600 <= after.p50 <= before.p95 + 3_600


def test_running_work_is_drawn_given_that_it_has_lasted_so_long() -> None:
    fresh = eta(LEARNER, HASH, question(subtask(0, elapsed=1.0)))
    old = eta(LEARNER, HASH, question(subtask(0, elapsed=5_000.0)))

    # What has lasted so much longer than expected has much left; it is not nearly done.
    assert old.p50 > fresh.p50


def test_siblings_that_run_for_long_already_make_what_waits_longer() -> None:
    short, long = (
        eta(LEARNER, HASH, question(subtask(0, elapsed=seconds), subtask(1), subtask(2), workers=1))
        for seconds in (1.0, 20_000.0)
    )

    assert long.p50 > short.p50


def test_no_attempt_is_drawn_longer_than_its_limit() -> None:
    seconds = drawn(LEARNER, [work(limit_seconds=60.0)], 500, np.random.default_rng(1)).seconds

    assert seconds.max() == pytest.approx(60.0)


def test_failures_and_blocks_make_it_later() -> None:
    unlucky = Chances(failing=(50.0, 50.0), blocking=(50.0, 50.0), block_mean=6.0, block_deviation=0.5)

    calm, worse = (
        drawn(LEARNER, [work(chances=chances)], 500, np.random.default_rng(1)) for chances in (CALM, unlucky)
    )

    assert worse.seconds.mean() > 1.2 * calm.seconds.mean()
    assert calm.waits.max() == 0.0
    assert 0.3 < (worse.waits > 0).mean() < 0.7


def test_what_has_been_reported_done_is_only_judged_yet() -> None:
    reported = work(reported=True, overhead_seconds=7.0)

    assert drawn(LEARNER, [reported], 10, np.random.default_rng(1)).seconds.max() == 7.0


def test_whoever_is_blocked_is_there_longer_the_longer_that_has_lasted_already() -> None:
    unlucky = msgspec.structs.replace(CALM, block_mean=math.log(600.0), block_deviation=1.0)
    moment, hours = (
        drawn(
            LEARNER,
            [work(reported=True, chances=unlucky, blocked_seconds=seconds)],
            2_000,
            np.random.default_rng(1),
        ).seconds
        for seconds in (1.0, 7_200.0)
    )

    assert np.median(moment) == pytest.approx(600.0, rel=0.1)
    assert np.median(hours) > 2 * np.median(moment)


def test_whoever_waits_for_another_subtask_is_blocked_until_that_ends() -> None:
    awaited, waiting = work(limit_seconds=60.0), work(reported=True, blocked_seconds=5.0, waits_for=0)

    seconds = drawn(LEARNER, [awaited, waiting], 50, np.random.default_rng(1)).seconds

    assert seconds[:, 1].tolist() == seconds[:, 0].tolist()


def test_a_parked_subtask_keeps_nobody_busy_while_its_blocker_is_open() -> None:
    unlucky = msgspec.structs.replace(CALM, block_mean=math.log(600.0), block_deviation=1.0)
    calm, parked = work(), work(chances=unlucky, blocked_seconds=60.0)

    came = drawn(LEARNER, [calm, parked], 50, np.random.default_rng(1))

    assert came.opens[:, 0].max() == 0.0
    assert came.opens[:, 1].min() > 0.0
    assert np.median(came.seconds[:, 1]) < 3 * np.median(came.seconds[:, 0])


def test_siblings_err_together() -> None:
    source, learner = random.Random(1), Learner()
    for task in range(60):
        usual = 300 * source.lognormvariate(0.0, 1.0)
        for number in range(10):
            known = Features(category=f"c{number % 3}", decomposition=f"t{task}")
            seconds = usual * source.lognormvariate(0.0, 0.5)
            learner.learn(Completion(position=10 * task + number, features=known, seconds=seconds))
    forecast = learner.forecast(Features(category="c1", decomposition="new"))

    seconds = drawn(learner, [Work(forecast=forecast, chances=CALM)] * 2, 4_000, np.random.default_rng(1)).seconds

    assert np.corrcoef(np.log(seconds.T))[0, 1] > 0.3
