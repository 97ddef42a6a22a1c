"""What can be handed out, and what follows by itself when others come to an end."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from domain import events as e
from domain.lifecycle import Answer
from domain.readiness import (
    claimable,
    closing,
    held_files,
    milestones,
    newly_ready,
    over_budget,
    unclaimable_reason,
    waits_that_are_over,
)
from tests.domain.conftest import (
    LIMITS,
    TASK,
    Story,
    accept,
    blocked,
    claim,
    done,
    failed,
    lose,
    name,
    planned,
    release,
    report,
    told,
)

PARKING = msgspec.structs.replace(LIMITS, parks=True)
THREE = [planned("a.py"), planned("b.py"), planned("c.py", "d.py", p50=120.0)]


def finished(*numbers: int, plans: list[e.SubtaskPlanned] | None = None) -> Story:
    story = Story(*(plans or THREE))
    for number in numbers:
        for command in (claim(number), done(number), accept(number)):
            story.do(command)
    return story


def given_up(story: Story, number: int) -> Story:
    story.do(claim(number))
    story.do(report(failed("no way", recoverable=False), number))
    return story


# --- what becomes ready


def unsettled(*plans: e.SubtaskPlanned) -> Story:
    """A story whose last plans nobody has looked at yet."""
    story = Story()
    story.store([(plan, name(number), None, None) for number, plan in enumerate(plans, 1)])
    return story


def test_what_waits_for_nothing_is_ready() -> None:
    story = unsettled(planned("a.py"), planned("b.py", after=[1]))

    assert newly_ready(story.state) == [name(1)]
    assert unclaimable_reason(story.state, story.subtask(1)) == "#1 is not ready yet"


@pytest.mark.parametrize(
    "body",
    [e.TaskCancelled(reason="x"), e.TaskStalled(reason="x"), e.TaskCompleted()],
    ids=lambda body: body.__class__.__name__,
)
def test_in_a_task_that_is_over_nothing_becomes_ready(body: e.EventBody) -> None:
    story = unsettled(planned("a.py"))
    story.store([(body, TASK, None, None)])
    assert newly_ready(story.state) == []

    story.store([(e.TaskResumed(), TASK, None, None)])

    assert newly_ready(story.state) == [name(1)]


def test_what_has_an_open_question_is_not_ready() -> None:
    story = told(claim(), blocked(), lose(), limits=PARKING)

    assert newly_ready(story.state, story.now + timedelta(days=1)) == []


def test_what_rests_is_ready_when_its_time_has_come_and_not_before() -> None:
    story = told(claim(), report(failed()), limits=msgspec.structs.replace(LIMITS, backoff_seconds=10.0))
    rested_at = story.subtask().not_before
    assert rested_at is not None

    assert newly_ready(story.state) == []
    assert newly_ready(story.state, rested_at - timedelta(microseconds=1)) == []
    assert newly_ready(story.state, rested_at) == [name(1)]


def test_what_can_be_handed_out_is_every_reason_s_absence() -> None:
    story = told(claim(1), plans=[planned("a.py"), planned("a.py"), planned("b.py"), planned("c.py", after=[1])])

    free = [subtask.id for subtask in story.state.subtasks.values() if not unclaimable_reason(story.state, subtask)]

    assert free == [name(3)] == [subtask.id for subtask in claimable(story.state)]


def test_only_live_subtasks_hold_files() -> None:
    story = told(claim(1), claim(2), claim(3), done(2), accept(2), release(3), plans=THREE)

    assert held_files(story.state.subtasks.values()) == {"a.py"}


# --- waits


def test_a_wait_is_over_when_what_was_waited_for_has_ended_and_not_before() -> None:
    issue = e.DependencyWait(required_worker="w2", resource="#2")
    story = told(claim(1), claim(2, "w2"), blocked(1, issue), done(2, worker="w2"), plans=THREE)
    assert waits_that_are_over(story.state) == []

    accepted = e.SubtaskAccepted(commit="c1", files_changed=1, summary="renamed")
    story.store([(accepted, name(2), 1, None)])

    [(waiting, answered)] = waits_that_are_over(story.state)
    assert (waiting, answered.number, answered.by) == (name(1), 1, "service")
    assert answered.text == "#2 is accepted: renamed; the head is c1"


# --- milestones


def test_each_quarter_of_the_weight_is_reached_once() -> None:
    story = finished(1)
    assert [one.percent for one in milestones(story.state)] == [25]

    story.say(e.MilestoneReached(phase=1, percent=25))
    assert milestones(story.state) == []


def test_several_quarters_may_be_reached_at_once() -> None:
    assert [one.percent for one in milestones(finished(3).state)] == [25, 50]


def test_what_was_split_weighs_as_its_parts() -> None:
    story = told(claim(3), blocked(3), plans=THREE)
    story.do(Answer(subtask_id=name(3), text="", by="ann", action="split"))
    for number in (1, 2):
        for command in (claim(number), done(number), accept(number)):
            story.do(command)

    assert [one.percent for one in milestones(story.state)][-1] >= 50


# --- the end of what nobody looks at again


def test_a_task_is_completed_when_everything_is_accepted() -> None:
    assert closing(finished(1, 2).state) == []

    [ending] = closing(finished(1, 2, 3).state)

    assert ending == e.TaskCompleted(summary="3 subtasks accepted; nobody has looked at the tree again")


def test_a_task_of_which_something_is_held_has_stalled_with_the_reason() -> None:
    [ending] = closing(given_up(finished(1, 2), 3).state)

    assert ending == e.TaskStalled(reason="1 of 3 subtasks are held: #3 no way")


def test_a_task_with_parked_work_is_not_at_its_end() -> None:
    story = told(claim(), blocked(), release(), limits=PARKING)

    assert story.subtask().status == "parked"
    assert closing(story.state) == []


@pytest.mark.parametrize("body", [e.TaskPaused(reason="x"), e.TaskCancelled(reason="x"), e.TaskStalled(reason="x")])
def test_only_a_running_task_comes_to_its_end(body: e.EventBody) -> None:
    story = finished(1, 2, 3)
    story.say(body)

    assert closing(story.state) == []


def test_a_task_that_was_not_planned_yet_is_not_at_its_end() -> None:
    story = Story()
    state = msgspec.structs.replace(story.state, phase=0)

    assert closing(state) == []


# --- what it may cost


def costing(dollars: float) -> Story:
    story = told(claim())
    story.do(report(e.Progress(completed=1, total=2, usage=e.Usage(cost=dollars))))
    return story


def test_a_task_that_has_used_up_its_money_is_paused() -> None:
    assert over_budget(costing(1.99).state, 2.0) == []
    assert over_budget(costing(2.0).state, 2.0) == [
        e.TaskPaused(reason="the workers have cost $2.00, and may cost $2.00", cost=2.0)
    ]


def test_what_is_not_limited_may_cost_anything() -> None:
    assert over_budget(costing(1e6).state, None) == []


def test_a_task_that_is_paused_already_is_not_paused_again() -> None:
    story = costing(5.0)
    story.say(e.TaskPaused(reason="too dear"))

    assert over_budget(story.state, 2.0) == []


def test_whoever_lets_it_go_on_grants_as_much_again() -> None:
    story = costing(5.0)
    story.store([(body, TASK, None, None) for body in over_budget(story.state, 2.0)])
    story.say(e.TaskResumed(reason="it is worth it"))
    assert over_budget(story.state, 2.0) == []

    story.do(report(e.Progress(completed=2, total=2, usage=e.Usage(cost=7.0))))

    [paused] = over_budget(story.state, 2.0)
    assert paused == e.TaskPaused(reason="the workers have cost $7.00, and may cost $7.00", cost=7.0)


@pytest.mark.parametrize("before", [(), (e.TaskPaused(reason="over lunch"),)], ids=["taken up", "paused"])
def test_whoever_resumes_a_task_that_was_not_too_dear_grants_nothing(before: tuple[e.EventBody, ...]) -> None:
    story = costing(5.0)
    for body in (*before, e.TaskResumed()):
        story.say(body)

    assert over_budget(story.state, 2.0) != []
