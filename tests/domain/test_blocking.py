"""What follows from a blocked worker, and from the answer that it is given."""

from __future__ import annotations

import msgspec
import pytest

from domain import events as e
from domain.blocking import halves
from domain.errors import InvalidRequestError, StaleLeaseError, UnknownSubtaskError
from domain.lifecycle import Answer, Command
from domain.readiness import more_to_come, unclaimable_reason
from domain.task_state import SubtaskState
from tests.domain.conftest import (
    LIMITS,
    QUESTION,
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
REGISTRY = e.ExternalDependency(system="registry", issue="down")
TWO = (planned("a.py"), planned("b.py"))
#: Two problems in a.py, one in b.py.
LARGE = planned("a.py", "b.py", problems=(4, 7, 9), p50=90.0)
PATHS = ("a.py", "b.py", "a.py")


def reply(action: e.BlockerAction = "resume", **fields: object) -> Answer:
    return Answer(subtask_id=name(1), text="the first", by="ann", action=action, problem_paths=PATHS, **fields)


def waiting(number: int, resource: str, *, epoch: int = 1, worker: str = "w1") -> Command:
    issue = e.DependencyWait(required_worker="w2", resource=resource)
    return blocked(number, issue, epoch=epoch, worker=worker)


def stands(subtask: SubtaskState) -> tuple[str, int]:
    """Tell the status and how many blockers wait for an answer."""
    return subtask.status, len(subtask.open_blockers)


# --- opened


def test_a_blocker_says_what_who_and_when() -> None:
    story = told(claim(), blocked(context="in a.py"))

    [blocker] = story.subtask().blockers
    assert (blocker.number, blocker.issue, blocker.context, blocker.policy) == (1, QUESTION, "in a.py", "ask")
    assert (blocker.worker_id, blocker.epoch, blocker.opened_at) == ("w1", 1, story.now)
    assert blocker.answered_at is None


def test_blockers_are_numbered_over_all_attempts() -> None:
    story = told(claim(), blocked(), report(failed()), claim(), blocked(epoch=2))

    assert [blocker.number for blocker in story.subtask().blockers] == [1, 2]


@pytest.mark.parametrize("message", [e.Started(), e.Progress(completed=1, total=2), e.Completed()])
def test_a_worker_that_goes_on_by_itself_needs_no_answer(message: e.WorkerMessage) -> None:
    story = told(claim(), blocked(), report(message))

    assert stands(story.subtask())[1] == 0
    assert story.subtask().blockers[0].text == "the worker went on by itself"


def test_a_worker_may_ask_two_things_and_waits_for_both() -> None:
    story = told(claim(), blocked(), blocked(issue=REGISTRY), reply(number=2))
    assert stands(story.subtask()) == ("blocked", 1)

    story.do(reply())

    assert stands(story.subtask()) == ("running", 0)


# --- a dependency that waits


def test_who_waits_for_a_subtask_goes_on_when_that_ends() -> None:
    story = told(claim(1), claim(2, "w2"), waiting(1, "b.py"), plans=TWO)
    assert story.subtask(1).blockers[0].waits_for == name(2)

    story.do(done(2, worker="w2"))
    assert story.subtask(1).status == "blocked"
    story.do(accept(2, commit="c7"))

    assert story.subtask(1).status == "running"
    assert story.subtask(1).blockers[0].text == "#2 is accepted; the head is c7"


def test_who_waits_for_a_subtask_goes_on_when_that_is_given_up() -> None:
    story = told(claim(1), claim(2, "w2"), waiting(1, "b.py"), plans=TWO)

    story.do(report(failed("no way", recoverable=False), 2, worker="w2"))

    assert story.subtask(1).status == "running"
    assert story.subtask(1).blockers[0].text.startswith("#2 is held: no way")


def test_of_two_that_wait_for_each_other_the_second_is_told_to_go_on() -> None:
    story = told(claim(1), claim(2, "w2"), waiting(1, "b.py"), waiting(2, "a.py", worker="w2"), plans=TWO)

    assert (story.subtask(1).status, story.subtask(2).status) == ("blocked", "running")
    assert "#2 -> #1 -> #2" in story.subtask(2).blockers[0].text


def test_who_waits_for_what_was_split_waits_for_the_parts() -> None:
    story = told(claim(1), claim(2, "w2"), waiting(2, "a.py", worker="w2"), plans=[LARGE, planned("c.py")])
    huge = e.ComplexityExceeded(estimated_additional_time=1e5)

    story.do(blocked(issue=huge, paths=PATHS))
    assert story.subtask(2).status == "blocked"
    for number in (3, 4):
        for command in (claim(number), done(number), accept(number)):
            story.do(command)

    assert story.subtask(2).status == "running"


def test_a_part_does_not_wait_for_who_waits_for_the_whole() -> None:
    huge = e.ComplexityExceeded(estimated_additional_time=1e5)
    story = told(claim(1), blocked(issue=huge, paths=PATHS), plans=[LARGE, planned("c.py")], limits=PARKING)
    # A part waits for the other subtask, and is parked: nobody holds its files.
    for command in (claim(3, "w3"), waiting(3, "#2", worker="w3"), release(3), claim(2, "w2")):
        story.do(command)
    assert story.subtask(3).status == "parked"

    story.do(waiting(2, "#1", worker="w2"))

    assert story.subtask(2).status == "running"
    assert "#2 -> #1 -> #3 -> #2" in story.subtask(2).blockers[0].text


def test_who_comes_back_blocked_holds_its_files_against_what_it_waits_for() -> None:
    plans = [planned("a.py"), planned("a.py", "b.py")]
    story = told(claim(1), report(e.Started()), lose(), plans=plans)

    story.do(waiting(1, "b.py"))

    # The other one cannot be handed out as long as this one holds a file of it.
    assert story.subtask(1).status == "running"
    assert "#1 -> #2 -> #1" in story.subtask(1).blockers[0].text


def test_who_comes_back_blocked_asks_anew() -> None:
    story = told(claim(1), claim(2, "w2"), waiting(1, "b.py"), lose(1), plans=TWO, limits=PARKING)
    assert stands(story.subtask()) == ("planned", 1)

    story.do(blocked())

    assert stands(story.subtask()) == ("blocked", 1)
    assert story.subtask().open_blockers[0].issue == QUESTION
    assert story.subtask().blockers[0].text == "the worker is back"


# --- parked


def test_blocked_work_that_is_handed_back_is_parked_until_it_is_answered() -> None:
    story = told(claim(), blocked(issue=REGISTRY), release(), limits=PARKING)
    assert stands(story.subtask()) == ("parked", 1)
    assert more_to_come(story.state)

    story.do(reply())

    assert stands(story.subtask()) == ("ready", 0)


def test_parked_work_lets_go_of_its_files() -> None:
    plans = [planned("a.py"), planned("a.py")]
    story = told(claim(1), blocked(issue=REGISTRY), release(), plans=plans, limits=PARKING)

    assert unclaimable_reason(story.state, story.subtask(2)) is None


def test_parked_work_that_waits_for_a_subtask_goes_on_when_that_ends() -> None:
    commands = (claim(1), claim(2, "w2"), waiting(1, "b.py"), release(1), done(2, worker="w2"), accept(2))

    assert told(*commands, plans=TWO, limits=PARKING).subtask(1).status == "ready"


def test_blocked_work_whose_worker_is_lost_waits_for_its_answer_all_the_same() -> None:
    story = told(claim(), blocked(), lose(), limits=PARKING)
    assert unclaimable_reason(story.state, story.subtask()) == "#1 waits for an answer: asks: Which one?"

    story.do(reply())

    assert story.subtask().status == "ready"


def test_where_nothing_is_parked_the_next_worker_asks_again() -> None:
    assert stands(told(claim(), blocked(), lose()).subtask()) == ("ready", 0)


def test_where_nothing_is_parked_blocked_work_that_is_handed_back_is_held_and_no_longer_asks() -> None:
    story = told(claim(), blocked())

    said = story.do(release())

    assert e.SubtaskHeld(reason="blocked: asks: Which one?") in said
    assert stands(story.subtask()) == ("held", 0)


def test_what_is_held_for_its_losses_no_longer_asks() -> None:
    story = told(claim(), lose(), claim(), blocked(epoch=2), lose(epoch=2), limits=PARKING)

    assert stands(story.subtask()) == ("held", 0)
    assert story.subtask().blockers[0].text == "the subtask has ended"


# --- answers


def test_an_answer_has_its_author_and_its_worker_goes_on() -> None:
    story = told(claim(), blocked())

    assert story.do(reply()) == [e.BlockerAnswered(number=1, text="the first", by="ann")]

    subtask = story.subtask()
    assert (subtask.status, subtask.issue, subtask.moved_at) == ("running", None, story.now)
    assert (subtask.blockers[0].text, subtask.blockers[0].by) == ("the first", "ann")


def test_more_time_is_added_to_the_budget_of_this_attempt_and_the_next() -> None:
    story = told(claim(), blocked(), reply(action="extend", extra_seconds=60.0))
    assert story.subtask().budget_seconds == 1860.0

    story.do(report(failed()))
    story.do(claim())

    assert story.subtask().budget_seconds == 1860.0


@pytest.mark.parametrize("before", [(), (release(),), (lose(),)], ids=["live", "parked", "lost"])
def test_what_is_given_up_is_held_wherever_it_was(before: tuple[Command, ...]) -> None:
    story = told(claim(), blocked(), blocked(issue=REGISTRY), *before, limits=PARKING)

    story.do(reply(action="give_up"))

    assert stands(story.subtask()) == ("held", 0)
    assert story.subtask().note == "given up by ann: the first"
    assert story.subtask().worker_id is None


@pytest.mark.parametrize("before", [(), (release(),), (lose(),)], ids=["live", "parked", "lost"])
def test_what_is_split_by_hand_is_replaced_wherever_it_was(before: tuple[Command, ...]) -> None:
    story = told(claim(), blocked(), blocked(issue=REGISTRY), *before, limits=PARKING, plans=[LARGE])

    story.do(reply(action="split"))

    assert stands(story.subtask()) == ("split", 0)
    assert story.subtask().lost_worker is None
    assert [story.subtask(number).status for number in (2, 3)] == ["ready", "ready"]


def test_the_lease_of_what_was_split_is_over() -> None:
    story = told(claim(), blocked(), reply(action="split"), plans=[LARGE])

    with pytest.raises(StaleLeaseError, match="#1 is over: it is split and held by nobody"):
        story.do(done())


def test_one_file_cannot_be_split() -> None:
    with pytest.raises(InvalidRequestError, match="has one file: it cannot be split"):
        told(claim(), blocked()).do(reply(action="split"))


@pytest.mark.parametrize(
    "story",
    [told(claim()), told(claim(), blocked(), report(failed(recoverable=False))), told(claim(), done(), accept())],
    ids=["never blocked", "held", "accepted"],
)
def test_an_answer_to_nobody_is_refused(story: Story) -> None:
    with pytest.raises(UnknownSubtaskError, match="has no blocker that waits for an answer"):
        story.do(reply())


def test_an_answer_to_another_blocker_than_those_that_are_open_is_refused() -> None:
    story = told(claim(), blocked(), blocked(issue=REGISTRY), reply(number=1))

    with pytest.raises(UnknownSubtaskError, match=r"has no open blocker 1: 2$"):
        story.do(reply(number=1))


# --- more work than time


def test_a_worker_that_needs_more_time_gets_it_and_goes_on() -> None:
    story = told(claim(), blocked(issue=e.ComplexityExceeded(estimated_additional_time=600.0)))

    assert (story.subtask().status, story.subtask().extra_seconds) == ("running", 600.0)
    assert story.subtask().blockers[0].action == "extend"


def test_what_is_far_too_large_is_split_by_files_with_their_problems() -> None:
    story = told(claim(), plans=[LARGE])

    story.do(blocked(issue=e.ComplexityExceeded(estimated_additional_time=1e5), paths=PATHS))

    whole, *parts = story.state.subtasks.values()
    assert (whole.status, whole.split_into) == ("split", (name(2), name(3)))
    assert [(part.plan.scope.files, part.plan.problems) for part in parts] == [
        (("a.py",), (4, 9)),
        (("b.py",), (7,)),
    ]
    assert [part.plan.effort.p50 for part in parts] == pytest.approx([60.0, 30.0])
    assert [part.plan.title for part in parts] == ["E1 (part 1 of 2)", "E1 (part 2 of 2)"]


def test_what_depends_on_the_whole_waits_for_all_parts() -> None:
    plans = [LARGE, planned("c.py", after=[1])]
    story = told(claim(), blocked(), reply(action="split"), plans=plans)
    assert unclaimable_reason(story.state, story.subtask(2)) == "#2 waits for #1"

    for number in (3, 4):
        assert story.subtask(2).status == "planned"
        for command in (claim(number), done(number), accept(number)):
            story.do(command)

    assert story.subtask(2).status == "ready"


def test_a_definition_that_the_whole_holds_is_held_by_each_part() -> None:
    whole = planned("a.py", "b.py", problems=(0, 1, 2), held_files=("a.py", "types.py"), included_files=("types.py",))

    story = told(claim(), blocked(), reply(action="split"), plans=[whole])

    assert story.subtask(2).plan.scope.holds == {"a.py", "types.py"}
    assert story.subtask(3).plan.scope.holds == {"types.py"}


def test_halves_have_about_as_many_problems_each() -> None:
    paths = ["a", "a", "a", "b", "b", "c"]

    assert halves(("a", "b", "c"), paths) == (("a",), ("b", "c"))
    assert halves(("a",), paths) == (("a",),)
