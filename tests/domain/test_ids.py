"""Names: a task's from its tree, a subtask's from its task's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import TaskId, is_task_stream, new_task_id, short, subtask_id, task_of

names = st.builds(new_task_id, st.text(), st.binary(min_size=5))


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("boto", "boto-00000000"),
        ("My Project (2)", "my-project-2-00000000"),
        ("--x.y--", "x-y-00000000"),
        ("a" * 30, "a" * 24 + "-00000000"),
        ("a" * 23 + " b", "a" * 23 + "-00000000"),
        ("проект", "task-00000000"),
        ("", "task-00000000"),
    ],
)
def test_a_task_is_named_after_its_tree(tree: str, expected: str) -> None:
    assert new_task_id(tree, bytes(5)) == expected


def test_the_random_part_holds_40_bits() -> None:
    assert new_task_id("x", b"\xff" * 5) == "x-zzzzzzzz"
    assert new_task_id("x", b"\x00\x00\x00\x00\x01") == "x-10000000"


@given(st.sets(st.binary(min_size=5, max_size=5)))
def test_different_random_bytes_give_different_names(draws: set[bytes]) -> None:
    assert len({new_task_id("boto", entropy) for entropy in draws}) == len(draws)


def test_a_subtask_is_named_by_its_number() -> None:
    subtask = subtask_id(TaskId("boto-7k3mq9xd"), 12)

    assert subtask == "boto-7k3mq9xd.12"
    assert short(subtask) == "#12"


@given(names, st.integers(min_value=1))
def test_a_subtask_s_name_tells_its_task(task: TaskId, number: int) -> None:
    assert task_of(subtask_id(task, number)) == task
    assert task_of(task) == task


@given(names, st.integers(min_value=1))
def test_a_task_s_stream_is_told_from_a_subtask_s(task: TaskId, number: int) -> None:
    assert is_task_stream(task)
    assert not is_task_stream(subtask_id(task, number))
