"""What is done about a worker that cannot go on, by the kind of its issue."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.blockers import (
    BUDGET_GROWTH_MAX,
    SPLIT_PARTS_MAX,
    Answer,
    Ask,
    Decision,
    Extend,
    Park,
    Situation,
    Split,
    SubtaskRecord,
    WaitFor,
    policy_for,
)
from domain.events import ComplexityExceeded, DependencyWait, ExternalDependency, ScopeClarification
from tests.domain.conftest import name

LAW = settings(deadline=None, max_examples=100)
FILES = tuple(f"{letter}.py" for letter in "abcdef")


def record(
    number: int,
    *holds: str,
    worker: str | None = None,
    ended: bool = False,
    after: tuple[int, ...] = (),
    waits_for: tuple[int, ...] = (),
) -> SubtaskRecord:
    return SubtaskRecord(
        id=name(number),
        status="accepted" if ended else "running" if worker else "ready",
        live=worker is not None,
        ended=ended,
        worker_id=worker,
        holds=frozenset(holds),
        depends_on=tuple(map(name, after)),
        waits_for=tuple(map(name, waits_for)),
    )


ME = record(1, "me.py", worker="w1")


def wait_for(resource: str, *others: SubtaskRecord, worker: str = "w2", me: SubtaskRecord = ME) -> Decision:
    situation = Situation(subtask_id=name(1), files=("me.py",), budget_seconds=600.0, subtasks=(me, *others))
    return policy_for(DependencyWait(required_worker=worker, resource=resource), situation)


def awaited(decision: Decision) -> str:
    assert isinstance(decision, WaitFor), decision
    return decision.subtask_id


# --- what another worker holds


@pytest.mark.parametrize("resource", ["boto-7k3mq9xd.2", "#2", "subtask 2", "2", "the types of #2, please", "#02"])
def test_a_subtask_that_is_named_is_waited_for(resource: str) -> None:
    assert awaited(wait_for(resource, record(2), record(3, worker="w2"))) == name(2)


@pytest.mark.parametrize("resource", ["pkg/types.py", "./pkg/types.py", "pkg/types.py:12:3", "see `pkg/types.py`."])
def test_whoever_holds_a_file_that_is_named_is_waited_for(resource: str) -> None:
    assert awaited(wait_for(resource, record(2, "other.py"), record(3, "pkg/types.py"))) == name(3)


def test_of_those_that_hold_the_file_the_required_worker_s_comes_first() -> None:
    mine, free, other = record(2, "t.py", worker="w2"), record(3, "t.py"), record(4, "t.py", worker="w4")

    assert awaited(wait_for("t.py", free, other, mine)) == name(2)
    assert awaited(wait_for("t.py", free, other)) == name(4)


def test_where_the_resource_names_nothing_what_the_worker_holds_is_waited_for() -> None:
    assert awaited(wait_for("the new interface", record(2, worker="w4"), record(3, worker="w2"))) == name(3)


def test_who_waits_for_nothing_that_is_known_is_told_to_go_on() -> None:
    decision = wait_for("the new interface", record(2, worker="w4"))

    assert isinstance(decision, Answer)
    assert decision.text.startswith("w2 holds no other subtask of this task")


def test_who_waits_for_what_has_ended_is_told_so() -> None:
    decision = wait_for("t.py", record(2, "t.py", ended=True))

    assert isinstance(decision, Answer)
    assert decision.text == "#2 has ended (accepted): there is nothing left to wait for, go on."


def test_nobody_waits_for_itself() -> None:
    assert isinstance(wait_for("me.py #1", worker="w1"), Answer)


# --- cycles


@pytest.mark.parametrize(
    "others",
    [
        [record(2, "t.py", worker="w2", waits_for=(1,))],
        [record(2, "t.py", after=(1,))],
        # Nobody can be given what shares a file with the blocked one.
        [record(2, "t.py", "me.py")],
        [record(2, "t.py", worker="w2", waits_for=(3,)), record(3, after=(4,)), record(4, "me.py")],
    ],
    ids=["for each other", "by a dependency", "by a file", "round several"],
)
def test_waiting_that_would_never_end_is_answered_at_once(others: list[SubtaskRecord]) -> None:
    decision = wait_for("t.py", *others)

    assert isinstance(decision, Answer)
    path = " -> ".join(["#1", *(f"#{number}" for number in range(2, 2 + len(others))), "#1"])
    assert f"these wait for each other: {path}." in decision.text


def test_where_one_of_two_would_close_a_cycle_the_other_is_waited_for() -> None:
    closing, good = record(2, "t.py", after=(1,)), record(3, "t.py")

    assert awaited(wait_for("t.py", closing, good)) == name(3)


def test_an_old_cycle_through_others_is_none_of_ours() -> None:
    assert awaited(wait_for("t.py", record(2, "t.py", waits_for=(3,)), record(3, waits_for=(2,)))) == name(2)


# --- systems outside, and questions


def test_what_is_outside_is_waited_for_until_somebody_answers() -> None:
    situation = Situation(subtask_id=name(1), files=("a.py",), budget_seconds=600.0)

    decision = policy_for(ExternalDependency(system="registry", issue="it answers 503"), situation)

    assert decision == Park(detail="waits for registry: it answers 503")


def test_a_question_is_put_to_people_in_one_line() -> None:
    situation = Situation(subtask_id=name(1), files=("a.py",), budget_seconds=600.0)
    question = "Which\nof them? " + 100 * "word "

    decision = policy_for(ScopeClarification(question=question), situation)

    assert isinstance(decision, Ask)
    assert decision.question == question
    assert decision.detail.startswith("asks: Which of them?")
    assert len(decision.detail) <= 200
    assert "\n" not in decision.detail


# --- more work than time


def more(asked_seconds: float, files: tuple[str, ...] = FILES, **known: object) -> Decision:
    situation = Situation(subtask_id=name(1), files=files, **{"budget_seconds": 600.0, **known})
    return policy_for(ComplexityExceeded(estimated_additional_time=asked_seconds), situation)


def extra(decision: Decision) -> float:
    assert isinstance(decision, Extend), decision
    return decision.extra_seconds


def test_more_time_is_given_as_it_is_asked_for() -> None:
    assert extra(more(500.0)) == 500.0


def test_who_asks_for_little_gets_what_such_subtasks_may_well_take() -> None:
    assert extra(more(10.0, effort_p95=900.0)) == 300.0
    assert extra(more(10.0)) == 60.0


def test_the_whole_budget_grows_to_a_limit() -> None:
    assert extra(more(10.0, effort_p95=1e9)) == (BUDGET_GROWTH_MAX - 1) * 600.0
    assert isinstance(more(10.0, extra_seconds=1150.0), Split)


def test_what_needs_more_than_the_limit_is_split_into_parts_of_the_first_budget_s_length() -> None:
    decision = more(1900.0, problems={"a.py": 9, "b.py": 4})

    assert isinstance(decision, Split)
    # 2500 s of work: five parts, the file with most problems alone.
    assert decision.parts[0] == ("a.py",)
    assert len(decision.parts) == 5


@pytest.mark.parametrize(
    ("known", "why"), [({"files": ("a.py",)}, "With one file"), ({"one_cause": True}, "With one cause")]
)
def test_what_cannot_be_split_becomes_a_question(known: dict[str, object], why: str) -> None:
    decision = more(1e6, **known)

    assert isinstance(decision, Ask)
    assert f"{why} it cannot be split: extend it, or give it up?" in decision.question


@LAW
@given(
    st.floats(0, 1e9),
    st.sets(st.sampled_from([f"{number}.py" for number in range(30)]), min_size=2),
    st.dictionaries(st.sampled_from([f"{number}.py" for number in range(30)]), st.integers(0, 100)),
    st.floats(0, 1e5),
)
def test_parts_take_every_file_once_and_none_is_empty(
    asked: float, files: set[str], problems: dict[str, int], budget: float
) -> None:
    decision = more(asked + 3 * budget, tuple(files), problems=problems, budget_seconds=budget)

    assert isinstance(decision, Split)
    assert sorted(path for part in decision.parts for path in part) == sorted(files)
    assert all(decision.parts)
    assert 2 <= len(decision.parts) <= SPLIT_PARTS_MAX


@LAW
@given(st.lists(st.floats(0, 1000), min_size=30, max_size=30), st.floats(1, 1e5))
def test_nobody_gets_more_time_again_and_again(asked: list[float], budget: float) -> None:
    granted, times = 0.0, 0
    for seconds in asked:
        decision = more(seconds, budget_seconds=budget, extra_seconds=granted)
        if not isinstance(decision, Extend):
            break
        granted, times = granted + decision.extra_seconds, times + 1

    assert times <= 20
    assert budget + granted <= BUDGET_GROWTH_MAX * budget * (1 + 1e-9)
