"""From a task's state to the question when it will be done."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.estimation.eta import Question, eta
from domain.estimation.graph import CycleError
from domain.estimation.questions import Workforce, overhead_seconds, question_of, why_unknown, workers_there
from domain.ids import SubtaskId, TaskId, WorkerId
from domain.plan import Effort
from domain.scope import TaskScope
from domain.task_state import LIVE, Blocker, SubtaskState, SubtaskStatus, TaskState, TaskStatus
from tests.domain.estimation.conftest import learned

TASK = TaskId("boto-7k3mq9xd")
START = datetime(2025, 1, 2, tzinfo=UTC)
NOW = START + timedelta(seconds=100)
AGEING = 600.0


def named(number: int) -> SubtaskId:
    return SubtaskId(f"{TASK}.{number}")


def subtask(
    number: int,
    status: SubtaskStatus = "ready",
    *,
    files: Collection[str] = (),
    after: Collection[int] = (),
    **known: Any,
) -> SubtaskState:
    plan = e.SubtaskPlanned(
        phase=1,
        title="E1",
        reason="local edits",
        scope=TaskScope(files=tuple(files) or (f"{number}.py",), codes=("E1",), time_budget_seconds=1_800.0),
        problems=(number,),
        effort=Effort(p50=100.0, p80=200.0, p95=400.0, prior=50.0, category="agent local types"),
        priority=number,
        depends_on=tuple(map(named, after)),
    )
    if status in LIVE:
        # It was given out at 10 s and taken up at 20 s.
        at = {"claimed_at": START + timedelta(seconds=10), "started_at": START + timedelta(seconds=20)}
        known = {"worker_id": WorkerId(f"w{number}"), **at, **known}
    return SubtaskState(id=named(number), plan=plan, status=status, ready_at=START, **known)


def task(*subtasks: SubtaskState, status: TaskStatus = "running", served: bool = True, **options: Any) -> TaskState:
    decomposed = e.TaskDecomposed(
        phase=1, strategy="file", subtasks=len(subtasks), plan_hash="", recommended_workers=3, recommendation=""
    )
    submitted = e.TaskSubmitted(
        repository="/src/boto", base_commit="c0", branch="pw/boto", options=options, served=served
    )
    return TaskState(
        id=TASK,
        submitted=submitted,
        submitted_at=START,
        status=status,
        phase=1,
        decompositions=(decomposed,),
        subtasks={one.id: one for one in subtasks},
    )


def asked(*subtasks: SubtaskState, workers: int = 2, now: datetime = NOW, **options: Any) -> Question:
    return question_of(task(*subtasks, **options), 7, now, workers, AGEING)


def blocker(*, waits_for: int | None = None) -> Blocker:
    return Blocker(
        number=1,
        issue=e.ScopeClarification(question="which?"),
        context="",
        policy="ask",
        detail="",
        waits_for=None if waits_for is None else named(waits_for),
        worker_id="w1",
        epoch=1,
        opened_at=START + timedelta(seconds=70),
    )


# --- the work -------------------------------------------------------------------------------------------


def test_what_has_ended_is_not_asked_about() -> None:
    question = asked(subtask(1, "accepted"), subtask(2, "held"), subtask(3), subtask(4, "split", split_into=()))

    assert [one.id for one in question.subtasks] == [named(3)]


def test_a_subtask_is_known_by_what_the_model_learns_from() -> None:
    features = asked(subtask(1)).subtasks[0].features

    assert (features.category, features.project, features.decomposition) == ("agent local types", "/src/boto", TASK)
    assert features.planned_seconds == 50.0


def test_running_work_has_lasted_since_its_worker_has_taken_it_up() -> None:
    assert asked(subtask(1, "running")).subtasks[0].elapsed_seconds == 80.0


def test_time_that_a_worker_was_blocked_is_none_of_its_active_time() -> None:
    before = subtask(1, "running", idle_seconds=30.0)
    now = subtask(2, "blocked", blocked_at=START + timedelta(seconds=70), blockers=(blocker(),))

    assert [one.elapsed_seconds for one in asked(before, now).subtasks] == [50.0, 50.0]


def test_a_worker_whose_clock_is_far_behind_has_not_begun_before_it_had_the_subtask() -> None:
    behind = subtask(1, "running", started_at=START - timedelta(hours=5))

    assert asked(behind).subtasks[0].elapsed_seconds == 90.0


def test_what_is_handed_out_and_not_taken_up_is_under_way_and_has_lasted_no_time() -> None:
    offered = asked(subtask(1, "claimed", started_at=None)).subtasks[0]

    assert offered.running
    assert offered.elapsed_seconds == 0.0


def test_a_worker_s_word_on_its_progress_is_as_of_when_it_came() -> None:
    said = subtask(1, "running", completed=2, total=8, moved_at=START + timedelta(seconds=60))

    report = asked(said).subtasks[0].report

    assert report is not None
    assert (report.fraction, report.elapsed_seconds) == (0.25, 40.0)


def test_an_open_blocker_has_been_open_since_it_was_opened() -> None:
    blocked = asked(subtask(1, "blocked", blockers=(blocker(),))).subtasks[0]

    assert blocked.running
    assert blocked.blocked_seconds == 30.0


def test_whoever_waits_for_a_subtask_waits_for_its_end() -> None:
    held, parked = (
        asked(subtask(1, status, blockers=(blocker(waits_for=2),)), subtask(2)).subtasks[0]
        for status in ("blocked", "parked")
    )

    assert (held.waits_for, held.depends_on) == (1, ())
    # Nobody has it: somebody takes it up when the other one has ended.
    assert (parked.waits_for, parked.depends_on, parked.blocked_seconds) == (None, (1,), None)


def test_a_retry_waits_until_its_time_has_come() -> None:
    assert asked(subtask(1, "planned", not_before=NOW + timedelta(seconds=45))).subtasks[0].opens_in == 45.0


def test_what_depends_on_a_split_subtask_waits_for_its_parts() -> None:
    whole = subtask(1, "split", split_into=(named(2), named(3)))

    question = asked(whole, subtask(2), subtask(3), subtask(4, "planned", after=[1]))

    assert question.subtasks[2].depends_on == (0, 1)


def test_what_is_accepted_keeps_nobody_waiting() -> None:
    assert asked(subtask(1, "accepted"), subtask(2, after=[1])).subtasks[0].depends_on == ()


def test_the_order_is_the_dispatcher_s_with_its_ageing() -> None:
    now, later = (asked(subtask(5), now=START + timedelta(seconds=waited)).subtasks[0] for waited in (10, 1_300))

    assert (now.priority, later.priority) == (5, 3)
    assert now.effort_seconds == 100.0


def test_workers_that_share_processors_are_slower() -> None:
    policy = {"cores": 2}

    alone, crowded = (asked(*map(subtask, range(1, 9)), workers=count, policy=policy) for count in (2, 8))

    assert (alone.slow_down, crowded.slow_down) == (1.0, 4.0)


def test_what_a_subtask_costs_beside_its_work_is_measured_at_those_that_have_ended() -> None:
    ended = [
        subtask(
            number,
            "accepted",
            epoch=1,
            claimed_at=START,
            ended_at=START + timedelta(seconds=50),
            worked_seconds=30.0,
        )
        for number in range(1, 31)
    ]

    assert overhead_seconds(task(subtask(99))) == 0.5
    assert overhead_seconds(task(*ended)) == pytest.approx(20.0, rel=0.1)


# --- the workers ----------------------------------------------------------------------------------------


def test_workers_are_those_that_hold_work_and_those_that_wait_for_it() -> None:
    state = task(subtask(1, "running"), subtask(2, "reported"), subtask(3))

    assert workers_there(state, Workforce(waiting=frozenset({"w7"})), NOW) == 3


def test_whoever_has_just_ended_something_is_there_still_and_soon_is_not() -> None:
    state = task(subtask(1, "accepted", ended_at=NOW, last_worker=WorkerId("w1")), subtask(2))

    assert workers_there(state, Workforce(), NOW + timedelta(seconds=1)) == 1
    assert workers_there(state, Workforce(), NOW + timedelta(seconds=60)) == 0


def test_a_run_keeps_its_workers_whether_they_hold_something_or_not() -> None:
    assert workers_there(task(subtask(1)), Workforce(kept=4), NOW) == 4


def test_no_more_work_than_the_policy_has_leases_for() -> None:
    waiting = frozenset(f"w{number}" for number in range(9))

    assert workers_there(task(subtask(1)), Workforce(waiting=waiting, leases_max=2), NOW) == 2


# --- when there is no telling -----------------------------------------------------------------------------


def test_it_is_said_in_words_why_there_is_no_telling() -> None:
    waiting = task(subtask(1))

    assert why_unknown(waiting, 1) == ""
    assert why_unknown(waiting, 0).startswith("no worker is there to do it: it can be asked what 3")
    assert "is paused" in why_unknown(task(subtask(1), status="paused"), 1)
    assert "is completed" in why_unknown(task(subtask(1, "accepted"), status="completed"), 1)
    assert why_unknown(task(subtask(1, "accepted")), 1) == "round 1 has come to its end"
    assert why_unknown(msgspec.structs.replace(waiting, decompositions=()), 1) == "nothing is planned yet"


# --- any state ------------------------------------------------------------------------------------------

LEARNER = learned(230)


@st.composite
def tasks(draw: st.DrawFn) -> TaskState:
    statuses = st.sampled_from(get_args(SubtaskStatus))
    subtasks = []
    for number in range(1, draw(st.integers(1, 7)) + 1):
        status = draw(statuses)
        open_blocker = status in ("blocked", "parked") and draw(st.booleans())
        subtasks.append(
            subtask(
                number,
                status,
                files=draw(st.sets(st.sampled_from("abc"), min_size=1)),
                after=draw(st.sets(st.integers(1, number - 1), max_size=2)) if number > 1 else (),
                completed=draw(st.integers(0, 12)),
                total=draw(st.integers(0, 10)),
                moved_at=START + timedelta(seconds=draw(st.integers(0, 90))),
                blockers=(blocker(waits_for=draw(st.sampled_from([None, 1, 2]))),) if open_blocker else (),
            )
        )
    return task(*subtasks)


@settings(deadline=None, max_examples=40)
@given(tasks(), st.integers(0, 4), st.floats(0.0, 10_000.0))
def test_of_any_state_the_same_question_has_the_same_answer_and_its_quantiles_are_in_order(
    state: TaskState, workers: int, later: float
) -> None:
    question = question_of(state, 7, NOW + timedelta(seconds=later), workers, AGEING)

    try:
        said = eta(LEARNER, "00", question)
    except CycleError:
        # Drawn by lot, they may wait for one another.
        return

    assert 0.0 <= said.p50 <= said.p80 <= said.p95
    assert said == eta(LEARNER, "00", question)
    assert (said.p95 == 0.0) == (not question.subtasks)
