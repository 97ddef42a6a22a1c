"""The events that are measured: what a worker reports while it works, 90 to 100 bytes of payload each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import uuid6

from domain.events import Event, Progress
from domain.ids import StreamId, TaskId, WorkerId
from eventstore.codec import Row, encode_event

#: Streams that the events of a batch, or of all callers, belong to: subtasks that are worked on at once.
STREAMS = 64

STATUS = "ruff check --fix src/package/module_{:06}.py: 3 problems left of 17"

_runs = itertools.count(1)


def events(count: int, streams: int = STREAMS) -> list[Event]:
    """Make events of a task of their own, in turn for each of its streams."""
    task = f"bench-{next(_runs)}-{uuid6.uuid7().hex[-8:]}"
    now = datetime.now(UTC)  # noqa: TID251 - no clock is measured here
    return [
        Event(
            task_id=TaskId(task),
            stream_id=StreamId(f"{task}.{number % streams + 1}"),
            message_id=uuid6.uuid7(),
            occurred_at=now,
            body=Progress(completed=number, total=count, status=STATUS.format(number)),
            worker_id=WorkerId("worker-17"),
            lease_epoch=3,
        )
        for number in range(count)
    ]


def batches(count: int, size: int) -> list[list[Event]]:
    """Make batches of a size, all of one task."""
    made = events(count * size)
    return [made[start : start + size] for start in range(0, count * size, size)]


def with_versions(made: Iterable[Event]) -> list[tuple[Row, int]]:
    """Encode the events and number them in their streams, as somebody who stores them by hand has to."""
    versions: dict[str, int] = {}
    rows: list[tuple[Row, int]] = []
    for event in made:
        version = versions[event.stream_id] = versions.get(event.stream_id, 0) + 1
        rows.append((encode_event(event), version))
    return rows


def percentile(values: list[float], share: float) -> float:
    """Give the value that a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def as_columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Turn rows into columns."""
    return [list(column) for column in zip(*rows, strict=True)]
