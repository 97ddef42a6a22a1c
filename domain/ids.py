"""Names of tasks, subtasks and workers.

A subtask's name starts with its task's, so that every key of the ledger can hold the task without a look-up:
`boto-7k3mq9xd` is a task, `boto-7k3mq9xd.12` its twelfth subtask.
"""

from __future__ import annotations

import re
from typing import NewType

TaskId = NewType("TaskId", str)
SubtaskId = NewType("SubtaskId", str)
WorkerId = NewType("WorkerId", str)
StreamId = NewType("StreamId", str)
Position = NewType("Position", int)

# Crockford's base 32: no letters that are taken for digits.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_SUFFIX_LENGTH = 8
_SLUG_LENGTH = 24


def new_task_id(name: str, entropy: bytes) -> TaskId:
    """Make a task's name from that of its tree and at least 5 random bytes (40 bits)."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_SLUG_LENGTH].strip("-") or "task"
    number = int.from_bytes(entropy, "big")
    digits = (_ALPHABET[(number >> (5 * place)) & 31] for place in range(_SUFFIX_LENGTH))
    return TaskId(f"{slug}-{''.join(digits)}")


def suffix_of(task_id: TaskId) -> str:
    """Give the part of a task's name that its entropy makes, whatever its tree is called."""
    return task_id[-_SUFFIX_LENGTH:]


def subtask_id(task_id: TaskId, number: int) -> SubtaskId:
    """Name the `number`-th subtask of a task, counting from 1 over all its phases."""
    return SubtaskId(f"{task_id}.{number}")


def task_of(stream: str) -> TaskId:
    """Tell the task that a stream belongs to, whether it is the task's own or a subtask's."""
    return TaskId(stream.partition(".")[0])


def is_task_stream(stream: str) -> bool:
    """Tell a task's own stream from a subtask's."""
    return "." not in stream


def short(subtask: str) -> str:
    """Give the part of a subtask's name that tells it from its siblings: `#12`."""
    return f"#{subtask.rpartition('.')[2]}"
