"""What the events say of a task: costs, gates, reviews, blockers, and what changes nothing."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from domain import events as e
from domain.ids import WorkerId
from domain.task_state import SubtaskState
from tests.domain.conftest import LIMITS, blocked, claim, done, failed, lose, name, release, report, told


def costing(message: e.WorkerMessage, dollars: float | None) -> e.WorkerMessage:
    return msgspec.structs.replace(message, usage=e.Usage(model="m", cost=dollars))


WORKING = e.Progress(completed=1, total=2)


# --- what attempts cost


def test_a_worker_says_what_its_attempt_has_cost_since_it_began() -> None:
    story = told(claim(), report(costing(WORKING, 0.5)), report(costing(WORKING, 0.75)))

    assert story.state.cost == 0.75


def test_the_attempts_of_a_subtask_are_added() -> None:
    story = told(claim(), report(costing(failed(), 0.5)), claim(), report(costing(e.Completed(), 0.25), epoch=2))

    assert story.state.cost == 0.75


@pytest.mark.parametrize("usage", [None, e.Usage(), e.Usage(tokens_in=5)])
def test_what_is_not_said_is_unknown_and_changes_nothing(usage: e.Usage | None) -> None:
    story = told(claim(), report(costing(WORKING, 0.5)))

    story.do(report(msgspec.structs.replace(WORKING, usage=usage)))

    assert story.state.cost == 0.5


# --- attempts


def test_a_claim_begins_from_nothing() -> None:
    story = told(
        claim(), report(costing(WORKING, 0.5)), blocked(), report(WORKING), done(), lose(), claim(worker="w2")
    )

    subtask = story.subtask()
    assert subtask.claimed_at == story.now
    assert (subtask.last_worker, subtask.lost_worker, subtask.attempt_cost, subtask.idle_seconds) == (
        "w2",
        None,
        0.0,
        0.0,
    )
    assert (subtask.started_at, subtask.heard_at, subtask.moved_at, subtask.reviewed_at) == (None, None, None, None)


def test_a_lost_worker_is_remembered_until_somebody_has_the_subtask() -> None:
    assert told(claim(), lose()).subtask().lost_worker == "w1"
    assert told(claim(), lose(), claim(worker="w2")).subtask().lost_worker is None


def test_who_comes_back_may_be_lost_again() -> None:
    limits = msgspec.structs.replace(LIMITS, losses_max=3)
    story = told(claim(), lose(), report(WORKING), lose(), limits=limits)

    assert (story.subtask().losses, story.subtask().lost_worker, story.subtask().epoch) == (2, "w1", 1)


def test_time_in_which_a_worker_was_taken_for_lost_is_not_worked_time() -> None:
    story = told(claim(), report(e.Started()), report(WORKING))
    story.wait(100)
    story.do(lose())
    story.wait(100)

    story.do(report(WORKING))
    story.do(done())

    # From its start to its last word before, and from its return to its end.
    assert story.subtask().worked_seconds == 2.0


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    story = told(claim(), report(e.Started()))
    story.now -= timedelta(seconds=50)

    story.do(report(failed()))

    assert story.subtask().worked_seconds == 0.0


def test_a_retry_that_was_put_off_is_forgotten_with_the_next_attempt_s_end() -> None:
    limits = msgspec.structs.replace(LIMITS, backoff_seconds=10.0)
    story = told(claim(), report(failed()), limits=limits)
    story.wait(10)
    story.settle()
    for command in (claim(), release(epoch=2)):
        story.do(command)

    assert story.subtask().not_before is None


# --- what changes nothing


def test_a_late_report_changes_nothing_whatever_it_says() -> None:
    story = told(claim(), lose(), claim(worker="w2"))
    before = story.state

    for message in (e.Started(), costing(WORKING, 9.0), e.Completed(), failed(recoverable=False)):
        story.say(e.LateReported(message=message, holder="it is held by w2"), name(1), 1, WorkerId("w1"))

    assert story.state == before


@pytest.mark.parametrize(
    "body",
    [
        e.SubtaskReassigned(previous_worker="w0", previous_epoch=0),
        e.BlockerAnswered(number=7, text="to nobody"),
        # Nobody has said what blocks.
        e.BlockerOpened(number=1, policy="ask", detail="which?"),
    ],
    ids=lambda body: type(body).__name__,
)
def test_what_has_no_bearing_on_the_state_leaves_it(body: e.EventBody) -> None:
    story = told(claim(), report(e.Started()))
    before = story.state

    story.say(body, name(1), 1, WorkerId("w1"))

    assert story.state == before


def test_the_state_of_before_is_never_changed() -> None:
    story = told(claim(), blocked())
    before = story.state
    copy = msgspec.structs.replace(before, subtasks=dict(before.subtasks))

    story.do(report(WORKING))

    assert before == copy
    assert before != story.state


def test_what_was_split_knows_its_parts_and_has_no_worker() -> None:
    story = told(claim())
    story.say(e.SubtaskSplit(into=(name(2), name(3)), reason="too large"), name(1), 1, WorkerId("w1"))

    subtask: SubtaskState = story.subtask()
    assert (subtask.status, subtask.split_into, subtask.worker_id) == ("split", (name(2), name(3)), None)
    assert subtask.ended_at == story.now
