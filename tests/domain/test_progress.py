"""How far a phase is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.ids import SubtaskId, TaskId, WorkerId
from domain.plan import Effort
from domain.progress import progress
from domain.scope import TaskScope
from domain.task_state import LIVE, SubtaskState, SubtaskStatus, TaskState

LAW = settings(deadline=None, max_examples=40)

TASK = TaskId("boto-7k3mq9xd")
START = datetime(2025, 1, 2, tzinfo=UTC)
STATUSES: tuple[SubtaskStatus, ...] = get_args(SubtaskStatus)


def subtask(
    number: int,
    status: SubtaskStatus = "ready",
    *,
    p50: float = 100.0,
    spread: float = 3.0,
    files: Collection[str] = (),
    after: Collection[int] = (),
    done: tuple[int, int] = (0, 10),
    worked_seconds: float = 0.0,
    epoch: int = 1,
) -> SubtaskState:
    plan = e.SubtaskPlanned(
        phase=1,
        title="E1",
        reason="local edits",
        scope=TaskScope(files=tuple(files) or (f"{number}.py",), codes=("E1",)),
        problems=(number,),
        effort=Effort(p50=p50, p80=p50 * spread**0.5, p95=p50 * spread),
        priority=number,
        depends_on=tuple(SubtaskId(f"{TASK}.{earlier}") for earlier in after),
    )
    live = status in LIVE
    return SubtaskState(
        id=SubtaskId(f"{TASK}.{number}"),
        plan=plan,
        status=status,
        epoch=epoch,
        completed=done[0],
        total=done[1],
        worker_id=WorkerId("w1") if live else None,
        started_at=START if status in ("running", "blocked") else None,
        worked_seconds=worked_seconds,
    )


def split(number: int, *, into: Collection[int], p50: float = 100.0) -> SubtaskState:
    parts = tuple(SubtaskId(f"{TASK}.{part}") for part in into)
    return msgspec.structs.replace(subtask(number, "split", p50=p50), split_into=parts)


def task(*subtasks: SubtaskState) -> TaskState:
    submitted = e.TaskSubmitted(repository="/src/boto", base_commit="c0", branch="pw/boto", options={})
    return TaskState(
        id=TASK,
        submitted=submitted,
        submitted_at=START,
        phase=1,
        subtasks={subtask.id: subtask for subtask in subtasks},
    )


def percent(*subtasks: SubtaskState) -> float:
    return progress(task(*subtasks)).percent


statuses = st.sampled_from(STATUSES)


@st.composite
def tasks(draw: st.DrawFn) -> TaskState:
    return task(
        *(
            subtask(
                number,
                draw(statuses),
                p50=draw(st.floats(0.01, 10_000.0)),
                spread=draw(st.floats(1.0, 10.0)),
                files=draw(st.sets(st.sampled_from("abc"), min_size=1)),
                after=draw(st.sets(st.integers(1, number - 1), max_size=2)) if number > 1 else (),
                done=draw(st.tuples(st.integers(0, 12), st.integers(0, 10))),
                worked_seconds=draw(st.floats(0.0, 1000.0)),
            )
            for number in range(1, draw(st.integers(1, 7)) + 1)
        )
    )


# --- percent


def test_a_subtask_counts_as_its_estimated_effort() -> None:
    assert percent(subtask(1, "accepted", p50=300.0), subtask(2, "ready", p50=100.0)) == 75.0


def test_running_work_counts_as_far_as_it_says() -> None:
    assert percent(subtask(1, "running", done=(3, 10))) == 30.0
    assert percent(subtask(1, "blocked", done=(3, 10))) == 30.0


def test_a_claim_to_be_done_is_not_yet_everything() -> None:
    assert percent(subtask(1, "running", done=(10, 10))) == 99.0
    assert percent(subtask(1, "reported")) == 99.0


def test_work_without_a_holder_counts_nothing_however_far_it_was() -> None:
    assert percent(subtask(1, "ready", done=(9, 10))) == 0.0


def test_held_subtasks_count_as_neither_done_nor_to_come() -> None:
    assert percent(subtask(1, "accepted"), subtask(2), subtask(3, "held", p50=9000.0)) == 50.0


def test_a_phase_is_complete_when_every_subtask_is_accepted() -> None:
    assert percent(subtask(1, "accepted"), subtask(2, "accepted")) == 100.0


def test_a_phase_without_subtasks_is_complete() -> None:
    assert percent() == 100.0


def test_what_was_split_counts_in_its_parts() -> None:
    whole = split(1, into=(2, 3), p50=9000.0)

    assert percent(whole, subtask(2, "accepted"), subtask(3)) == 50.0
    assert percent(whole, subtask(2, "accepted"), subtask(3, "accepted")) == 100.0


def test_what_is_parked_is_still_to_come() -> None:
    assert percent(subtask(1, "accepted"), subtask(2, "parked")) == 50.0


def test_a_phase_of_which_a_part_was_given_up_is_not_complete() -> None:
    assert percent(subtask(1, "accepted"), subtask(2, "held")) == 99.9


def test_a_phase_of_which_everything_was_given_up_has_got_nowhere() -> None:
    assert percent(subtask(1, "held"), subtask(2, "held")) == 0.0


def test_however_little_is_left_it_is_not_all() -> None:
    assert percent(subtask(1, "accepted", p50=10_000.0), subtask(2, p50=0.01)) == 99.9


def test_another_phase_s_subtasks_count_nothing() -> None:
    earlier = subtask(1, "accepted")
    earlier = msgspec.structs.replace(earlier, plan=msgspec.structs.replace(earlier.plan, phase=0))

    assert percent(earlier, subtask(2)) == 0.0


def test_every_subtask_is_counted_once() -> None:
    everything = [subtask(number, status) for number, status in enumerate(STATUSES)]

    measured = progress(task(*everything))

    # What was split is counted in its parts.
    assert (measured.waiting, measured.live, measured.accepted, measured.held) == (3, 4, 1, 1)
    assert measured.total == 9


@LAW
@given(tasks())
def test_percent_is_between_0_and_100_and_every_count_adds_up(state: TaskState) -> None:
    measured = progress(state)

    assert 0.0 <= measured.percent <= 100.0
    assert measured.accepted + measured.live + measured.waiting + measured.held == measured.total


@LAW
@given(tasks())
def test_percent_is_100_exactly_when_everything_is_accepted(state: TaskState) -> None:
    everything = all(found.status in ("accepted", "split") for found in state.subtasks.values())

    assert (progress(state).percent == 100.0) == everything


@LAW
@given(tasks(), st.data())
def test_percent_never_falls_when_work_is_accepted(state: TaskState, data: st.DataObject) -> None:
    open_ones = [found for found in state.subtasks.values() if found.status not in ("held", "split")]
    if not open_ones:
        return
    accepted = msgspec.structs.replace(data.draw(st.sampled_from(open_ones)), status="accepted")
    after = msgspec.structs.replace(state, subtasks={**state.subtasks, accepted.id: accepted})

    assert progress(after).percent >= progress(state).percent
