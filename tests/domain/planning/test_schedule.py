"""Simulated schedules: their bounds, and who never runs beside whom."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.planning.schedule import Job, Schedule, simulate

LAW = settings(deadline=None, max_examples=100)

worker_counts = st.integers(1, 5)
# Whole seconds, so that sums are exact.
seconds = st.integers(1, 20).map(float)


@st.composite
def graphs(draw: st.DrawFn) -> list[Job]:
    """Jobs that may share files and depend on earlier ones, in an order that is not their priority's."""
    return [
        Job(
            seconds=draw(seconds),
            files=draw(st.frozensets(st.sampled_from("abcdef"), max_size=2)),
            depends_on=tuple(draw(st.sets(st.integers(0, number - 1), max_size=2))) if number else (),
            priority=draw(st.integers(0, 2)),
        )
        for number in range(draw(st.integers(0, 10)))
    ]


def job(seconds: float, *files: str, after: tuple[int, ...] = (), priority: int = 0) -> Job:
    return Job(seconds=seconds, files=frozenset(files), depends_on=after, priority=priority)


def starts(jobs: list[Job], schedule: Schedule) -> list[float]:
    return [end - job.seconds for job, end in zip(jobs, schedule.ends, strict=True)]


def longest_chain(jobs: list[Job]) -> float:
    """Seconds of the longest chain of dependencies; dependencies point backwards."""
    reached: list[float] = []
    for job in jobs:
        reached.append(job.seconds + max((reached[earlier] for earlier in job.depends_on), default=0.0))
    return max(reached, default=0.0)


# --- laws


@LAW
@given(graphs(), worker_counts)
def test_a_schedule_takes_no_less_than_its_longest_chain_and_its_share_of_the_work(
    jobs: list[Job], workers: int
) -> None:
    total = sum(job.seconds for job in jobs)

    makespan = simulate(jobs, workers).makespan_seconds

    assert max(longest_chain(jobs), total / workers) <= makespan <= total


@LAW
@given(graphs(), worker_counts)
def test_two_jobs_that_share_a_file_never_overlap(jobs: list[Job], workers: int) -> None:
    schedule = simulate(jobs, workers)

    began, ended = starts(jobs, schedule), schedule.ends
    for one, other in combinations(range(len(jobs)), 2):
        if jobs[one].files & jobs[other].files:
            assert ended[one] <= began[other] or ended[other] <= began[one]


@LAW
@given(graphs(), worker_counts)
def test_no_job_begins_before_what_it_depends_on_has_ended(jobs: list[Job], workers: int) -> None:
    schedule = simulate(jobs, workers)

    for job, began in zip(jobs, starts(jobs, schedule), strict=True):
        assert all(schedule.ends[earlier] <= began for earlier in job.depends_on)


@LAW
@given(graphs(), worker_counts)
def test_no_more_jobs_run_at_once_than_there_are_workers(jobs: list[Job], workers: int) -> None:
    schedule = simulate(jobs, workers)

    began = starts(jobs, schedule)
    for now in began:
        running = sum(start <= now < end for start, end in zip(began, schedule.ends, strict=True))
        assert running <= workers


@LAW
@given(graphs(), worker_counts)
def test_no_worker_idles_while_a_job_could_begin(jobs: list[Job], workers: int) -> None:
    schedule = simulate(jobs, workers)

    began, ended = starts(jobs, schedule), schedule.ends
    for now in (0.0, *ended):
        running = [number for number in range(len(jobs)) if began[number] <= now < ended[number]]
        held = {path for number in running for path in jobs[number].files}
        for number, job in enumerate(jobs):
            if began[number] > now and len(running) < workers:
                assert held & job.files or any(ended[earlier] > now for earlier in job.depends_on)


@LAW
@given(st.lists(seconds, min_size=1), worker_counts)
def test_independent_jobs_end_within_graham_s_bound(times: list[float], workers: int) -> None:
    makespan = simulate([job(each) for each in times], workers).makespan_seconds

    assert makespan <= sum(times) / workers + max(times) * (1 - 1 / workers)


@LAW
@given(graphs())
def test_one_worker_does_one_job_after_the_other(jobs: list[Job]) -> None:
    assert simulate(jobs, 1).makespan_seconds == sum(job.seconds for job in jobs)


@LAW
@given(graphs())
def test_workers_beyond_one_for_each_job_change_nothing(jobs: list[Job]) -> None:
    assert simulate(jobs, len(jobs)) == simulate(jobs, 2 * len(jobs))


# --- examples


def test_nothing_to_do_takes_no_time() -> None:
    assert simulate([], 4) == Schedule(makespan_seconds=0.0, ends=())


def test_the_longest_of_equally_urgent_jobs_goes_first() -> None:
    assert simulate([job(1), job(2), job(3)], 1).ends == (6, 5, 3)


def test_the_most_urgent_job_goes_first() -> None:
    assert simulate([job(3, priority=1), job(1, priority=0)], 1).ends == (4, 1)


def test_a_less_urgent_job_goes_ahead_of_one_whose_file_is_held() -> None:
    jobs = [job(5, "a"), job(4, "a"), job(1, "b", priority=1)]

    assert simulate(jobs, 2).ends == (5, 9, 1)


def test_a_job_waits_for_what_it_depends_on() -> None:
    assert simulate([job(2, after=(1,)), job(3)], 2).ends == (5, 3)


def test_running_jobs_begin_first_whatever_their_priority() -> None:
    jobs = [job(2, priority=0), job(3, priority=9)]

    assert simulate(jobs, 1, busy=[1]).ends == (5, 3)


def test_running_jobs_have_a_worker_each_even_where_there_are_fewer_now() -> None:
    assert simulate([job(2), job(3), job(1)], 1, busy=[0, 1]).ends == (2, 3, 4)


def test_running_jobs_hold_their_files() -> None:
    assert simulate([job(2, "a"), job(3, "a")], 2, busy=[1]).ends == (5, 3)


@pytest.mark.parametrize("jobs", [[job(1, after=(0,))], [job(1, after=(1,)), job(1, after=(0,)), job(1)]])
def test_a_cycle_of_dependencies_is_an_error(jobs: list[Job]) -> None:
    with pytest.raises(ValueError, match="form a cycle"):
        simulate(jobs, 2)


def test_a_further_worker_can_make_a_schedule_longer() -> None:
    # Graham's anomaly: why the number of workers is simulated and not taken to be the more the better.
    jobs = [
        job(3),
        job(2, priority=1),
        job(2, priority=2),
        job(2, priority=3),
        job(4, after=(3,), priority=4),
        job(4, after=(3,), priority=5),
        job(4, after=(3,), priority=6),
        job(4, after=(3,), priority=7),
        job(9, after=(0,), priority=8),
    ]

    assert simulate(jobs, 3).makespan_seconds < simulate(jobs, 4).makespan_seconds
