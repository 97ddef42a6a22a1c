"""Folds are given every event of a task, in order, as far as they look at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest

from domain import events as e
from domain.errors import LedgerError
from domain.events import Event, RecordedEvent
from eventstore import upcasting
from eventstore.ledger import Ledger
from projections import bulk, reading
from projections.reading import read_tasks

History = Any


def read(url: str, *, in_parts: bool = False) -> list[Sequence[RecordedEvent]]:
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        return list(read_tasks(connection, "", "~", 2**62, in_parts=in_parts))


def told(event: Event, position: int) -> tuple[Any, ...]:
    """Give what a fold looks at."""
    return (
        event.task_id,
        event.stream_id,
        event.occurred_at,
        event.body,
        event.worker_id,
        event.lease_epoch,
        position,
    )


@pytest.mark.parametrize("in_parts", [False, True])
async def test_texts_are_of_one_task_each_and_together_all_of_it(
    database_url: str,
    ledger: Ledger,
    new_history: Callable[[str], History],
    monkeypatch: pytest.MonkeyPatch,
    in_parts: bool,
) -> None:
    monkeypatch.setattr(reading, "_PART_STORED_BYTES", 512)
    histories = [new_history(f"tree-{number}") for number in (1, 2)]
    for history in histories:
        history.submit()
        history.plan(2, 30.0, 10.0)
        history.start(10, 1)
    # Between each other, as tasks are that are worked at at once.
    stored = [event for pair in zip(*(one.events for one in histories), strict=True) for event in pair]
    await ledger.append(stored)

    texts = read(database_url, in_parts=in_parts)

    assert len(texts) > 2 if in_parts else len(texts) == 2
    assert all(len({record.event.task_id for record in text}) == 1 for text in texts)
    expected = [told(event, place) for place, event in enumerate(stored, 1)]
    found = [told(record.event, record.position) for text in texts for record in text]
    assert found == sorted(expected, key=lambda one: (one[0], one[-1]))


async def test_old_shapes_are_brought_to_todays(
    database_url: str, ledger: Ledger, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.plan(2, 30.0)
    history.start(10)
    history.add(11, e.Progress(completed=40, total=100), subtask=1, epoch=1)
    await ledger.append(history.events)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.event SET payload = '{\"percent\": 40}' WHERE type = 'progress'")
    step = {"progress": (lambda payload: {"completed": payload["percent"], "total": 100},)}
    monkeypatch.setattr(upcasting, "UPCASTERS", step)
    assert [record.event.body for text in read(database_url) for record in text] == [
        event.body for event in history.events
    ]


async def test_an_event_that_cannot_be_read_is_named(database_url: str, ledger: Ledger, history: History) -> None:
    await ledger.append(history.events)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.event SET schema_version = 9")
    with pytest.raises(LedgerError, match=r"^the event of tree-1 at position 1, of type 'task_submitted', cannot"):
        read(database_url)


@pytest.mark.parametrize("query", [reading._WHOLE, reading._IN_PARTS], ids=["whole", "in parts"])
def test_no_more_of_the_ledger_is_looked_at_than_the_tasks_that_are_read(database_url: str, query: str) -> None:
    binds = {"first": "tree-01", "last": "tree-02", "until": 99_999, "stored_bytes": 1}
    with psycopg.connect(database_url) as connection:
        # Tasks that were worked at at once, so that the index of positions looks cheaper to the planner.
        connection.execute(
            """
            INSERT INTO ledger.event (
                task_id, stream_id, version, position, message_id, type, schema_version, occurred_at, payload,
                content_hash
            )
            SELECT
                'tree-' || to_char(number % 40, 'FM00'), 'stream', number, number, gen_random_uuid(), 'started', 1,
                now(), '{}', sha256('')
            FROM generate_series(1, 20000) AS number
            """
        )
        connection.execute("ANALYZE ledger.event")
        connection.execute(reading._IN_ORDER)
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}", binds))  # type: ignore[arg-type, unused-ignore]
    assert "Index Scan using event_pkey" in plan
    assert "Seq Scan" not in plan
    # In the order of the index, so that at most the parts of one task are sorted.
    assert plan.count("Sort  (") == plan.count("Incremental Sort  (") == (query is reading._IN_PARTS)


def test_a_task_that_is_too_large_to_be_read_at_once_is_read_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "CHUNK_EVENTS", 100)
    monkeypatch.setattr(bulk, "TASK_STORED_BYTES_MAX", 5_000)
    tasks = [("a", 60, 5_001), ("b", 40, 900), ("c", 70, 5_000), ("d", 40, 10), ("e", 500, 9_000), ("f", 1, 1)]
    assert [(one.first, one.last, one.events, one.is_large) for one in bulk.chunks_of(tasks)] == [
        ("a", "b", 100, True),
        ("c", "c", 70, False),
        ("d", "d", 40, False),
        ("e", "e", 500, True),
        ("f", "f", 1, False),
    ]
