"""What the state of a task is when its events are in a file, and when they were brought back."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from domain import events as e
from domain.evolution import evolve, fold
from domain.ids import StreamId, TaskId

TASK = TaskId("boto-1")
SUBMITTED = e.TaskSubmitted(repository="/src", base_commit="a1", branch="pw/boto-1", options={})
COMPLETED = e.TaskCompleted(summary="nothing is left")


def tombstone(file_name: str = "boto-1.ndjson.gz") -> e.TaskArchived:
    return e.TaskArchived(
        file_name=file_name, file_sha256="ef" * 32, events=2, artifacts=0, first_position=1, last_position=2
    )


def recorded(*bodies: e.EventBody, stream: str = TASK) -> list[e.RecordedEvent]:
    moment = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    return [
        e.RecordedEvent(
            event=e.Event(
                task_id=TASK,
                stream_id=StreamId(stream if isinstance(body, e.Progress) else TASK),
                message_id=UUID(int=position),
                occurred_at=moment,
                body=body,
            ),
            version=position,
            position=position,
            recorded_at=moment,
        )
        for position, body in enumerate(bodies, start=1)
    ]


def test_a_task_of_which_only_the_tombstone_is_left_is_archived() -> None:
    state = fold(recorded(tombstone()))
    assert state is not None
    assert (state.status, state.reason) == ("archived", "archived on 2026-03-01 09:30 UTC into boto-1.ndjson.gz")


def test_a_task_that_came_back_is_what_it_was() -> None:
    before = fold(recorded(SUBMITTED, COMPLETED))
    assert fold(recorded(SUBMITTED, COMPLETED, tombstone())) == before


def test_a_task_that_came_back_behind_its_tombstone_is_what_it_was() -> None:
    state = fold(recorded(tombstone(), SUBMITTED, COMPLETED))
    assert state is not None
    assert (state.status, state.submitted) == ("completed", SUBMITTED)


def test_the_last_tombstone_says_where_the_task_is() -> None:
    state = fold(recorded(tombstone("first"), tombstone("second")))
    assert state is not None
    assert state.reason.endswith("into second")


def test_a_worker_that_reports_to_an_archived_task_changes_nothing() -> None:
    [tomb, late] = recorded(tombstone(), e.Progress(completed=1, total=2), stream=f"{TASK}.1")
    state = evolve(None, tomb.event)
    assert evolve(state, late.event) == state
    assert state.subtasks == {}


def test_an_archived_task_that_came_back_can_be_resumed() -> None:
    state = fold(recorded(SUBMITTED, e.TaskStalled(reason="nothing moves"), tombstone(), e.TaskResumed()))
    assert state is not None
    assert state.status == "running"
