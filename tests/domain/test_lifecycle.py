"""The life of a subtask: claims, the fence of the lease epoch, attempts that fail, and what the events say."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain import events as e
from domain.errors import (
    AlreadyReportedError,
    BehindError,
    LifecycleError,
    NotClaimableError,
    NotReportedError,
    StaleLeaseError,
    UnknownSubtaskError,
)
from domain.evolution import fold
from domain.ids import StreamId, WorkerId
from domain.lifecycle import Command, Judge, Report, Review, decide, late
from domain.readiness import claimable, more_to_come, unclaimable_reason
from domain.task_state import ENDED, LIVE, AttemptNote, TaskState
from tests.domain.conftest import (
    LIMITS,
    QUESTION,
    START,
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
    reject,
    release,
    report,
    told,
)

# --- claims


def test_a_subtask_that_waits_for_nothing_can_be_claimed() -> None:
    story = told(claim())

    subtask = story.subtask()
    assert (subtask.status, subtask.epoch, subtask.worker_id, subtask.base_commit) == ("claimed", 1, "w1", "c0")


def test_a_subtask_is_handed_out_once() -> None:
    story = told(claim())

    with pytest.raises(NotClaimableError, match="#1 is claimed"):
        story.do(claim(worker="w2"))


def test_a_subtask_waits_for_those_it_depends_on() -> None:
    story = told(plans=[planned("a.py"), planned("b.py"), planned("c.py", after=[1, 2])])

    with pytest.raises(NotClaimableError, match="#3 waits for #1, #2"):
        story.do(claim(3))


def test_a_subtask_can_be_claimed_once_those_it_depends_on_are_accepted() -> None:
    story = told(claim(1), done(1), accept(1), plans=[planned("a.py"), planned("a.py", after=[1])])

    assert story.subtask(2).status == "ready"


def test_what_depends_on_a_held_subtask_does_not_wait_for_ever() -> None:
    given_up = report(failed(recoverable=False))

    story = told(claim(1), given_up, plans=[planned("a.py"), planned("a.py", after=[1])])

    assert story.subtask(1).status == "held"
    assert story.subtask(2).status == "ready"


def test_a_file_is_in_one_worker_s_hands_at_a_time() -> None:
    story = told(claim(1), plans=[planned("a.py", "b.py"), planned("b.py", "c.py"), planned("c.py")])

    with pytest.raises(NotClaimableError, match=r"#2 shares b\.py with #1, which w1 holds"):
        story.do(claim(2, "w2"))
    assert [subtask.id for subtask in claimable(story.state)] == [name(3)]


def test_a_file_is_free_again_when_its_holder_is_done() -> None:
    story = told(claim(1), done(1), accept(1), plans=[planned("a.py"), planned("a.py")])

    assert unclaimable_reason(story.state, story.subtask(2)) is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (e.TaskPaused(reason="interrupted"), "paused"),
        (e.TaskCompleted(summary="nothing is left"), "completed"),
        (e.TaskStalled(reason="nothing moves"), "stalled"),
        (e.TaskCancelled(reason="not wanted"), "cancelled"),
    ],
)
def test_a_task_that_is_not_running_hands_out_nothing(body: e.EventBody, status: str) -> None:
    story = told()
    story.say(body)

    assert claimable(story.state) == []
    with pytest.raises(NotClaimableError, match=f"{TASK} is {status}"):
        story.do(claim())


def test_a_task_that_is_resumed_hands_out_again() -> None:
    story = told()
    story.say(e.TaskPaused(reason="interrupted"))

    story.say(e.TaskResumed())

    assert [subtask.id for subtask in claimable(story.state)] == [name(1)]


def test_a_task_that_is_paused_still_hears_what_was_handed_out() -> None:
    story = told(claim())
    story.say(e.TaskPaused(reason="interrupted"))

    story.do(done())

    assert story.subtask().status == "reported"


def test_the_most_urgent_goes_first_and_of_equals_the_longest() -> None:
    plans = [planned("a.py", priority=1), planned("b.py", p50=10.0), planned("c.py", p50=20.0)]

    story = told(plans=plans)

    assert [subtask.id for subtask in claimable(story.state)] == [name(3), name(2), name(1)]


def test_a_request_that_comes_again_is_given_nothing_else_while_it_holds_what_it_was_given() -> None:
    request = UUID(int=7)
    asked = [msgspec.structs.replace(claim(number), request_id=request) for number in (1, 2)]
    story = told(asked[0], plans=[planned("a.py"), planned("b.py")])
    assert story.subtask(1).request_id == request

    with pytest.raises(NotClaimableError, match="the request was given #1 before"):
        story.do(asked[1])

    story.do(release(1))
    story.do(asked[1])
    assert story.subtask(2).status == "claimed"


# --- the fence


def test_the_holder_s_reports_count() -> None:
    story = told(
        claim(),
        report(e.Started()),
        report(e.Progress(completed=3, total=10, status="the third")),
        plans=[planned("a")],
    )

    subtask = story.subtask()
    assert (subtask.status, subtask.fraction, subtask.note) == ("running", 0.3, "the third")


def test_a_late_report_is_refused_and_told_who_holds_the_subtask_now() -> None:
    story = told(claim(worker="w1"), lose(epoch=1), claim(worker="w2"))

    with pytest.raises(StaleLeaseError, match="epoch 1 of #1 is over: it is held by w2 under epoch 2"):
        story.do(report(e.Completed(), epoch=1))


def test_a_report_after_the_end_is_refused() -> None:
    story = told(claim(), done(), accept())

    with pytest.raises(StaleLeaseError, match="epoch 1 of #1 is over: it is accepted and held by nobody"):
        story.do(report(e.Completed(), epoch=1))


@pytest.mark.parametrize("message", [e.Started(), e.Progress(completed=1, total=2), e.Completed(), failed()])
def test_a_report_by_another_than_the_holder_is_refused(message: e.WorkerMessage) -> None:
    story = told(claim(worker="w1"))

    with pytest.raises(StaleLeaseError, match="#1 is held by w1, not by w2"):
        story.do(report(message, worker="w2"))


@pytest.mark.parametrize(
    "command",
    [report(e.Started(), epoch=7), lose(epoch=7), release(epoch=7), accept(epoch=7), reject(epoch=7)],
)
def test_an_epoch_that_never_was_is_refused(command: Command) -> None:
    story = told(claim())

    with pytest.raises(StaleLeaseError, match="epoch 7 of #1 is over"):
        story.do(command)


def test_what_follows_is_said_in_the_name_of_the_holder() -> None:
    story = told(claim(worker="w9"))

    assert decide(story.state, lose(), LIMITS) == [(e.LeaseExpired(reason="killed"), name(1), 1, "w9")]


@pytest.mark.parametrize(
    "message", [e.Started(), e.Progress(completed=1, total=2), done().message, blocked().message]
)
def test_after_its_last_word_a_worker_says_nothing_but_that_it_failed(message: e.WorkerMessage) -> None:
    story = told(claim(), done())

    with pytest.raises(AlreadyReportedError, match="#1 is completed already and waits for its verdict"):
        story.do(report(message))
    story.do(report(failed()))
    assert story.subtask().failures == 1


def test_there_is_nothing_to_decide_about_a_subtask_that_is_not_there() -> None:
    with pytest.raises(UnknownSubtaskError, match=rf"there is no subtask {TASK}\.9"):
        told().do(claim(9))


# --- a worker that was lost is heard of again


@pytest.mark.parametrize("message", [e.Started(), e.Progress(completed=1, total=2), e.Blocked(issue=QUESTION)])
def test_a_lost_worker_that_speaks_has_its_subtask_again(message: e.WorkerMessage) -> None:
    story = told(claim(), report(e.Started()), lose())

    story.do(report(message))

    subtask = story.subtask()
    assert (subtask.worker_id, subtask.epoch, subtask.lost_worker, subtask.losses) == ("w1", 1, None, 1)
    assert subtask.status in LIVE


def test_a_lost_worker_s_result_counts_as_long_as_nobody_else_has_the_subtask() -> None:
    story = told(claim(), lose(), done(), accept())

    assert story.subtask().status == "accepted"


def test_a_lost_worker_s_result_is_late_once_somebody_else_has_a_file_of_it() -> None:
    story = told(claim(1), lose(1), claim(2, "w2"), plans=[planned("a.py"), planned("a.py", "b.py")])

    with pytest.raises(StaleLeaseError, match="epoch 1 of #1 is over: it is ready and held by nobody"):
        story.do(done(1))


def test_the_same_worker_under_its_next_lease_is_not_its_former_self() -> None:
    story = told(claim(), lose(), claim())

    with pytest.raises(StaleLeaseError, match="epoch 1 of #1 is over: it is held by w1 under epoch 2"):
        story.do(done(epoch=1))


@pytest.mark.parametrize(
    "end", [lose(coordinator_gone=True), lose(clock="progress"), lose(clock="deadline"), release(), report(failed())]
)
def test_only_who_was_not_heard_of_can_come_back(end: Command) -> None:
    story = told(claim(), report(e.Started()), end)

    with pytest.raises(StaleLeaseError, match="epoch 1 of #1 is over"):
        story.do(done())


def test_nobody_comes_back_to_a_subtask_that_is_held() -> None:
    story = told(claim(), lose(), claim(), lose(epoch=2))

    with pytest.raises(StaleLeaseError, match="it is held and held by nobody"):
        story.do(done(epoch=2))


def test_nobody_comes_back_to_a_task_that_is_over() -> None:
    story = told(claim(), lose())
    story.say(e.TaskCancelled(reason="not wanted"))

    with pytest.raises(StaleLeaseError, match="epoch 1 of #1 is over"):
        story.do(done())


def test_what_comes_too_late_is_kept_under_its_own_lease_and_changes_nothing() -> None:
    story = told(claim(worker="w1"), lose(), claim(worker="w2"))
    before = story.state

    [draft] = late(story.state, done(worker="w1"))
    story.store([draft])

    assert draft == (
        e.LateReported(message=e.Completed(), holder="it is held by w2 under epoch 2"), name(1), 1, "w1",
    )  # fmt: skip
    assert story.state == before


# --- how an attempt goes


def test_a_blocked_worker_says_by_what_and_goes_on() -> None:
    issue = e.ScopeClarification(question="Which one?")
    story = told(claim(), report(e.Blocked(issue=issue, context="in a.py")))
    assert (story.subtask().status, story.subtask().issue, story.subtask().note) == ("blocked", issue, "in a.py")

    story.do(report(e.Progress(completed=1, total=2)))

    assert (story.subtask().status, story.subtask().issue) == ("running", None)


def test_a_claim_to_be_done_is_not_the_end() -> None:
    story = told(claim(), report(e.Completed(summary="all of it")))

    subtask = story.subtask()
    assert (subtask.status, subtask.fraction, subtask.note) == ("reported", 0.99, "all of it")


@pytest.mark.parametrize("verdict", [accept(), reject()])
@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([], "claimed"),
        ([e.Started()], "running"),
        ([e.Blocked(issue=e.ScopeClarification(question="Which one?"))], "blocked"),
    ],
)
def test_there_is_no_verdict_on_work_that_nobody_says_is_done(
    verdict: Command, said: list[e.WorkerMessage], status: str
) -> None:
    story = told(claim(), *(report(message) for message in said))

    with pytest.raises(NotReportedError, match=f"#1 is {status}: there is no finished work to decide on"):
        story.do(verdict)


def test_accepted_work_moves_the_branch_on() -> None:
    story = told(claim(), report(e.Completed(summary="all of it")), accept(commit="c7"))

    subtask = story.subtask()
    assert (subtask.status, subtask.fraction, subtask.note, subtask.worker_id) == ("accepted", 1.0, "all of it", None)
    assert story.state.head == "c7"


def test_an_attempt_that_failed_can_be_repeated_and_leaves_a_note_for_the_next() -> None:
    story = told(claim(worker="w1"), report(failed("exit code 2")), claim(worker="w2"))

    subtask = story.subtask()
    assert (subtask.status, subtask.epoch, subtask.failures) == ("claimed", 2, 1)
    assert subtask.history == (AttemptNote(epoch=1, worker_id="w1", what="exit code 2"),)


def test_every_attempt_that_came_to_nothing_leaves_a_note() -> None:
    failures = (claim(), report(failed("one")), claim(), report(failed("two"), epoch=2))

    story = told(*failures, claim(), done(epoch=3), accept(epoch=3))

    assert [(note.epoch, note.what) for note in story.subtask().history] == [(1, "one"), (2, "two")]


def test_a_blocked_worker_that_gives_up_leaves_nothing_to_be_answered() -> None:
    story = told(claim(), blocked(), report(failed()))

    assert (story.subtask().status, story.subtask().issue, story.subtask().open_blockers) == ("ready", None, ())


def test_refused_work_counts_as_a_failed_attempt() -> None:
    story = told(claim(), report(e.Completed()), reject())

    subtask = story.subtask()
    assert (subtask.status, subtask.failures, subtask.losses) == ("ready", 1, 0)
    assert subtask.history[0].what == "scope: changed b.py"


def test_a_lost_worker_counts_apart() -> None:
    story = told(claim(), lose())

    assert (story.subtask().failures, story.subtask().losses) == (0, 1)


def test_handing_back_counts_as_neither() -> None:
    story = told(claim(), release())

    subtask = story.subtask()
    assert (subtask.status, subtask.failures, subtask.losses) == ("ready", 0, 0)
    assert subtask.history[0].what == "paused"


def test_what_keeps_failing_is_held_with_its_last_error() -> None:
    story = told(claim(), report(failed("one")), claim(), done(epoch=2), reject(epoch=2), claim())

    said = story.do(report(failed("three"), epoch=3))

    assert said == [failed("three"), e.SubtaskHeld(reason="failed 3 times, last: three")]
    assert story.subtask().status == "held"


def test_what_keeps_killing_its_workers_is_held() -> None:
    story = told(claim(), lose(), claim())

    said = story.do(lose(epoch=2))

    assert said == [e.LeaseExpired(reason="killed"), e.SubtaskHeld(reason="lost 2 workers, last: killed")]


def test_a_failure_that_cannot_be_mended_is_held_at_once() -> None:
    story = told(claim())

    said = story.do(report(failed("blocked: asks: Which one?", recoverable=False)))

    assert said[-1] == e.SubtaskHeld(reason="blocked: asks: Which one?")


def test_a_new_attempt_begins_from_nothing() -> None:
    story = told(claim(), report(e.Progress(completed=9, total=10)), report(failed()), claim())

    assert story.subtask().fraction == 0.0


def test_worked_time_is_from_the_first_word_to_the_last_over_all_attempts() -> None:
    # One event a second. The first attempt started, blocked, failed; the second started, completed.
    story = told(claim(), report(e.Started()), blocked(), report(failed()))
    assert story.subtask().worked_seconds == 2.0

    for command in (claim(), report(e.Started(), epoch=2), report(e.Completed(), epoch=2)):
        story.do(command)
    assert story.subtask().worked_seconds == 3.0


@pytest.mark.parametrize(
    "message",
    [
        e.Started(),
        e.Progress(completed=1, total=2),
        e.Blocked(issue=e.ScopeClarification(question="Which one?")),
    ],
)
def test_a_worker_has_begun_with_its_first_word_whichever_that_is(message: e.WorkerMessage) -> None:
    story = told(claim())
    assert story.subtask().started_at is None

    story.do(report(message))

    assert story.subtask().started_at == story.recorded[-1].event.occurred_at


def test_a_worker_that_says_again_that_it_starts_has_begun_no_later() -> None:
    story = told(claim(), report(e.Progress(completed=1, total=2)))
    begun = story.subtask().started_at

    story.do(report(e.Started()))

    assert begun is not None
    assert story.subtask().started_at == begun


def test_the_next_worker_s_beginning_is_its_own() -> None:
    story = told(claim(), report(e.Started()), report(failed()), claim())
    assert story.subtask().started_at is None

    story.do(report(e.Started(), epoch=2))

    assert story.subtask().started_at == story.recorded[-1].event.occurred_at


def test_the_time_of_gates_and_merge_is_not_the_worker_s() -> None:
    story = told(claim(), report(e.Started()), report(e.Completed()))
    for _ in range(10):
        story.say(e.GateEvaluated(gate="command", passed=True, score=1.0), name(1), 1, WorkerId("w1"))

    story.do(accept())

    assert story.subtask().worked_seconds == 1.0


def test_a_lost_worker_s_time_counts_up_to_its_last_word() -> None:
    story = told(claim(), report(e.Started()), report(e.Progress(completed=1, total=2)))
    for _ in range(10):
        story.say(e.TaskResumed())

    story.do(lose())

    assert story.subtask().worked_seconds == 1.0


def test_a_worker_lost_with_its_coordinator_is_told_apart() -> None:
    story = told(claim())

    said = story.do(lose(coordinator_gone=True))

    assert said == [e.LeaseExpired(reason="killed", coordinator_gone=True)]


def test_a_worker_lost_with_its_coordinator_is_not_counted_and_leaves_a_note() -> None:
    story = told(claim(), lose(coordinator_gone=True))

    subtask = story.subtask()
    assert (subtask.status, subtask.failures, subtask.losses) == ("ready", 0, 0)
    assert subtask.history == (AttemptNote(epoch=1, worker_id="w1", what="killed"),)


def test_coordinators_that_keep_dying_never_lead_to_a_held_subtask() -> None:
    # One more would be too many, if it counted.
    story = told(claim(), lose(epoch=1))

    for epoch in range(2, 7):
        story.do(claim())
        story.do(lose(epoch=epoch, coordinator_gone=True))

    assert (story.subtask().status, story.subtask().losses) == ("ready", 1)


def test_the_time_of_a_worker_lost_with_its_coordinator_counts_up_to_its_last_word() -> None:
    story = told(claim(), report(e.Started()), report(e.Progress(completed=1, total=2)))
    for _ in range(10):
        story.say(e.TaskResumed())

    story.do(lose(coordinator_gone=True))

    assert story.subtask().worked_seconds == 1.0


def test_a_worker_that_does_not_get_on_has_failed_and_was_not_lost() -> None:
    story = told(claim(), report(e.Started()), lose(clock="progress"), claim(), lose(epoch=2, clock="deadline"))

    assert (story.subtask().failures, story.subtask().losses) == (2, 0)
    assert story.do(claim()) != []
    assert story.do(lose(epoch=3, clock="deadline"))[-1] == e.SubtaskHeld(reason="failed 3 times, last: killed")


def test_the_time_of_a_worker_that_does_not_get_on_counts_to_the_end() -> None:
    story = told(claim(), report(e.Started()))
    story.wait(9)

    story.do(lose(clock="deadline"))

    assert story.subtask().worked_seconds == 10.0


def test_the_next_worker_is_told_what_the_last_one_found() -> None:
    story = told(claim(worker="w1"), report(failed("exit code 2")))

    said = story.do(claim(worker="w2"))

    assert said[1] == e.SubtaskReassigned(previous_worker="w1", previous_epoch=1, found="exit code 2")


def test_a_worker_that_tries_again_itself_is_told_nothing() -> None:
    story = told(claim(worker="w1"), report(failed("exit code 2")))

    assert story.do(claim(worker="w1")) == [e.SubtaskClaimed(base_commit="c0")]


def test_a_failed_subtask_rests_before_it_is_handed_out_again() -> None:
    limits = msgspec.structs.replace(LIMITS, backoff_seconds=10.0)
    story = told(claim(), limits=limits)

    [_, retry] = story.do(report(failed()))

    assert isinstance(retry, e.RetryScheduled)
    assert 5.0 <= retry.after_seconds <= 10.0
    assert story.subtask().status == "planned"
    with pytest.raises(NotClaimableError, match="#1 is tried again at 00:00:"):
        story.do(claim())
    story.wait(10)
    story.settle()
    assert story.subtask().status == "ready"


def test_what_is_handed_back_after_a_failure_does_not_rest_again() -> None:
    limits = msgspec.structs.replace(LIMITS, backoff_seconds=10.0)
    story = told(claim(), report(failed()), limits=limits)
    story.wait(10)
    story.settle()

    story.do(claim())
    story.do(release(epoch=2))

    assert story.subtask().status == "ready"


def test_work_that_nothing_is_held_against_is_taken_on_its_worker_s_word() -> None:
    story = told(claim(), limits=msgspec.structs.replace(LIMITS, trusts=True), tree=False)

    said = story.do(report(e.Completed(summary="all of it")))

    assert said[-1] == e.SubtaskAccepted(commit="", files_changed=0, summary="all of it")
    assert story.subtask().status == "accepted"


# --- verdicts


def gate(name_: str, *, passed: bool = True, blocking: bool = True) -> e.GateEvaluated:
    return e.GateEvaluated(gate=name_, passed=passed, score=float(passed), blocking=blocking, detail="2 failed")


def judge(*gates: e.GateEvaluated, commit: str = "c1", **how: object) -> Judge:
    return Judge(subtask_id=name(1), epoch=1, gates=gates, commit=commit, **how)


NEEDING_TESTS = msgspec.structs.replace(LIMITS, required_gates=("tests", "lint"))


def test_a_gate_that_does_not_block_refuses_nothing() -> None:
    story = told(claim(), done(), judge(gate("style", passed=False, blocking=False)))

    assert story.subtask().status == "accepted"


def test_work_waits_until_every_gate_that_it_needs_has_passed() -> None:
    story = told(claim(), done(), judge(gate("tests")), limits=NEEDING_TESTS)
    assert story.subtask().status == "reported"

    story.do(judge(gate("lint")))

    assert story.subtask().status == "accepted"


def test_a_needed_gate_that_does_not_block_has_not_passed_where_it_failed() -> None:
    story = told(claim(), done(), limits=NEEDING_TESTS)

    story.do(judge(gate("tests"), gate("lint", passed=False, blocking=False)))

    assert story.subtask().status == "reported"


def test_of_a_gate_that_is_evaluated_twice_the_last_word_counts() -> None:
    story = told(claim(), done(), judge(gate("tests")), limits=NEEDING_TESTS)

    story.do(judge(gate("tests", passed=False, blocking=False), gate("lint")))

    assert story.subtask().status == "reported"


def test_a_gate_that_passed_for_an_earlier_attempt_says_nothing_about_this_one() -> None:
    story = told(claim(), done(), judge(gate("tests")), release(), claim(), limits=NEEDING_TESTS)

    assert story.subtask().gates == {}


def test_work_on_another_head_has_to_be_merged_again() -> None:
    plans = [planned("a.py"), planned("b.py")]
    story = told(claim(1), claim(2, "w2"), done(1), done(2, worker="w2"), accept(1, commit="c1"), plans=plans)

    with pytest.raises(BehindError, match="the head is c1, not c0: merge again") as behind:
        story.do(Judge(subtask_id=name(2), epoch=1, commit="c2", head="c0"))
    assert behind.value.head == "c1"


def test_work_that_cannot_be_merged_is_handed_out_again_and_has_not_failed() -> None:
    story = told(claim(), done())

    said = story.do(judge(commit="", conflicts=("a.py",)))

    assert isinstance(said[-1], e.SubtaskReleased)
    assert (story.subtask().status, story.subtask().failures) == ("ready", 0)


# --- reviews


def review(reviewer: str, *, approve: bool = True, comment: str = "") -> Review:
    return Review(subtask_id=name(1), epoch=1, reviewer=reviewer, approve=approve, comment=comment)


TWO_REVIEWS = msgspec.structs.replace(LIMITS, reviews=2)


def test_work_waits_for_as_many_reviews_as_it_needs() -> None:
    story = told(claim(), done(), limits=TWO_REVIEWS)
    assert story.do(judge()) == [e.ReviewRequested(reviews=2, commit="c1")]

    story.do(review("w2"))
    assert (story.subtask().status, story.subtask().in_review) == ("reported", True)
    story.do(review("w3"))

    # Its worker merges, and asks for the verdict again.
    assert (story.subtask().status, story.subtask().in_review) == ("reported", False)
    story.do(judge())
    assert story.subtask().status == "accepted"


def test_without_a_tree_the_last_review_is_the_verdict() -> None:
    story = told(claim(), done(), judge(commit=""), review("w2"), review("w3"), limits=TWO_REVIEWS, tree=False)

    assert story.subtask().status == "accepted"


def test_a_reviewer_counts_once() -> None:
    story = told(claim(), done(), judge(commit=""), review("w2"), review("w2"), limits=TWO_REVIEWS, tree=False)

    assert (story.subtask().status, story.subtask().in_review) == ("reported", True)


def test_reviews_are_asked_for_once_however_often_the_worker_asks() -> None:
    story = told(claim(), done(), judge(), limits=TWO_REVIEWS)

    assert story.do(judge()) == []


def test_the_last_review_is_no_verdict_while_a_gate_is_missing() -> None:
    limits = msgspec.structs.replace(TWO_REVIEWS, required_gates=("tests",), reviews=1)
    story = told(claim(), done(), review("w2"), limits=limits, tree=False)
    assert story.subtask().status == "reported"

    story.do(judge(gate("tests"), commit=""))

    assert story.subtask().status == "accepted"


def test_work_that_a_reviewer_does_not_approve_has_failed() -> None:
    story = told(claim(), done(), judge(), limits=TWO_REVIEWS)

    said = story.do(review("w2", approve=False, comment="it only hides the warning"))

    assert said[1] == e.SubtaskRejected(gate="review", reason="w2: it only hides the warning")
    assert (story.subtask().status, story.subtask().failures, story.subtask().in_review) == ("ready", 1, False)


def test_an_approval_is_for_the_attempt_that_it_was_given() -> None:
    story = told(claim(), done(), judge(), review("w2"), report(failed()), claim(), limits=TWO_REVIEWS)

    assert (story.subtask().reviews, story.subtask().in_review) == ({}, False)


def test_there_is_no_review_of_work_that_nobody_says_is_done() -> None:
    with pytest.raises(NotReportedError, match="#1 is claimed"):
        told(claim()).do(review("w2"))


# --- the task


def test_there_is_no_task_without_events() -> None:
    assert fold([]) is None


def test_a_task_begins_with_its_submission() -> None:
    story = Story()

    assert story.state == TaskState(
        id=TASK,
        submitted=e.TaskSubmitted(repository="/src/boto", base_commit="c0", branch="pw/boto", options={}),
        submitted_at=START,
        phase=1,
        head="c0",
    )


def test_any_other_first_event_is_an_error() -> None:
    story = Story()

    with pytest.raises(ValueError, match=f"the first event of {TASK} is PhaseStarted"):
        fold(story.recorded[1:])


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (e.TaskCompleted(summary="nothing is left"), "completed", "nothing is left"),
        (e.TaskStalled(reason="nothing moves"), "stalled", "nothing moves"),
        (e.TaskCancelled(reason="not wanted"), "cancelled", "not wanted"),
    ],
)
def test_a_task_ends_with_a_reason(body: e.EventBody, status: str, reason: str) -> None:
    story = Story()
    story.say(body)

    state = story.state
    assert (state.status, state.reason, state.ended_at) == (status, reason, START + timedelta(seconds=2))


def test_a_paused_task_can_be_resumed() -> None:
    story = Story()

    story.say(e.TaskPaused(reason="interrupted"))
    assert (story.state.status, story.state.reason) == ("paused", "interrupted")

    story.say(e.TaskResumed())
    assert (story.state.status, story.state.reason) == ("running", "")


def test_a_stalled_task_that_is_taken_up_again_has_not_ended() -> None:
    story = Story()
    story.say(e.TaskStalled(reason="nothing moves"))

    story.say(e.TaskResumed())

    assert (story.state.status, story.state.reason, story.state.ended_at) == ("running", "", None)


def test_only_the_present_phase_s_subtasks_are_handed_out() -> None:
    story = told(plans=[planned("a.py")])
    story.say(e.PhaseStarted(phase=2, name="round 2"))
    story.say(msgspec.structs.replace(planned("a.py"), phase=2), name(2))
    story.settle()

    assert [subtask.id for subtask in story.state.in_phase()] == [name(2)]
    assert [subtask.id for subtask in claimable(story.state)] == [name(2)]


def test_a_phase_is_over_when_each_subtask_is_accepted_or_held() -> None:
    story = told(claim(1), done(1), accept(1), claim(2), plans=[planned("a.py"), planned("b.py")])
    assert more_to_come(story.state)

    story.do(report(failed(recoverable=False), 2))

    assert not more_to_come(story.state)


def test_a_phase_reaches_its_milestones_anew() -> None:
    story = Story()
    story.say(e.MilestoneReached(phase=1, percent=100))
    assert story.state.milestone == 100

    story.say(e.PhaseStarted(phase=2, name="round 2"))

    assert story.state.milestone == 0


def test_gates_are_noted_and_change_nothing_else() -> None:
    story = told(claim())
    before = story.subtask()

    story.say(e.GateEvaluated(gate="scope", passed=False, score=0.0), name(1), 1, WorkerId("w1"))

    assert story.subtask() == msgspec.structs.replace(before, gates={"scope": False})


# --- any course that events can take

PLANS = (
    planned("a.py", "b.py"),
    planned("b.py", "c.py"),
    planned("d.py"),
    planned("a.py", after=[1, 2]),
    planned("e.py", after=[3]),
)
numbers = st.integers(1, len(PLANS))
# Mostly the present epoch, else one before or after it.
epochs_off = st.sampled_from([0, 0, 0, 0, -1, -2, 1])


class AnyCourse(RuleBasedStateMachine):
    """Commands in any order, beside a model that keeps nothing but who holds what and how often it went wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story(*PLANS)
        self.epochs = dict.fromkeys(range(1, len(PLANS) + 1), 0)
        self.failures = dict.fromkeys(self.epochs, 0)
        self.losses = dict.fromkeys(self.epochs, 0)
        self.holders: dict[int, str] = {}
        #: Who was not heard of, and may come back.
        self.missed: dict[int, str] = {}
        self.asking: set[int] = set()
        self.reported: set[int] = set()
        self.accepted: set[int] = set()
        self.held: set[int] = set()

    def is_taken(self, number: int) -> bool:
        taken = {path for other in self.holders if other != number for path in PLANS[other - 1].scope.files}
        return not taken.isdisjoint(PLANS[number - 1].scope.files)

    def free(self, number: int) -> bool:
        """Tell by the model whether the subtask can be claimed."""
        plan, over = PLANS[number - 1], self.accepted | self.held
        return (
            number not in over
            and number not in self.holders
            and all(earlier in over for earlier in range(1, len(PLANS) + 1) if name(earlier) in plan.depends_on)
            and not self.is_taken(number)
        )

    def holder(self, number: int) -> str:
        return self.holders.get(number) or self.missed.get(number, "w1")

    def comes_back(self, command: Command, number: int) -> bool:
        """Tell by the model whether a lost worker has its subtask again with this word."""
        own = isinstance(command, Report) and self.missed.get(number) == command.worker_id
        return own and not self.is_taken(number)

    def refusal(self, command: Command, number: int, epoch: int) -> type[LifecycleError] | None:
        """Tell by the model why a command is refused."""
        stranger = isinstance(command, Report) and command.worker_id != self.holder(number)
        if epoch != self.epochs[number] or stranger:
            return StaleLeaseError
        if number not in self.holders:
            return None if self.comes_back(command, number) else StaleLeaseError
        if isinstance(command, Judge) and number not in self.reported:
            return NotReportedError
        last_word = isinstance(command, Report) and isinstance(command.message, e.Failed)
        if isinstance(command, Report) and number in self.reported and not last_word:
            return AlreadyReportedError
        return None

    def done_under_lease(self, command: Command, number: int, epoch: int) -> bool:
        """Do the command; tell whether it counted, and see to it that a refused one changes nothing."""
        if (refusal := self.refusal(command, number, epoch)) is None:
            self.story.do(command)
            if isinstance(command, Report):
                self.holders[number] = command.worker_id
                self.missed.pop(number, None)
            return True
        before = self.story.state
        with pytest.raises(refusal):
            self.story.do(command)
        assert self.story.state == before
        return False

    def let_go(self, number: int) -> None:
        del self.holders[number]
        self.reported.discard(number)
        self.asking.discard(number)

    @rule(number=numbers, worker=st.sampled_from(["w1", "w2", "w3"]))
    def claim(self, number: int, worker: str) -> None:
        if self.free(number):
            self.story.do(claim(number, worker))
            self.epochs[number] += 1
            self.holders[number] = worker
            self.missed.pop(number, None)
        else:
            before = self.story.state
            with pytest.raises(NotClaimableError):
                self.story.do(claim(number, worker))
            assert self.story.state == before

    @rule(
        number=numbers,
        off=epochs_off,
        # Mostly the holder, else whoever that is.
        worker=st.sampled_from([None, None, None, "w1", "w2"]),
        message=st.sampled_from(
            [e.Started(), e.Progress(completed=1, total=4), e.Blocked(issue=QUESTION), e.Completed(summary="done")]
        ),
    )
    def report(self, number: int, off: int, worker: str | None, message: e.WorkerMessage) -> None:
        epoch = self.epochs[number] + off
        command = report(message, number, epoch=epoch, worker=worker or self.holder(number))
        if self.done_under_lease(command, number, epoch):
            self.asking.discard(number)
            if isinstance(message, e.Completed):
                self.reported.add(number)
            elif isinstance(message, e.Blocked):
                self.asking.add(number)

    @rule(number=numbers)
    def finish(self, number: int) -> None:
        epoch = self.epochs[number]
        if self.done_under_lease(done(number, epoch=epoch, worker=self.holder(number)), number, epoch):
            self.asking.discard(number)
            self.reported.add(number)

    @rule(number=numbers, off=epochs_off, refused=st.booleans())
    def fail(self, number: int, off: int, refused: bool) -> None:
        epoch = self.epochs[number] + off
        own = report(failed(), number, epoch=epoch, worker=self.holder(number))
        command = reject(number, epoch=epoch) if refused else own
        if self.done_under_lease(command, number, epoch):
            self.count_failure(number)

    def count_failure(self, number: int) -> None:
        self.let_go(number)
        self.failures[number] += 1
        if self.failures[number] == LIMITS.attempts_max:
            self.held.add(number)

    @rule(number=numbers, off=epochs_off, coordinator_gone=st.booleans())
    def lose(self, number: int, off: int, coordinator_gone: bool) -> None:
        epoch = self.epochs[number] + off
        command = lose(number, epoch=epoch, coordinator_gone=coordinator_gone)
        if self.done_under_lease(command, number, epoch):
            self.losses[number] += not coordinator_gone
            if self.losses[number] >= LIMITS.losses_max and not coordinator_gone:
                self.held.add(number)
            elif not coordinator_gone:
                self.missed[number] = self.holders[number]
            self.let_go(number)

    @rule(number=numbers, off=epochs_off, clock=st.sampled_from(["progress", "deadline"]))
    def run_out(self, number: int, off: int, clock: e.LeaseClock) -> None:
        epoch = self.epochs[number] + off
        if self.done_under_lease(lose(number, epoch=epoch, clock=clock), number, epoch):
            self.count_failure(number)

    @rule(number=numbers, off=epochs_off)
    def release(self, number: int, off: int) -> None:
        epoch = self.epochs[number] + off
        if self.done_under_lease(release(number, epoch=epoch), number, epoch):
            if number in self.asking:
                # Nobody is there to answer.
                self.held.add(number)
            self.let_go(number)

    @rule(number=numbers, off=epochs_off)
    def accept(self, number: int, off: int) -> None:
        epoch = self.epochs[number] + off
        if self.done_under_lease(accept(number, epoch=epoch), number, epoch):
            self.let_go(number)
            self.accepted.add(number)

    @invariant()
    def epochs_and_counts_are_the_model_s(self) -> None:
        for number in self.epochs:
            subtask = self.story.subtask(number)
            assert subtask.epoch == self.epochs[number]
            assert (subtask.failures, subtask.losses) == (self.failures[number], self.losses[number])

    @invariant()
    def holders_are_the_model_s_and_no_file_has_two(self) -> None:
        live = [subtask for subtask in self.story.state.subtasks.values() if subtask.status in LIVE]
        files = [path for subtask in live for path in subtask.plan.scope.files]

        assert {subtask.id: subtask.worker_id for subtask in live} == {
            name(number): worker for number, worker in self.holders.items()
        }
        assert len(files) == len(set(files))

    @invariant()
    def what_can_be_claimed_is_the_model_s_and_nothing_that_has_ended(self) -> None:
        state = self.story.state
        ready = {subtask.id for subtask in claimable(state)}

        assert ready == {name(number) for number in self.epochs if self.free(number)}
        assert ready.isdisjoint(subtask.id for subtask in state.subtasks.values() if subtask.status in ENDED)
        assert {subtask.id for subtask in state.subtasks.values() if subtask.status == "held"} == {
            name(number) for number in self.held
        }

    @invariant()
    def who_waits_for_a_verdict_or_an_answer_is_the_model_s(self) -> None:
        subtasks = {number: self.story.subtask(number) for number in self.epochs}
        assert {number for number, subtask in subtasks.items() if subtask.status == "reported"} == self.reported
        assert {number for number, subtask in subtasks.items() if subtask.status == "blocked"} == self.asking
        assert {number for number, subtask in subtasks.items() if subtask.open_blockers} == self.asking

    @invariant()
    def the_events_alone_give_the_same_state(self) -> None:
        assert fold(self.story.recorded) == self.story.state

    @invariant()
    def epochs_rise_by_one_with_each_claim(self) -> None:
        for number in self.epochs:
            claims = [
                record.event.lease_epoch
                for record in self.story.recorded
                if record.event.stream_id == StreamId(name(number))
                and isinstance(record.event.body, e.SubtaskClaimed)
            ]
            assert claims == list(range(1, len(claims) + 1))


AnyCourse.TestCase.settings = settings(deadline=None, max_examples=30, stateful_step_count=40)
TestAnyCourse = AnyCourse.TestCase
