"""Events that came over the wire, as the ledger has them: whoever folds those can fold these."""

from __future__ import annotations

import msgspec

from api.client.client import Client
from api.schemas import EventView
from domain.events import Event, EventBody, RecordedEvent
from domain.ids import Position, StreamId, TaskId, WorkerId

#: Events that are asked for at once.
_PAGE = 1000

_BODY = msgspec.json.Decoder(EventBody)


def recorded(view: EventView) -> RecordedEvent:
    """Give the event of a view; raises `msgspec.ValidationError` for one that this release does not know."""
    fields = bytes(view.payload)[1:-1].strip()
    tag = b'{"type":' + msgspec.json.encode(view.type)
    event = Event(
        task_id=TaskId(view.task_id),
        stream_id=StreamId(view.stream_id),
        message_id=view.message_id,
        occurred_at=view.occurred_at,
        body=_BODY.decode(tag + (b"," + fields if fields else b"") + b"}"),
        worker_id=WorkerId(view.worker_id) if view.worker_id is not None else None,
        lease_epoch=view.lease_epoch,
    )
    return RecordedEvent(
        event=event, version=view.version, position=Position(view.position), recorded_at=view.recorded_at
    )


async def read_task(client: Client, task_id: str) -> list[RecordedEvent]:
    """Read all events of a task."""
    events: list[RecordedEvent] = []
    after: int | None = 0
    while after is not None:
        page = await client.events(task_id, after=after, limit=_PAGE)
        events += map(recorded, page.events)
        after = page.next_after
    return events
