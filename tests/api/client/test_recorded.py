from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from api.client.recorded import recorded
from api.streams.frames import view_of
from domain import events as e
from domain.ids import Position, StreamId, TaskId, WorkerId


@pytest.mark.parametrize(
    "body",
    [e.Started(), e.Progress(completed=1, total=2), e.Blocked(issue=e.ScopeClarification(question="why?"))],
    ids=lambda body: type(body).__name__,
)
def test_an_event_comes_out_of_the_wire_as_it_is_in_the_ledger(body: e.EventBody) -> None:
    now = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    event = e.Event(
        task_id=TaskId("tree-1"),
        stream_id=StreamId("tree-1.1"),
        message_id=UUID(int=1),
        occurred_at=now,
        body=body,
        worker_id=WorkerId("w1"),
        lease_epoch=2,
    )
    record = e.RecordedEvent(event=event, version=3, position=Position(4), recorded_at=now)
    assert recorded(view_of(record)) == record
