"""What is sent is a CloudEvent, and its signature is one of Standard Webhooks."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from standardwebhooks import Webhook, WebhookVerificationError

from api.webhooks.envelope import Row, body_of, headers_of
from eventstore.clock import SystemClock

SECRET = f"whsec_{b64encode(bytes(range(32))).decode()}"
ROW = Row(
    task_id="tree 1/ö",
    stream_id="tree 1/ö.3",
    version=2,
    position=41,
    message_id=UUID(int=7),
    type="progress",
    schema_version=1,
    worker_id="agent-1",
    lease_epoch=3,
    occurred_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    recorded_at=datetime(2026, 3, 1, 9, 31, tzinfo=UTC),
    payload='{"completed": 1, "total": 2, "status": "läuft"}',
)


def read(row: Row) -> BaseCloudEvent:
    body = body_of(row)
    return from_structured_event(
        HTTPMessage(headers=headers_of(row.message_id, body, SECRET, row.occurred_at), body=body)
    )


def test_the_envelope_is_a_cloud_event() -> None:
    event = read(ROW)
    assert event.get_specversion() == "1.0"
    assert event.get_id() == "00000000-0000-0000-0000-000000000007"
    assert event.get_source() == "/v1/tasks/tree%201%2F%C3%B6"
    assert event.get_type() == "parallel-workers.progress"
    assert event.get_subject() == "tree 1/ö.3"
    assert event.get_time() == ROW.occurred_at


def test_the_data_are_the_event_with_its_payload_as_it_was_stored() -> None:
    assert read(ROW).get_data() == {
        "position": 41,
        "version": 2,
        "schema_version": 1,
        "worker_id": "agent-1",
        "lease_epoch": 3,
        "recorded_at": "2026-03-01T09:31:00Z",
        "payload": {"completed": 1, "total": 2, "status": "läuft"},
    }


def test_the_signature_is_accepted_by_standard_webhooks() -> None:
    body = body_of(ROW)
    headers = headers_of(ROW.message_id, body, SECRET, SystemClock().now())
    assert Webhook(SECRET).verify(body, headers) == msgspec.json.decode(body)


def test_a_changed_body_is_not_accepted() -> None:
    body = body_of(ROW)
    headers = headers_of(ROW.message_id, body, SECRET, SystemClock().now())
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"41", b"42"), headers)


def test_the_webhook_id_is_the_message_id() -> None:
    headers = headers_of(ROW.message_id, b"{}", SECRET, ROW.occurred_at)
    assert headers["webhook-id"] == "00000000-0000-0000-0000-000000000007"
