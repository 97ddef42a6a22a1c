"""The same work under other choices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain import events as e
from domain.estimation.learner import Learner
from domain.estimation.shipped import SHIPPED
from domain.ids import SubtaskId, TaskId
from domain.plan import Effort
from domain.scope import TaskScope
from domain.task_state import TaskState
from projections.replay.changes import Changes
from projections.replay.rounds import Done, Hold, Round, rounds_of
from projections.replay.what_if import Outcome, Simulator, as_recorded, happened, matched
from tests.projections.corpus.read import recording
from tests.projections.incident import killed_run

START = datetime(2025, 1, 2, tzinfo=UTC)
AS_IT_WAS = Changes()
TASK = TaskId("boto-7k3mq9xd")
SUBMITTED = e.TaskSubmitted(repository="/src/boto", base_commit="c0", branch="pw/boto", options={})


def plan(number: int, **changes: object) -> e.SubtaskPlanned:
    planned = e.SubtaskPlanned(
        phase=1,
        title="E1",
        reason="local edits",
        scope=TaskScope(files=(f"{number}.py",), codes=("E1",), time_budget_seconds=3_600.0),
        problems=(number,),
        effort=Effort(p50=100.0, p80=200.0, p95=400.0, prior=30.0, category="agent local types"),
        priority=number,
    )
    return msgspec.structs.replace(planned, **changes)


def done(number: int, *seconds: float, **changes: object) -> Done:
    """A subtask with attempts of so many seconds, of which the last was accepted."""
    holds = [
        Hold(worker_id="w1", seconds=took, active_seconds=took - 1.0, outcome="rejected" if rest else "accepted")
        for took, rest in zip(seconds, range(len(seconds) - 1, -1, -1), strict=True)
    ]
    return Done(id=SubtaskId(f"{TASK}.{number}"), plan=plan(number, **changes), holds=holds)


def played(*subtasks: Done, workers: int, seconds: float) -> Round:
    observed = e.ProblemsObserved(
        phase=1, commit="c0", format="mypy", tool="mypy", artifact="", problems=1, targeted=1, codes={"E1": 1}
    )
    return Round(
        phase=1,
        before=TaskState(id=TASK, submitted=SUBMITTED, submitted_at=START),
        observed=observed,
        inputs="",
        began_at=START,
        ended_at=START + timedelta(seconds=seconds),
        subtasks={one.id: one for one in subtasks},
        joined={f"w{number}": 0.0 for number in range(workers)},
    )


def outcome(one: Round, changes: Changes, learner: Learner | None = None) -> Outcome:
    return Simulator([one], changes, learner, 3, "seed").outcome(as_recorded([one]))


FOUR = played(*(done(number, 10.0) for number in range(1, 5)), workers=2, seconds=20.0)


@pytest.mark.parametrize("name", ["run", "rounds", "answered", "split", "lost", "early"])
def test_what_was_done_as_it_was_done_takes_as_long_as_it_took(name: str) -> None:
    rounds = rounds_of(recording(name).events)
    was = happened(rounds)

    again = Simulator(rounds, AS_IT_WAS, None, 3, "seed").outcome(as_recorded(rounds))

    assert again.p50 == again.p95 == pytest.approx(was.p50, rel=0.05)
    assert (again.workers, again.subtasks) == (was.workers, was.subtasks)


def test_the_time_in_which_nobody_ran_the_task_is_nobodys() -> None:
    records = [
        e.RecordedEvent(event=event, position=position, version=1, recorded_at=event.occurred_at)
        for position, event in enumerate(killed_run(TASK), 1)
    ]

    [one] = rounds_of(records)

    # From 20 to 1080, without the 1,000 seconds until somebody took it over.
    assert one.seconds == 60.0
    assert [[hold.seconds for hold in done.holds] for done in one.subtasks.values()] == [[30.0, 25.0]] * 2


def test_fewer_workers_take_longer_and_no_number_takes_less_than_the_longest() -> None:
    spans = [outcome(FOUR, Changes(workers=workers)).p50 for workers in (1, 2, 4, 100)]

    assert spans == [40.0, 20.0, 10.0, 10.0]


def test_nothing_is_drawn_where_only_the_workers_change() -> None:
    said = outcome(FOUR, Changes(workers=3))

    assert said.p50 == said.p95
    assert said.worker_seconds == 40.0


def test_what_depends_on_another_waits_for_it_however_many_workers_there_are() -> None:
    chain = played(done(1, 10.0), done(2, 10.0, depends_on=(SubtaskId(f"{TASK}.1"),)), workers=2, seconds=20.0)

    assert outcome(chain, Changes(workers=8)).p50 == 20.0


def test_an_attempt_that_was_refused_is_done_before_the_next_and_after_its_pause() -> None:
    retried = done(1, 10.0, 10.0)
    retried.holds[0].apart_seconds = 5.0

    assert outcome(played(retried, workers=1, seconds=25.0), AS_IT_WAS).p50 == 25.0


def test_supposed_failures_stand_in_for_those_that_there_were() -> None:
    retried = played(done(1, 10.0, 10.0), workers=1, seconds=20.0)

    assert outcome(retried, Changes(failures=0.0)).p95 == 10.0
    many = outcome(retried, Changes(failures=0.4))
    assert (many.p50, many.p95) == (10.0, 30.0)
    # No more than three attempts: 10 s times 0.6 + 2 * 0.24 + 3 * 0.16.
    assert many.worker_seconds == pytest.approx(15.6, rel=0.1)


def test_the_planner_s_own_estimates_are_believed_as_they_stand() -> None:
    one = played(done(1, 10.0), workers=1, seconds=10.0)

    said = outcome(one, Changes(estimator="raw"))

    # And what an attempt has cost beside its work, 1 s.
    assert said.p50 == pytest.approx(31.0, rel=0.2)
    assert said.p50 < said.p80 < said.p95


def test_the_effort_model_is_asked_where_it_is_the_estimator() -> None:
    said = outcome(FOUR, Changes(estimator="model"), Learner(prior=SHIPPED))

    assert 0.0 < said.p50 < said.p80 < said.p95


def test_the_same_question_has_the_same_answer() -> None:
    asked = Changes(failures=0.3, estimator="raw")

    assert outcome(FOUR, asked) == outcome(FOUR, asked)


def test_of_another_plan_what_was_done_file_for_file_keeps_its_time() -> None:
    same, other = (SubtaskId(f"{TASK}.{number}") for number in (8, 9))

    planned = matched(FOUR, [(same, plan(1)), (other, plan(1, problems=(1, 2)))])

    assert [one.done is not None for one in planned] == [True, False]
    said = Simulator([FOUR], Changes(strategy="file"), Learner(prior=SHIPPED), 3, "seed").outcome({1: planned})
    assert said.subtasks == 2


def test_a_worker_that_took_nothing_up_any_more_while_something_waited_had_left() -> None:
    one = played(workers=2, seconds=100.0)
    one.last_there = {"w0": 10.0, "w1": 100.0}
    one.waits = [(5.0, 60.0, "w1")]

    assert one.left == {"w0": 10.0}
