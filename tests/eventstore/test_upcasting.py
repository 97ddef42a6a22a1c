"""Old shapes are read as today's, and what later releases wrote is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.errors import LedgerError
from domain.events import Event, EventBody, Failed, Progress
from domain.ids import TaskId
from eventstore import upcasting
from eventstore.codec import decode_records
from eventstore.ledger import Ledger

Connect = Callable[[], Awaitable[psycopg.AsyncConnection[TupleRow]]]

#: Records as they were stored and read by the releases that brought their shapes, one or more of every type.
STORED = Path(__file__).with_name("stored_events.jsonl")


def rename_done(payload: dict[str, Any]) -> dict[str, Any]:
    return {("completed" if name == "done" else name): value for name, value in payload.items()}


def percent_to_parts(payload: dict[str, Any]) -> dict[str, Any]:
    return {"done": payload["percent"], "total": 100}


@pytest.fixture
def two_older_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`progress` once had a percentage, then `done` and `total`."""
    monkeypatch.setattr(upcasting, "UPCASTERS", {"progress": (percent_to_parts, rename_done)})


def test_a_type_without_steps_is_at_schema_version_1() -> None:
    assert upcasting.schema_version("failed") == 1


@pytest.mark.usefixtures("two_older_shapes")
def test_each_step_raises_the_schema_version_by_one() -> None:
    assert upcasting.schema_version("progress") == 3


@pytest.mark.usefixtures("two_older_shapes")
@pytest.mark.parametrize(
    ("version", "payload"),
    [(1, {"percent": 40}), (2, {"done": 40, "total": 100}), (3, {"completed": 40, "total": 100})],
)
def test_a_payload_of_any_version_takes_the_steps_that_it_lacks(version: int, payload: dict[str, Any]) -> None:
    assert upcasting.upcast("progress", version, payload) == {"completed": 40, "total": 100}


def test_a_version_that_a_later_release_wrote_is_refused() -> None:
    with pytest.raises(LedgerError, match="'failed' has schema version 2: a later release has written it"):
        upcasting.upcast("failed", 2, {"error": "e"})


async def test_stored_events_of_every_shape_are_read_as_todays(
    ledger: Ledger, connect: Connect, new_event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.append([new_event(), new_event(), new_event(body=Failed(error="e"))])
    # As the releases of then have written them.
    connection = await connect()
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE ledger.event SET payload = '{\"percent\": 40}' WHERE position = 1")
    await connection.execute(
        'UPDATE ledger.event SET payload = \'{"done": 1, "total": 3}\', schema_version = 2 WHERE position = 2'
    )
    monkeypatch.setattr(upcasting, "UPCASTERS", {"progress": (percent_to_parts, rename_done)})
    await ledger.append([new_event()])

    records = await ledger.read_task(TaskId("tree-1"))
    assert [(record.event.body, record.schema_version) for record in records] == [
        (Progress(completed=40, total=100), 1),
        (Progress(completed=1, total=3), 2),
        (Failed(error="e"), 1),
        (Progress(completed=1, total=2), 3),
    ]


def test_every_event_that_was_ever_stored_is_read() -> None:
    text = STORED.read_text(encoding="utf-8")
    lines, records = text.splitlines(), decode_records(text)
    assert {type(record.event.body) for record in records} == set(get_args(EventBody))
    # What was read once is read alike for ever: written down beside each record.
    for line, record in zip(lines, records, strict=True):
        assert msgspec.json.decode(line)["read_as"] == msgspec.json.decode(msgspec.json.encode(record.event.body))
