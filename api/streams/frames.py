"""An event as readers of a stream get it: encoded once, whoever wants it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from api.schemas import EventView
from domain.events import EventBody, RecordedEvent

#: What a reader gets while nothing happens: a comment, which says that the line is alive.
HEARTBEAT = b": alive\n\n"

_ENCODE = msgspec.json.Encoder().encode


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a reader wants."""

    #: None: those of all tasks.
    task_id: str | None = None
    #: Empty: all types.
    types: frozenset[str] = frozenset()


class Entry(NamedTuple):
    """An event, ready to be sent."""

    position: int
    task_id: str
    kind: str
    frame: bytes

    @classmethod
    def of(cls, view: EventView) -> Entry:
        """Encode an event; its `id` is its position, so that a reader that comes back goes on after it."""
        frame = b"id: %d\nevent: %b\ndata: %b\n\n" % (view.position, view.type.encode(), _ENCODE(view))
        return cls(view.position, view.task_id, view.type, frame)


def joined(entries: Iterable[Entry], wanted: Wanted) -> bytes:
    """Give the frames of those that are wanted as one piece."""
    return b"".join(
        entry.frame
        for entry in entries
        if (wanted.task_id is None or entry.task_id == wanted.task_id)
        and (not wanted.types or entry.kind in wanted.types)
    )


def view_of(record: RecordedEvent) -> EventView:
    """Give an event of the ledger as it goes over the wire."""
    event = record.event
    kind, payload = _split(event.body)
    return EventView(
        position=record.position,
        task_id=event.task_id,
        stream_id=event.stream_id,
        version=record.version,
        type=kind,
        message_id=event.message_id,
        worker_id=event.worker_id,
        lease_epoch=event.lease_epoch,
        occurred_at=event.occurred_at,
        recorded_at=record.recorded_at,
        payload=msgspec.Raw(payload),
    )


def _split(body: EventBody) -> tuple[str, bytes]:
    """Give a body's type, and the rest of it as JSON."""
    kind = str(type(body).__struct_config__.tag)
    text = _ENCODE(body)
    # The tag comes first: {"type":"progress","completed":1}
    return kind, b"{" + text[len(f'{{"type":"{kind}"') :].lstrip(b",")
