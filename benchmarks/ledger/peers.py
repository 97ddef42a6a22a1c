"""What we are measured against on the same table: INSERTs without our logic, and COPY.

Two INSERTs: the one that psycopg's documentation gives for many rows (`executemany`, which sends them in a pipeline),
and the fastest there is. None of their rows is made while the clock runs, while ours are checked and encoded then.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from workload import as_columns, with_versions

from domain.events import Event

_INSERT_ROW = """
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch,
        occurred_at, payload, content_hash
    )
    VALUES (%b, %b, %b, nextval('ledger.position'), %b, %b, %b, %b, %b, %b, %b::text::jsonb, %b)
"""

#: The fastest: one statement, an array per column, everything computed beforehand but positions.
_INSERT_ARRAYS = """
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch,
        occurred_at, payload, content_hash
    )
    SELECT
        task_id, stream_id, version, nextval('ledger.position'), message_id, type, schema_version, worker_id,
        lease_epoch, occurred_at, payload::jsonb, content_hash
    FROM unnest(
        %b::text[], %b::text[], %b::bigint[], %b::uuid[], %b::text[], %b::smallint[], %b::text[], %b::integer[],
        %b::timestamptz[], %b::text[], %b::bytea[]
    ) AS sent (
        task_id, stream_id, version, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload,
        content_hash
    )
"""

_COPY = """
    COPY ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch,
        occurred_at, payload, content_hash
    ) FROM STDIN
"""


def insert_seconds(connection: psycopg.Connection, batches: Sequence[Sequence[Event]]) -> float:
    """Store batches with `executemany`, one transaction each."""
    prepared = _rows(batches)
    cursor = connection.cursor(binary=True)
    started = time.perf_counter()
    for lines in prepared:
        with connection.transaction():
            cursor.executemany(_INSERT_ROW, lines)
    return time.perf_counter() - started


def insert_arrays_seconds(connection: psycopg.Connection, batches: Sequence[Sequence[Event]]) -> float:
    """Store batches with one INSERT each, an array per column."""
    prepared = [as_columns(lines) for lines in _rows(batches)]
    cursor = connection.cursor(binary=True)
    started = time.perf_counter()
    for columns in prepared:
        cursor.execute(_INSERT_ARRAYS, columns)
    return time.perf_counter() - started


def _rows(batches: Sequence[Sequence[Event]]) -> list[list[tuple[Any, ...]]]:
    rows = iter(with_versions(event for batch in batches for event in batch))
    prepared = []
    for batch in batches:
        lines = []
        for _ in batch:
            (task, stream, message, kind, schema, worker, epoch, occurred, payload), version = next(rows)
            digest = hashlib.sha256(payload).digest()
            text = payload.decode()
            lines.append((task, stream, version, message, kind, schema, worker, epoch, occurred, text, digest))
        prepared.append(lines)
    return prepared


def copy_seconds(connection: psycopg.Connection, batches: Sequence[Sequence[Event]]) -> float:
    """Store batches with COPY, one transaction each; the text is made before the clock runs."""
    count = sum(map(len, batches))
    [positions] = connection.execute(
        "SELECT array_agg(nextval('ledger.position')) FROM generate_series(1, %s)", [count]
    ).fetchall()
    rows = iter(zip(with_versions(event for batch in batches for event in batch), positions[0], strict=True))
    prepared = []
    for batch in batches:
        lines = []
        for _ in batch:
            ((task, stream, message, kind, schema, worker, epoch, occurred, payload), version), position = next(rows)
            digest = hashlib.sha256(payload).hexdigest()
            lines.append(
                f"{task}\t{stream}\t{version}\t{position}\t{message}\t{kind}\t{schema}\t{worker}\t{epoch}"
                f"\t{occurred.isoformat()}\t{payload.decode()}\t\\\\x{digest}\n"
            )
        prepared.append("".join(lines).encode())
    cursor = connection.cursor()
    started = time.perf_counter()
    for data in prepared:
        with cursor.copy(_COPY) as copy:
            copy.write(data)
    return time.perf_counter() - started
