"""What each read model says, on histories written by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from domain import events as e
from domain.plan import WorkerCurvePoint
from projections.course import Course
from projections.models import named
from projections.report import build_report

History = Any


def rows(history: History, name: str) -> list[dict[str, Any]]:
    """Fold the history into the rows of one read model."""
    course = Course(named([name]))
    for record in history.recorded:
        assert course.apply(record) == []
    [(_, taken, error)] = course.take()
    assert not error
    return sorted(taken, key=lambda row: [str(value) for value in row.values()][:3])


def only(history: History, name: str, *columns: str) -> tuple[Any, ...]:
    """Give some columns of the one row."""
    [row] = rows(history, name)
    return tuple(row[column] for column in columns)


def block(history: History, second: float, issue: e.Issue, *, number: int = 1, subtask: int = 1) -> None:
    history.add(second, e.Blocked(issue=issue, context="stuck"), subtask=subtask, epoch=1)
    opened = e.BlockerOpened(number=number, policy="ask", detail="asks: which?")
    history.add(second, opened, subtask=subtask, epoch=1)


QUESTION = e.ScopeClarification(question="which?")


# --- history ---


def test_an_attempts_time_is_queued_starting_active_blocked_and_judged(history: History) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0)
    history.claim(12)
    history.add(15, e.Started(), subtask=1, epoch=1)
    block(history, 20, QUESTION)
    history.add(50, e.BlockerAnswered(number=1, text="the first"), subtask=1, epoch=1)
    history.complete(65)
    history.gate(67, name="tests", passed=True, seconds=2.0)
    history.accept(70)
    columns = ("outcome", "censored", "queued_seconds", "starting_seconds", "active_seconds", "blocked_seconds")
    assert only(history, "history", *columns) == ("accepted", False, 10.0, 3.0, 20.0, 30.0)
    assert only(history, "history", "judged_seconds", "gate_seconds", "tool") == (5.0, 2.0, "ruff")


def test_each_attempt_is_a_row_and_a_lost_one_counts_up_to_its_last_word(history: History) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0)
    history.start(10)
    history.add(14, e.Progress(completed=1, total=2), subtask=1, epoch=1)
    history.add(80, e.LeaseExpired(reason="not heard of"), subtask=1, epoch=1)
    history.add(81, e.SubtaskReady(), subtask=1)
    history.start(90, epoch=2, worker="w2")
    history.add(97, e.Failed(error="no"), subtask=1, epoch=2, worker="w2")
    found = [(row["outcome"], row["censored"], row["active_seconds"]) for row in rows(history, "history")]
    assert found == [("lost", True, 4.0), ("failed", False, 7.0)]


def test_a_lost_worker_that_comes_back_goes_on_with_its_attempt(history: History) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0)
    history.start(10)
    history.add(80, e.LeaseExpired(reason="not heard of"), subtask=1, epoch=1)
    history.add(90, e.Progress(completed=1, total=2), subtask=1, epoch=1)
    assert only(history, "history", "outcome", "ended_at") == ("running", None)
    history.add(95, e.Failed(error="no"), subtask=1, epoch=1)
    assert only(history, "history", "outcome", "active_seconds") == ("failed", 5.0)


def test_a_lost_worker_may_come_back_only_to_say_that_it_has_failed(history: History) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0)
    history.start(10)
    history.add(80, e.LeaseExpired(reason="not heard of"), subtask=1, epoch=1)
    history.add(95, e.Failed(error="no"), subtask=1, epoch=1)
    assert only(history, "history", "outcome") == ("failed",)
    assert only(history, "worker", "lost", "failed", "claims") == (1, 1, 1)


# --- blockers ---


def test_a_blocker_costs_until_its_worker_goes_on(history: History) -> None:
    history.plan(2, 30.0)
    history.start(10)
    block(history, 20, e.ExternalDependency(system="registry", issue="down"))
    [row] = rows(history, "blocker")
    assert (row["kind"], row["answered_at"], row["freed_at"], row["action"]) == (
        "external_dependency", None, None, None,
    )  # fmt: skip
    history.add(50, e.BlockerAnswered(number=1, text="up again", by="ann"), subtask=1, epoch=1)
    [row] = rows(history, "blocker")
    assert row["freed_at"] == row["answered_at"] == row["opened_at"] + timedelta(seconds=30)
    assert (row["answer"], row["action"], row["answered_by"]) == ("up again", "resume", "ann")


def test_a_blocker_costs_nothing_while_its_subtask_is_parked(history: History) -> None:
    history.plan(2, 30.0)
    history.start(10)
    block(history, 20, QUESTION)
    history.add(25, e.SubtaskReleased(reason="waits", parked=True), subtask=1, epoch=1)
    history.add(90, e.BlockerAnswered(number=1, text="the first"), subtask=1)
    [row] = rows(history, "blocker")
    assert row["freed_at"] == row["opened_at"] + timedelta(seconds=5)
    assert row["answered_at"] == row["opened_at"] + timedelta(seconds=70)


# --- progress, milestones, burn-down ---


def test_progress_counts_every_state_and_weighs_partial_progress(history: History) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0, 10.0, 20.0, 40.0)
    history.start(10, 1)
    history.complete(15, 1)
    history.accept(16, 1)
    history.start(17, 2, worker="w2")
    history.add(18, e.Progress(completed=1, total=2), subtask=2, epoch=1, worker="w2")
    history.add(19, e.SubtaskHeld(reason="no"), subtask=3)
    columns = ("percent", "subtasks", "accepted", "running", "ready", "held", "weight_seconds", "weight_done_seconds")
    assert only(history, "progress", *columns) == (43.8, 4, 1, 1, 1, 1, 80.0, 35.0)


def test_a_milestone_says_how_long_the_phase_took_to_it(history: History) -> None:
    history.plan(2, 30.0)
    history.add(62, e.MilestoneReached(phase=1, percent=50))
    assert only(history, "milestone", "phase", "percent", "phase_seconds") == (1, 50, 60.0)


def test_the_burn_down_has_a_point_for_the_plan_and_one_for_each_end(history: History) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0, 10.0)
    for subtask in (1, 2):
        history.start(10 * subtask, subtask)
        history.complete(10 * subtask + 5, subtask)
        history.accept(10 * subtask + 6, subtask)
    points = sorted(rows(history, "burndown"), key=lambda row: row["position"])
    assert [(p["event"], p["subtasks_left"], p["weight_left_seconds"], p["problems"]) for p in points] == [
        ("task_submitted", 0, 0.0, None),
        ("problems_observed", 0, 0.0, 7),
        ("subtask_claimed", 2, 40.0, 7),
        ("subtask_accepted", 1, 10.0, 7),
        ("subtask_accepted", 0, 0.0, 7),
    ]


# --- workers, gates ---


def test_a_worker_is_told_by_what_it_did_and_what_that_cost(history: History) -> None:
    history.plan(2, 30.0, 10.0)
    history.start(10, 1)
    for second, cost in ((12, 0.25), (15, 0.5)):
        usage = e.Usage(cost=cost, tokens_in=int(1000 * cost))
        history.add(second, e.Progress(completed=1, total=2, usage=usage), subtask=1, epoch=1)
    history.complete(20, 1)
    history.accept(21, 1)
    history.start(30, 2)
    assert only(history, "worker", "claims", "reports", "accepted", "live", "subtask") == (2, 1, 1, 1, 2)
    # The last word of an attempt is about all of it.
    assert only(history, "worker", "cost", "tokens_in", "tokens_out", "worked_seconds") == (0.5, 500, None, 10.0)


def test_a_review_is_a_gate_and_a_deed_of_its_reviewer(history: History) -> None:
    history.plan(2, 30.0)
    history.start(10)
    history.complete(20)
    given = e.ReviewGiven(reviewer="w7", approve=False, score=0.25, comment="it hides it")
    history.add(30, given, subtask=1, epoch=1)
    assert only(history, "gate", "gate", "passed", "score", "reviewer", "detail") == (
        "review", False, 0.25, "w7", "it hides it",
    )  # fmt: skip
    assert {row["worker_id"]: row["reviews"] for row in rows(history, "worker")} == {"w1": 0, "w7": 1}


# --- efficiency, forecasts ---


def test_efficiency_says_what_the_report_of_the_run_says(history: History) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0, 10.0)
    history.start(10, 1)
    history.start(12, 2, worker="w2")
    history.complete(40, 1)
    history.gate(42, 1, name="tests", passed=True, seconds=2.0)
    history.accept(43, 1)
    history.complete(52, 2)
    history.add(60, e.TaskPaused(reason="night"))
    history.add(9000, e.TaskResumed())
    history.accept(9001, 2)
    report = build_report(history.recorded, cores=8)
    columns = ("wall_seconds", "worker_seconds", "gate_seconds", "workers", "workers_at_once_max")
    assert only(history, "efficiency", *columns) == (
        report.wall_seconds, report.worker_seconds, report.gate_seconds, 2, 2,
    )  # fmt: skip
    assert only(history, "efficiency", "speedup") == (round(70 / 61, 4),)


def test_the_critical_path_is_the_longest_chain_of_dependencies(history: History) -> None:
    history.plan(2, 30.0, 10.0, 10.0)
    planned = [event for event in history.events if isinstance(event.body, e.SubtaskPlanned)]
    for number, second in ((1, 10), (2, 20), (3, 50)):
        history.start(second, number)
        history.complete(second + 5 * number, number)
    assert only(history, "efficiency", "critical_path_seconds", "speedup_max") == (15.0, 2.0)
    place = history.events.index(planned[2])
    history.events[place] = _depending(planned[2], planned[0].stream_id)
    assert only(history, "efficiency", "critical_path_seconds", "speedup_max") == (20.0, 1.5)


def _depending(event: e.Event, on: str) -> e.Event:
    body = msgspec.structs.replace(event.body, depends_on=(on,))
    return msgspec.structs.replace(event, body=body)


def test_forecasts_stand_beside_what_came(history: History) -> None:
    points = tuple(WorkerCurvePoint(workers=n, makespan_seconds=60.0 / n) for n in (1, 2))
    history.add(1, e.TaskDecomposed(
        phase=1, strategy="file", subtasks=1, plan_hash="h", recommended_workers=1, recommendation="r", curve=points,
    ))  # fmt: skip
    history.plan(2, 30.0)
    history.start(10)
    history.complete(50)
    history.accept(51)
    history.add(52, e.MilestoneReached(phase=1, percent=100))
    found = [
        (row["subtask"], row["workers"], row["p50_seconds"], row["actual_seconds"])
        for row in rows(history, "forecast")
    ]
    assert sorted(found, key=str) == [(0, 1, 60.0, 50.0), (0, 2, 30.0, None), (1, 0, 30.0, 40.0)]
