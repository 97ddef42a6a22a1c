"""The content hash: another one for every field, the same for the same content."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.events import Completed, Event, EventBody, GateEvaluated
from domain.ids import StreamId, TaskId, WorkerId
from eventstore.codec import encode_event
from eventstore.ledger import Ledger

Connect = Callable[[], Awaitable[psycopg.AsyncConnection[TupleRow]]]

EVENT = Event(
    task_id=TaskId("tree-1"),
    stream_id=StreamId("tree-1.1"),
    message_id=UUID(int=1),
    occurred_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    body=GateEvaluated(gate="tests", passed=True, score=1.0),
    worker_id=WorkerId("w1"),
    lease_epoch=1,
)

CHANGES: list[dict[str, object]] = [
    {"task_id": "tree-2"},
    {"stream_id": "tree-1.2"},
    {"message_id": UUID(int=2)},
    {"occurred_at": EVENT.occurred_at + timedelta(microseconds=1)},
    {"worker_id": "w2"},
    {"worker_id": None},
    {"lease_epoch": 2},
    {"lease_epoch": None},
    {"body": GateEvaluated(gate="tests", passed=True, score=0.9)},
    {"body": GateEvaluated(gate="tests", passed=False, score=1.0)},
    {"body": GateEvaluated(gate="scope", passed=True, score=1.0)},
    {"body": GateEvaluated(gate="tests", passed=True, score=1.0, detail="d")},
]


def changed(**change: object) -> Event:
    return msgspec.structs.replace(EVENT, **change)


@pytest.fixture
async def content_of(connect: Connect) -> Callable[[Event], Awaitable[str]]:
    """The text that is hashed of an event."""
    connection = await connect()

    async def ask(event: Event) -> str:
        query = "SELECT ledger.content_text(%s, %s, %s, %s, %s::smallint, %s, %s, %s, %s::jsonb)"
        *fields, payload = encode_event(event)
        row = await (await connection.execute(query, [*fields, payload.decode()])).fetchone()
        assert row is not None
        return str(row[0])

    return ask


ContentOf = Callable[[Event], Awaitable[str]]


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_the_content_changes_with_every_field(content_of: ContentOf, change: dict[str, object]) -> None:
    assert await content_of(changed(**change)) != await content_of(EVENT)


async def test_the_content_tells_apart_types_with_the_same_payload(content_of: ContentOf) -> None:
    empty = [cls() for cls in get_args(EventBody) if not any(field.required for field in msgspec.structs.fields(cls))]
    assert len({await content_of(changed(body=body)) for body in empty}) == len(empty) > 1


async def test_the_content_does_not_depend_on_the_order_of_keys(content_of: ContentOf) -> None:
    one, other = {"a": {"x": 1, "y": 2}, "b": 3}, {"b": 3, "a": {"y": 2, "x": 1}}
    assert await content_of(changed(body=Completed(result=one))) == await content_of(
        changed(body=Completed(result=other))
    )


async def test_the_content_does_not_depend_on_a_time_zone(content_of: ContentOf) -> None:
    west = EVENT.occurred_at.astimezone(timezone(timedelta(hours=-5)))
    assert await content_of(changed(occurred_at=west)) == await content_of(EVENT)


async def test_the_content_is_the_one_that_ledgers_hold_already(content_of: ContentOf) -> None:
    # Written down: whatever changes this text makes every stored event look like another one.
    assert await content_of(EVENT) == (
        "tree-1\ntree-1.1\n00000000-0000-0000-0000-000000000001\ngate_evaluated\n1\nw1\n1\n1772357400.000000\n"
        '{"gate": "tests", "score": 1.0, "passed": true}'
    )


async def test_the_stored_hash_is_the_sha256_of_the_content(
    ledger: Ledger, connect: Connect, content_of: ContentOf
) -> None:
    await ledger.append([EVENT])
    row = await (await (await connect()).execute("SELECT content_hash FROM ledger.event")).fetchone()
    assert row == (hashlib.sha256((await content_of(EVENT)).encode()).digest(),)


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_the_same_message_with_other_content_is_a_conflict(ledger: Ledger, change: dict[str, object]) -> None:
    await ledger.append([EVENT])
    [receipt] = await ledger.append([changed(**change)])
    elsewhere = not {"task_id", "message_id"}.isdisjoint(change)
    assert receipt.status == ("created" if elsewhere else "conflict")
