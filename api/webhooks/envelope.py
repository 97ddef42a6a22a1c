"""What is sent: an event as a CloudEvent 1.0 in JSON, signed as Standard Webhooks has it."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from urllib.parse import quote
from uuid import UUID

import msgspec
from standardwebhooks import Webhook

#: Before the ledger's type of an event.
TYPE_PREFIX = "parallel-workers."

_USER_AGENT = f"parallel-workers/{version('parallel-workers')}"


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The event itself; `payload` is its body as it was stored."""

    position: int
    version: int
    schema_version: int
    worker_id: str | None
    lease_epoch: int | None
    recorded_at: datetime
    payload: msgspec.Raw


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope, in the structured mode of CloudEvents' HTTP binding."""

    specversion: str = "1.0"
    #: The event's message id: the same however often it is sent.
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    data: Data


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the database gives it."""

    task_id: str
    stream_id: str
    version: int
    position: int
    message_id: UUID
    type: str
    schema_version: int
    worker_id: str | None
    lease_epoch: int | None
    occurred_at: datetime
    recorded_at: datetime
    payload: str


def body_of(row: Row) -> bytes:
    """Put an event into its envelope."""
    data = Data(
        position=row.position,
        version=row.version,
        schema_version=row.schema_version,
        worker_id=row.worker_id,
        lease_epoch=row.lease_epoch,
        recorded_at=row.recorded_at,
        payload=msgspec.Raw(row.payload.encode()),
    )
    event = CloudEvent(
        id=str(row.message_id),
        source=f"/v1/tasks/{quote(row.task_id, safe='')}",
        type=TYPE_PREFIX + row.type,
        subject=row.stream_id,
        time=row.occurred_at,
        data=data,
    )
    return msgspec.json.encode(event)


def headers_of(message_id: UUID, body: bytes, secret: str, now: datetime) -> dict[str, str]:
    """Give the headers that go with a body, signed at that moment."""
    return {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "user-agent": _USER_AGENT,
        "webhook-id": str(message_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(str(message_id), now, body.decode()),
    }
