"""When a lease is over, and by which of its clocks."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.lease_clocks import Expiry, LeaseTimes, Outage, deadline, expiry
from domain.lifecycle import Answer, Command, Judge, Review
from tests.domain.conftest import (
    LIMITS,
    Story,
    accept,
    blocked,
    claim,
    done,
    lose,
    name,
    planned,
    release,
    report,
    told,
)

LAW = settings(deadline=None, max_examples=150)
TIMES = LeaseTimes(offer=30.0, silence=60.0, progress=200.0, progress_share=0.5)
#: A budget of 1000 s: the clock of progress runs 500 s.
PLAN = planned("a.py", time_budget_seconds=1000.0)
STARTED, PROGRESS = report(e.Started()), report(e.Progress(completed=1, total=2))
ANSWER = Answer(subtask_id=name(1), text="the first", by="ann")


def going(*commands: Command, **how: object) -> Story:
    return told(claim(), *commands, plans=[PLAN], **how)


def over(story: Story, heard: float | None = None, *outages: Outage, times: LeaseTimes = TIMES) -> tuple[float, str]:
    """Tell after how many seconds from now, and by which clock; heard of so many seconds from now."""
    heard_at = None if heard is None else story.now + timedelta(seconds=heard)
    found = expiry(story.subtask(), heard_at, times, outages)
    assert found is not None
    return (found.at - story.now).total_seconds(), found.clock


def gap(story: Story, began: float, ended: float) -> Outage:
    """An outage, in seconds from now."""
    return story.now + timedelta(seconds=began), story.now + timedelta(seconds=ended)


# --- the offer


def test_a_worker_that_does_not_start_loses_its_offer() -> None:
    assert over(going()) == (30.0, "offer")


def test_signs_of_life_do_not_make_an_offer_longer() -> None:
    assert over(going(), heard=20.0) == (30.0, "offer")


@pytest.mark.parametrize("word", [STARTED, PROGRESS], ids=["started", "progress"])
def test_with_its_first_word_a_worker_has_accepted(word: Command) -> None:
    assert over(going(word)) == (60.0, "heartbeat")


# --- a sign of life


def test_each_sign_of_life_and_each_message_counts() -> None:
    story = going(STARTED)
    story.wait(40)
    assert over(story) == (20.0, "heartbeat")
    assert over(story, heard=-5.0) == (55.0, "heartbeat")

    story.do(PROGRESS)

    assert over(story) == (60.0, "heartbeat")


def test_what_was_heard_by_our_own_clock_counts_before_what_a_worker_s_clock_says() -> None:
    story = going(STARTED)
    story.wait(40)
    story.do(PROGRESS)

    assert over(story, heard=-5.0) == (55.0, "heartbeat")


def test_a_blocked_worker_has_to_be_alive() -> None:
    assert over(going(STARTED, blocked())) == (60.0, "heartbeat")


def test_who_has_said_to_be_done_has_to_be_alive() -> None:
    story = going(STARTED)
    story.wait(50)
    story.do(done())

    assert over(story) == (60.0, "heartbeat")


# --- progress


def test_a_worker_that_is_alive_and_does_not_move_is_over_after_a_share_of_its_budget() -> None:
    assert over(going(STARTED), heard=450.0) == (500.0, "progress")


def test_the_clock_of_progress_runs_for_a_least_time_however_small_the_budget() -> None:
    slow = msgspec.structs.replace(TIMES, progress=800.0)

    assert over(going(STARTED), heard=790.0, times=slow) == (800.0, "progress")


def test_progress_begins_the_clock_anew() -> None:
    story = going(STARTED)
    story.wait(400)
    story.do(PROGRESS)

    assert over(story, heard=450.0) == (500.0, "progress")


def test_who_waits_for_an_answer_or_a_verdict_has_not_to_move() -> None:
    for story in (going(STARTED, blocked()), going(STARTED, done())):
        assert over(story, heard=5000.0) == (5060.0, "heartbeat")


def test_after_its_answer_the_clock_of_progress_begins_anew() -> None:
    story = going(STARTED, blocked())
    story.wait(450)
    story.do(ANSWER)

    assert over(story, heard=480.0) == (500.0, "progress")


# --- the deadline


def test_a_worker_that_moves_has_its_budget_and_no_longer() -> None:
    story = going(STARTED)
    for _ in range(3):
        story.wait(299)
        story.do(PROGRESS)

    assert over(story, heard=90.0) == (100.0, "deadline")


def test_a_deadline_counts_from_the_first_word() -> None:
    story = going()
    assert deadline(story.subtask(), ()) is None
    story.wait(20)

    story.do(STARTED)

    assert deadline(story.subtask(), ()) == story.now + timedelta(seconds=1000)


def test_time_that_was_granted_moves_the_deadline() -> None:
    story = going(STARTED, blocked(issue=e.ComplexityExceeded(estimated_additional_time=400.0)))

    assert deadline(story.subtask(), ()) == story.now + timedelta(seconds=1399)


def test_time_in_which_a_worker_was_blocked_is_none_of_its_active_time() -> None:
    story = going(STARTED, blocked())
    assert deadline(story.subtask(), ()) is None
    story.wait(5000)

    story.do(ANSWER)

    assert deadline(story.subtask(), ()) == story.now + timedelta(seconds=999)


def test_each_time_that_it_was_blocked_counts_once() -> None:
    story = going(STARTED)
    for _ in range(3):
        story.do(blocked())
        story.wait(9)
        # Asked again while it is blocked.
        story.do(blocked())
        story.wait(9)
        story.do(PROGRESS)

    # Three times 20 s blocked, and a second before each.
    assert story.subtask().idle_seconds == 60.0
    assert deadline(story.subtask(), ()) == story.now + timedelta(seconds=997)


def test_the_next_attempt_has_a_budget_of_its_own() -> None:
    story = going(STARTED, blocked(), ANSWER, lose(clock="deadline"), claim(), report(e.Started(), epoch=2))

    assert deadline(story.subtask(), ()) == story.now + timedelta(seconds=1000)


def test_who_comes_back_has_a_budget_from_then_on() -> None:
    story = going(STARTED, blocked(), ANSWER, lose())
    story.wait(5000)

    story.do(PROGRESS)

    assert deadline(story.subtask(), ()) == story.now + timedelta(seconds=1000)


# --- reviews


def asked_for_review(*commands: Command) -> Story:
    limits = msgspec.structs.replace(LIMITS, reviews=2)
    return going(STARTED, done(), Judge(subtask_id=name(1), epoch=1, commit="c1"), *commands, limits=limits)


def review(reviewer: str) -> Review:
    return Review(subtask_id=name(1), epoch=1, reviewer=reviewer, approve=True)


def test_whose_work_is_in_review_is_not_waited_for() -> None:
    assert expiry(asked_for_review(review("w2")).subtask(), None, TIMES, ()) is None


def test_after_the_last_review_its_worker_has_to_be_there_again() -> None:
    story = asked_for_review(review("w2"))
    story.wait(5000)

    story.do(review("w3"))

    assert over(story) == (60.0, "heartbeat")


# --- nobody's lease


@pytest.mark.parametrize(
    "commands", [(release(),), (lose(),), (done(), accept())], ids=["released", "lost", "accepted"]
)
def test_what_nobody_holds_has_no_clock(commands: tuple[Command, ...]) -> None:
    assert expiry(going(*commands).subtask(), None, TIMES, ()) is None
    assert expiry(told().subtask(), None, TIMES, ()) is None


# --- outages


def test_time_in_which_the_service_was_away_counts_on_no_clock() -> None:
    story = going()
    assert over(story, None, gap(story, 10, 110)) == (130.0, "offer")

    story.do(STARTED)
    assert over(story, None, gap(story, 10, 110)) == (160.0, "heartbeat")
    assert over(story, 560.0, gap(story, 10, 110)) == (600.0, "progress")
    assert deadline(story.subtask(), [gap(story, 10, 110)]) == story.now + timedelta(seconds=1100)


def test_of_an_outage_only_what_lies_within_the_lease_counts() -> None:
    story = going(STARTED)

    assert over(story, None, gap(story, -500, 10)) == (70.0, "heartbeat")
    assert over(story, None, gap(story, -500, -10)) == (60.0, "heartbeat")
    assert over(story, None, gap(story, 60, 100)) == (60.0, "heartbeat")


def test_an_outage_may_reach_into_the_time_that_another_one_has_added() -> None:
    story = going(STARTED)

    assert over(story, None, gap(story, 10, 50), gap(story, 80, 180)) == (200.0, "heartbeat")


moments = st.lists(st.floats(0, 2000), max_size=8, unique=True).map(sorted)


@LAW
@given(moments, st.floats(0, 900))
def test_exactly_the_time_in_which_the_service_was_there_is_counted(gaps: list[float], heard: float) -> None:
    story = going(STARTED)
    outages = [gap(story, began, ended) for began, ended in zip(gaps[::2], gaps[1::2], strict=False)]
    heard_at = story.now + timedelta(seconds=heard)
    found = expiry(story.subtask(), heard_at, TIMES, outages)
    assert found is not None

    since, seconds = {"heartbeat": (heard_at, 60.0), "progress": (story.now, 500.0)}[found.clock]
    away = sum(_within(outage, since, found.at) for outage in outages)
    assert (found.at - since).total_seconds() == pytest.approx(seconds + away, abs=1e-4)


def _within(outage: Outage, since: datetime, until: datetime) -> float:
    return max((min(outage[1], until) - max(outage[0], since)).total_seconds(), 0.0)


@LAW
@given(moments, st.floats(0, 900), st.floats(0, 900))
def test_a_later_sign_of_life_never_ends_a_lease_earlier(gaps: list[float], heard: float, more: float) -> None:
    story = going(STARTED)
    outages = [gap(story, began, ended) for began, ended in zip(gaps[::2], gaps[1::2], strict=False)]

    def ends(seconds: float) -> Expiry:
        found = expiry(story.subtask(), story.now + timedelta(seconds=seconds), TIMES, outages)
        assert found is not None
        return found

    assert ends(heard).at <= ends(heard + more).at
