"""Of reports of progress in a row the last says all: whoever looks finds the same as if each had been looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import SQLModel

from domain import events as e
from projections.course import Course
from projections.models import ALL, named
from projections.projection import Projection, Recent, Row, Step
from tests.projections.conftest import START, History

NewHistory = Callable[[str], History]

_USAGE = e.Usage(model="large", tokens_in=9, cost=0.5)
_REPORTS = st.builds(
    e.Progress,
    completed=st.integers(0, 3),
    total=st.integers(0, 3),
    status=st.sampled_from(["", "on"]),
    usage=st.none() | st.just(_USAGE),
)
_WORKED: list[e.EventBody] = [
    e.Started(),
    e.SubtaskClaimed(base_commit="c0"),
    e.Blocked(issue=e.ScopeClarification(question="which?")),
    e.BlockerOpened(number=1, policy="ask", detail="asks"),
    e.BlockerAnswered(number=1, text="this one"),
    e.Completed(summary="done", usage=_USAGE),
    e.Failed(error="no"),
    e.LeaseExpired(reason="not heard of"),
    e.LeaseExpired(reason="does not come on", clock="progress"),
    e.SubtaskReleased(reason="later", parked=True),
    e.GateEvaluated(gate="tests", passed=True, score=1.0, seconds=2.0),
    e.SubtaskRejected(gate="tests", reason="red"),
    e.SubtaskAccepted(commit="c1", files_changed=1),
    e.SubtaskReady(),
]
_OF_THE_TASK: list[e.EventBody] = [
    e.TaskPaused(reason="wait"),
    e.TaskResumed(),
    e.MilestoneReached(phase=1, percent=100),
    e.TaskSubmitted(repository="/tree", base_commit="c0", branch="b", options={}),
]
#: Seconds since the event before (clocks go back at times), subtask (0: the task itself), epoch, and what is said.
_SAID = st.tuples(
    st.integers(-2, 9),
    st.integers(0, 2),
    st.integers(1, 2),
    st.one_of(_REPORTS, _REPORTS, _REPORTS, st.sampled_from(_WORKED)),
    st.sampled_from(_OF_THE_TASK),
)


class _Listener:
    """Asks for every report."""

    def apply(self, step: Step) -> None:
        """Take note of nothing."""

    def take(self, _: Recent) -> Iterable[Row]:
        """Give nothing: there is no table."""
        return ()


LISTENER = Projection(
    name="listener", version=1, table=SQLModel, fold=_Listener, events=frozenset({e.Progress})
)  # fmt: skip


def taken(course: Course) -> dict[str, list[Row]]:
    """Give the rows of the read models in an order of their own."""
    found = {one.projection: one for one in course.take() if one.projection != LISTENER.name}
    assert not any(one.error for one in found.values())
    return {name: sorted(one.rows, key=str) for name, one in found.items()}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(_SAID, min_size=1, max_size=30), looks=st.sets(st.integers(0, 30)))
def test_whoever_looks_finds_what_every_report_would_have_made(
    new_history: NewHistory, said: list[tuple[int, int, int, e.EventBody, e.EventBody]], looks: set[int]
) -> None:
    history = new_history("tree-1")
    history.submit()
    history.plan(1, 30.0, 60.0)
    for subtask in (1, 2):
        history.start(2, subtask)
    second = 2
    for seconds, subtask, epoch, of_a_worker, of_the_task in said:
        second += seconds
        if subtask:
            history.add(second, of_a_worker, subtask=subtask, epoch=epoch, worker=f"w{epoch}")
        else:
            history.add(second, of_the_task)
    lazy, eager = Course(ALL), Course((*ALL, LISTENER))
    for place, record in enumerate(history.recorded):
        # What comes first about a subtask after its task was begun anew cannot be taken in.
        assert bool(lazy.apply(record)) == bool(eager.apply(record))
        if place in looks:
            assert taken(lazy) == taken(eager)
    assert lazy.task == eager.task
    assert taken(lazy) == taken(eager)


def reported(history: History) -> dict[str, dict[str, Any]]:
    """Have w1 begin with a subtask and report twice; gives the row of each read model that has one."""
    history.plan(2, 30.0)
    history.start(10)
    history.add(14, e.Progress(completed=1, total=4, status="first"), subtask=1, epoch=1)
    history.add(20, e.Progress(completed=3, total=4, status="second"), subtask=1, epoch=1)
    course = Course(named(["efficiency", "progress", "subtask", "worker"]))
    for record in history.recorded:
        assert course.apply(record) == []
    return {one.projection: one.rows[0] for one in course.take()}


def test_the_last_report_is_the_last_that_was_heard(history: History) -> None:
    rows = reported(history)
    at, last = START + timedelta(seconds=20), len(history.events)
    subtask = rows["subtask"]
    assert (subtask["fraction"], subtask["note"], subtask["changed_at"], subtask["position"]) == (
        0.75, "second", at, last,
    )  # fmt: skip
    assert (rows["worker"]["last_seen_at"], rows["worker"]["position"]) == (at, last)
    assert (rows["progress"]["changed_at"], rows["progress"]["position"]) == (at, last)
    assert rows["progress"]["percent"] == 75.0
    assert rows["efficiency"]["wall_seconds"] == 20.0


def test_what_a_worker_said_before_it_was_lost_is_when_it_was_last_seen(history: History) -> None:
    reported(history)
    history.add(90, e.LeaseExpired(reason="not heard of for 60 s"), subtask=1, epoch=1)
    course = Course(named(["worker"]))
    for record in history.recorded:
        assert course.apply(record) == []
    [(_, [row], _)] = course.take()
    assert (row["last_seen_at"], row["lost"]) == (START + timedelta(seconds=20), 1)
    assert row["position"] == len(history.events)


def test_what_a_worker_says_after_a_report_is_its_last_word(history: History) -> None:
    reported(history)
    history.complete(25)
    course = Course(named(["progress", "subtask", "worker"]))
    for record in history.recorded:
        course.apply(record)
    rows, at, last = taken(course), START + timedelta(seconds=25), len(history.events)
    assert (rows["worker"][0]["last_seen_at"], rows["worker"][0]["position"]) == (at, last)
    assert (rows["subtask"][0]["changed_at"], rows["subtask"][0]["position"]) == (at, last)
    assert (rows["progress"][0]["changed_at"], rows["progress"][0]["position"]) == (at, last)


def test_a_report_under_another_epoch_is_not_the_holders_word(history: History) -> None:
    history.plan(2, 30.0)
    history.start(10)
    history.add(20, e.Progress(completed=1, total=4), subtask=1, epoch=2, worker="w2")
    course = Course(named(["worker"]))
    for record in history.recorded:
        course.apply(record)
    [row] = taken(course)["worker"]
    assert (row["worker_id"], row["last_seen_at"]) == ("w1", START + timedelta(seconds=10))


def test_an_event_of_the_task_is_seen_with_what_was_reported_before_it(history: History) -> None:
    seen: list[float] = []

    class Looking(_Listener):
        def apply(self, step: Step) -> None:
            seen.extend(subtask.fraction for subtask in step.task.subtasks.values())

    looking = Projection(
        name="looking", version=1, table=SQLModel, fold=Looking, events=frozenset({e.MilestoneReached})
    )
    reported(history)
    history.add(25, e.MilestoneReached(phase=1, percent=25))
    course = Course([looking])
    for record in history.recorded:
        course.apply(record)
    assert seen == [0.75]


def test_a_report_is_taken_once(history: History) -> None:
    history.plan(2, 30.0, 60.0)
    history.start(10, 1)
    history.start(11, 2)
    course = Course(named(["subtask", "worker"]))
    for second, subtask in ((14, 1), (15, 2)):
        history.add(second, e.Progress(completed=1, total=4), subtask=subtask, epoch=1, worker=f"w{subtask}")
        for record in history.recorded:
            course.apply(record)
        rows = taken(course)
    assert [row["subtask"] for row in rows["subtask"]] == [2]


def test_a_report_that_comes_after_rows_were_taken_changes_them_again(history: History) -> None:
    history.plan(2, 30.0)
    history.start(10)
    course = Course(named(["efficiency", "subtask"]))
    for record in history.recorded:
        course.apply(record)
    taken(course)
    history.add(14, e.Progress(completed=1, total=4), subtask=1, epoch=1)
    course.apply(history.recorded[-1])
    rows = taken(course)
    assert (rows["subtask"][0]["fraction"], rows["efficiency"][0]["wall_seconds"]) == (0.25, 14.0)
    assert taken(course) == {"efficiency": [], "subtask": []}


def test_what_a_report_says_of_costs_is_counted_with_each(history: History) -> None:
    history.plan(2, 30.0)
    history.start(10)
    for second, cost in ((14, 0.25), (20, 0.75)):
        body = e.Progress(completed=1, total=4, usage=e.Usage(cost=cost))
        history.add(second, body, subtask=1, epoch=1)
    history.add(25, e.Progress(completed=2, total=4), subtask=1, epoch=1)
    course = Course(named(["subtask", "worker"]))
    for record in history.recorded:
        course.apply(record)
    rows = taken(course)
    assert [rows[name][0]["cost"] for name in ("subtask", "worker")] == [0.75, 0.75]
