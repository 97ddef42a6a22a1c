"""The dispatcher's rule, for many draws at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.estimation.graph import Graph, Task
from domain.estimation.simulation import Crew, Runs, run
from domain.planning.schedule import Job, Simulation

LAW = settings(deadline=None, max_examples=60)


def carried_out(tasks: list[Task], seconds: list[float], crew: list[Crew], waits: list[float] | None = None) -> Runs:
    return run(Graph(tasks), np.array([seconds]), np.array([waits or [0.0] * len(tasks)]), crew)


@LAW
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 10_000))
def test_it_ends_when_the_simulation_of_one_draw_does(jobs: int, workers: int, seed: int) -> None:
    source = np.random.Generator(np.random.PCG64(seed))
    busy = int(source.integers(0, min(workers, jobs) + 1))
    tasks = [
        Task(
            priority=int(source.integers(3)),
            expected_seconds=float(source.integers(1, 9)),
            files=frozenset({f"f{source.integers(5)}"}) if number >= busy and source.random() < 0.4 else frozenset(),
            depends_on=(int(source.integers(number)),) if number > busy and source.random() < 0.4 else (),
            running=number < busy,
        )
        for number in range(jobs)
    ]
    seconds = source.lognormal(3.0, 1.0, (5, jobs))

    got = run(Graph(tasks), seconds, np.zeros_like(seconds), [Crew()] * workers).makespans

    one_by_one = Simulation(
        [
            Job(seconds=one.expected_seconds, files=one.files, depends_on=one.depends_on, priority=one.priority)
            for one in tasks
        ]
    )
    expected = [one_by_one.run(workers, row, busy=range(busy)).makespan_seconds for row in seconds.tolist()]
    assert got == pytest.approx(expected)


def test_nothing_left_takes_no_time() -> None:
    assert run(Graph([]), np.zeros((3, 0)), np.zeros((3, 0)), [Crew()]).makespans.tolist() == [0.0, 0.0, 0.0]


def test_work_on_one_file_is_done_one_after_the_other() -> None:
    tasks = [Task(files=frozenset({"a"})), Task(files=frozenset({"a"})), Task()]

    assert carried_out(tasks, [5.0, 6.0, 7.0], [Crew()] * 3).makespans[0] == 11.0


def test_work_waits_for_what_it_depends_on() -> None:
    tasks = [Task(), Task(depends_on=(0,)), Task(depends_on=(1,))]

    runs = carried_out(tasks, [1.0, 2.0, 4.0], [Crew()] * 3)

    assert runs.makespans[0] == 7.0
    assert runs.critical.tolist() == [1.0, 1.0, 1.0]


def test_what_the_end_does_not_wait_for_is_not_critical() -> None:
    assert carried_out([Task(), Task()], [1.0, 9.0], [Crew()] * 2).critical.tolist() == [0.0, 1.0]


def test_what_stands_still_keeps_its_dependents_waiting_but_not_its_worker() -> None:
    tasks = [Task(priority=1), Task(priority=2), Task(priority=3, depends_on=(0,))]

    assert carried_out(tasks, [1.0, 5.0, 1.0], [Crew()], waits=[3.0, 0.0, 0.0]).makespans[0] == 7.0


def test_a_blocked_task_starts_when_its_blocker_is_resolved() -> None:
    assert carried_out([Task(opens_in=60.0)], [5.0], [Crew()]).makespans[0] == 65.0


def test_each_draw_may_have_its_own_time_until_a_blocker_is_resolved() -> None:
    seconds = np.full((2, 1), 5.0)

    runs = run(Graph([Task()]), seconds, np.zeros_like(seconds), [Crew()], opens=np.array([[0.0], [60.0]]))

    assert runs.makespans.tolist() == [5.0, 65.0]


def test_the_first_draws_can_be_carried_out_with_one_more_worker_as_well() -> None:
    seconds = np.array([[4.0, 4.0], [6.0, 6.0]])

    runs = run(Graph([Task(), Task()]), seconds, np.zeros_like(seconds), [Crew()], one_more=1)

    assert runs.makespans.tolist() == [8.0, 12.0]
    assert runs.with_one_more.tolist() == [4.0]


def test_more_work_than_one_word_has_bits_is_done_in_its_order() -> None:
    tasks = [Task(priority=number) for number in range(200)]
    seconds = [1.0] * 200

    assert carried_out(tasks, seconds, [Crew()] * 3).makespans[0] == 67.0


def test_a_worker_that_joins_later_starts_later() -> None:
    assert carried_out([Task(), Task()], [10.0, 10.0], [Crew(), Crew(joins_in=3.0)]).makespans[0] == 13.0


def test_a_worker_that_leaves_ends_what_it_has_begun() -> None:
    assert carried_out([Task(), Task()], [10.0, 10.0], [Crew(leaves_in=5.0), Crew()]).makespans[0] == 10.0
    assert carried_out([Task(), Task(), Task()], [10.0] * 3, [Crew(leaves_in=5.0), Crew()]).makespans[0] == 20.0


def test_without_workers_it_never_ends() -> None:
    assert math.isinf(carried_out([Task()], [1.0], [Crew(leaves_in=0.0)]).makespans[0])


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        carried_out([Task(depends_on=(1,)), Task(depends_on=(0,))], [1.0, 1.0], [Crew()])
