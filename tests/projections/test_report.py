"""The report of a run, from histories that are written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from domain import events as e
from projections.report import RunReport, SubtaskReport, build_report

History = Any


def report(history: History, cores: int = 8) -> RunReport:
    return build_report(history.recorded, cores=cores)


def test_no_events_give_no_report() -> None:
    with pytest.raises(ValueError, match="a task without events has no report"):
        build_report([], cores=1)


# --- wall time ------------------------------------------------------------------------------------------


def test_wall_time_runs_from_the_first_event_to_the_last(history: History) -> None:
    history.plan(4, 1.0)
    history.start(10)
    assert report(history).wall_seconds == 10.0


def test_wall_time_leaves_out_the_time_in_which_the_task_was_paused(history: History) -> None:
    history.add(10, e.TaskPaused(reason="interrupted"))
    history.add(3610, e.TaskResumed())
    history.add(3615, e.TaskCompleted())
    assert report(history).wall_seconds == 15.0


def test_wall_time_leaves_out_the_time_until_a_task_was_archived(history: History) -> None:
    history.add(10, e.TaskCompleted())
    tombstone = e.TaskArchived(
        file_name="f", file_sha256="ab" * 32, events=2, artifacts=0, first_position=1, last_position=2
    )
    history.add(3610, tombstone)
    assert report(history).wall_seconds == 10.0


def test_wall_time_leaves_out_the_time_after_a_run_was_killed_between_two_attempts(history: History) -> None:
    history.plan(5, 1.0)
    history.add(3605, e.TaskResumed())
    history.add(3607, e.TaskCompleted())
    assert report(history).wall_seconds == 7.0


def test_wall_time_leaves_out_the_time_after_a_run_was_killed_in_the_middle_of_an_attempt(history: History) -> None:
    history.plan(0, 1.0)
    history.start(5)
    gone = e.LeaseExpired(reason="the coordinator of w1 is gone", coordinator_gone=True)
    history.add(3605, gone, subtask=1, epoch=1)
    history.add(3605, e.SubtaskReady(), subtask=1)
    history.add(3605, e.TaskResumed())
    history.add(3607, e.TaskCompleted())
    assert report(history).wall_seconds == 7.0


def test_wall_time_counts_the_time_until_a_worker_was_lost_in_a_run_that_went_on(history: History) -> None:
    history.plan(0, 1.0)
    history.start(5)
    history.add(25, e.LeaseExpired(reason="the worker process was ended by SIGKILL"), subtask=1, epoch=1)
    assert report(history).wall_seconds == 25.0


def test_a_clock_that_is_set_back_takes_no_wall_time_away(history: History) -> None:
    history.add(10, e.PhaseStarted(phase=1, name="round 1"))
    history.add(4, e.MilestoneReached(phase=1, percent=25))
    history.add(7, e.MilestoneReached(phase=1, percent=50))
    assert report(history).wall_seconds == 13.0


# --- worker time ----------------------------------------------------------------------------------------


def test_worker_time_runs_from_the_workers_first_word_to_its_last_and_not_through_the_gates(history: History) -> None:
    history.plan(0, 1.0)
    history.claim(2)
    history.add(3, e.Started(), subtask=1, epoch=1)
    history.complete(12)
    history.gate(15, name="tests", passed=True, seconds=3.0)
    history.accept(16)
    assert report(history).worker_seconds == 9.0


@pytest.mark.parametrize(
    "ending",
    [e.Completed(), e.Failed(error="e"), e.SubtaskReleased(reason="r")],
    ids=lambda ending: type(ending).__name__,
)
def test_worker_time_adds_up_over_attempts_however_they_end(history: History, ending: e.EventBody) -> None:
    history.plan(0, 1.0)
    history.start(1)
    history.add(4, ending, subtask=1, epoch=1)
    history.start(10, epoch=2)
    history.complete(15, epoch=2)
    assert report(history).worker_seconds == 8.0


def test_a_lost_worker_counts_up_to_its_last_word(history: History) -> None:
    history.plan(0, 1.0)
    history.start(1)
    history.add(5, e.Progress(completed=1, total=2), subtask=1, epoch=1)
    history.add(3605, e.LeaseExpired(reason="killed"), subtask=1, epoch=1)
    assert report(history).worker_seconds == 4.0


def test_a_worker_that_is_lost_after_its_last_word_keeps_its_time(history: History) -> None:
    history.plan(0, 1.0)
    history.start(1)
    history.complete(7)
    history.add(3605, e.LeaseExpired(reason="killed"), subtask=1, epoch=1)
    assert report(history).worker_seconds == 6.0


def test_a_worker_that_never_said_a_word_has_no_worker_time(history: History) -> None:
    history.plan(0, 1.0)
    history.claim(1)
    history.add(5, e.Failed(error="it cannot be started"), subtask=1, epoch=1)
    assert report(history).worker_seconds == 0.0


def test_an_attempt_that_still_runs_has_no_worker_time_yet(history: History) -> None:
    history.plan(0, 1.0)
    history.start(1)
    history.add(9, e.Progress(completed=1, total=2), subtask=1, epoch=1)
    assert report(history).worker_seconds == 0.0


def test_processor_time_is_what_the_workers_said(history: History) -> None:
    history.plan(0, 1.0, 1.0, 1.0)
    history.start(1, 1)
    history.start(1, 2, worker="w2")
    history.start(1, 3, worker="w3")
    history.complete(5, 1, cpu=2.5)
    history.complete(5, 2, cpu=0.25)
    history.complete(5, 3)
    assert report(history).worker_cpu_seconds == 2.75


# --- counts ---------------------------------------------------------------------------------------------


@pytest.fixture
def eventful(history: History) -> History:
    """One subtask accepted at the third attempt, one held."""
    history.observe(1, {"E1": 5, "F2": 1})
    history.plan(2, 4.0, 2.0)
    history.start(3)
    history.complete(5)
    history.gate(6, name="tests", passed=False, seconds=1.0)
    history.add(6, e.SubtaskRejected(gate="tests", reason="exit code 1"), subtask=1, epoch=1)
    history.start(7, epoch=2)
    history.add(8, e.LeaseExpired(reason="killed"), subtask=1, epoch=2)
    history.start(9, epoch=3)
    history.complete(13, epoch=3)
    history.gate(14, name="tests", passed=True, seconds=0.5)
    history.gate(14, name="merge", passed=True)
    history.accept(14, epoch=3)
    history.start(15, 2)
    history.complete(16, 2)
    history.gate(16, 2, name="merge", passed=False, seconds=0.25)
    history.add(16, e.SubtaskReleased(reason="conflict"), subtask=2, epoch=1)
    history.start(17, 2, epoch=2)
    history.add(18, e.Failed(error="no idea", recoverable=False), subtask=2, epoch=2)
    history.add(18, e.SubtaskHeld(reason="no idea"), subtask=2, epoch=2)
    history.observe(19, {"F2": 1}, phase=2)
    history.add(20, e.TaskStalled(reason="1 problem is left"))
    return history


def test_what_happened_is_counted_apart(eventful: History) -> None:
    made = report(eventful)
    counts = {name: getattr(made, name) for name in ("accepted", "rejected", "lost", "held", "conflicts", "phases")}
    assert counts == {"accepted": 1, "rejected": 1, "lost": 1, "held": 1, "conflicts": 1, "phases": 1}


def test_the_time_of_the_gates_adds_up(eventful: History) -> None:
    assert report(eventful).gate_seconds == 1.75


def test_the_problems_before_and_after_are_those_of_the_first_and_the_last_look(eventful: History) -> None:
    made = report(eventful)
    assert (made.before, made.after) == ({"E1": 5, "F2": 1}, {"F2": 1})


def test_a_task_that_nobody_looked_at_has_no_problems_before_or_after(history: History) -> None:
    made = report(history)
    assert (made.before, made.after) == ({}, {})


def test_the_report_says_how_the_task_stands_and_where_its_work_is(eventful: History) -> None:
    made = report(eventful)
    assert (made.task_id, made.status, made.reason) == ("tree-1", "stalled", "1 problem is left")
    assert (made.branch, made.head) == ("pw/tree-1", "c1")


def test_each_subtask_has_its_row(eventful: History) -> None:
    common = {"problems": 2, "lost": 0, "rejected": 0}
    assert report(eventful).subtasks == (
        SubtaskReport(
            **common | {"rejected": 1, "lost": 1},
            id="tree-1.1",
            title="subtask 1",
            status="accepted",
            attempts=3,
            estimated_seconds=4.0,
            worker_seconds=6.0,
            note="",
        ),
        SubtaskReport(
            **common,
            id="tree-1.2",
            title="subtask 2",
            status="held",
            attempts=2,
            estimated_seconds=2.0,
            worker_seconds=2.0,
            note="no idea",
        ),
    )


@pytest.mark.parametrize(("name", "passed"), [("tests", False), ("merge", True)])
def test_only_a_merge_that_fails_is_a_conflict(history: History, name: str, *, passed: bool) -> None:
    history.plan(0, 1.0)
    history.start(1)
    history.complete(2)
    history.gate(3, name=name, passed=passed)
    assert report(history).conflicts == 0


# --- speed-up -------------------------------------------------------------------------------------------


def side_by_side(history: History, workers: int, *, cpu: float) -> None:
    """Let so many workers each hold a subtask from second 10 to 20, and end the task then."""
    history.plan(0, *[1.0] * workers)
    for number in range(1, workers + 1):
        history.start(10, number, worker=f"w{number}")
    for number in range(1, workers + 1):
        history.complete(20, number, cpu=cpu)


def test_workers_with_a_processor_each_give_worker_time_over_wall_time(history: History) -> None:
    side_by_side(history, 4, cpu=9.0)
    made = report(history, cores=4)
    assert made.speedup == 2.0
    assert made.speedup_basis == "worker time over wall time, with up to 4 workers at once"


def test_workers_that_wait_rather_than_compute_count_in_full_on_fewer_processors(history: History) -> None:
    side_by_side(history, 4, cpu=2.0)
    made = report(history, cores=2)
    assert made.speedup == 2.0
    assert made.speedup_basis == "worker time over wall time, with up to 4 workers at once"


def test_workers_that_share_busy_processors_count_only_for_as_many_as_there_are(history: History) -> None:
    side_by_side(history, 4, cpu=3.0)
    made = report(history, cores=2)
    assert made.speedup == 1.0
    assert made.speedup_basis == ("20.0 s over the wall time: 4 workers shared 2 processors, so 50% of their time")


def test_processor_time_above_the_share_of_busy_workers_is_what_one_alone_would_have_needed(history: History) -> None:
    side_by_side(history, 4, cpu=6.0)
    assert report(history, cores=2).speedup == 1.2


def test_workers_one_after_the_other_never_share_a_processor(history: History) -> None:
    history.plan(0, 1.0, 1.0)
    history.start(0, 1)
    history.complete(5, 1, cpu=5.0)
    history.start(5, 2)
    history.complete(10, 2, cpu=5.0)
    made = report(history, cores=1)
    assert made.speedup == 1.0
    assert made.speedup_basis.endswith("with up to 1 worker at once")


def test_a_task_that_took_no_time_has_no_speedup(history: History) -> None:
    assert report(history).speedup == 0.0
