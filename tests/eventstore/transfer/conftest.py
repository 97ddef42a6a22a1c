"""Ledgers to move events between, filled through SQL alone."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from eventstore.postgres.migrations import migrate
from eventstore.transfer.export import snapshot, write_export
from eventstore.transfer.export_files import open_export
from eventstore.transfer.importing import Imported, import_export

_MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_APPEND = """
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch, occurred_at,
        payload, content_hash
    )
    SELECT
        task_id, stream_id,
        (
            SELECT coalesce(max(version), 0) + 1 FROM ledger.event
            WHERE event.task_id = sent.task_id AND event.stream_id = sent.stream_id
        ),
        nextval('ledger.position'), message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload,
        sha256(convert_to(ledger.content_text(
            task_id, stream_id, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload
        ), 'UTF8'))
    FROM (
        SELECT
            %(task)s::text AS task_id, %(stream)s::text AS stream_id, %(message)s::uuid AS message_id,
            %(kind)s::text AS type, %(schema)s::smallint AS schema_version, %(worker)s::text AS worker_id,
            %(epoch)s::integer AS lease_epoch, %(occurred)s::timestamptz AS occurred_at, %(payload)s::jsonb AS payload
    ) AS sent
    RETURNING position
"""
_COLUMNS = """
    task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch, occurred_at,
    recorded_at, payload::text, content_hash
"""
_MESSAGES = itertools.count(1)


class Books:
    """A ledger's database, and what is in it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, statement: str, *values: object) -> list[TupleRow]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            return connection.execute(statement.encode(), values).fetchall()

    def append(
        self,
        stream: str,
        kind: str = "progress",
        payload: dict[str, Any] | None = None,
        *,
        task: str | None = None,
        message: UUID | None = None,
        worker: str | None = None,
        epoch: int | None = None,
        schema: int = 1,
        occurred: datetime | None = None,
    ) -> int:
        """Append one event and give its position."""
        number = next(_MESSAGES)
        values = {
            "task": task or stream.partition(".")[0],
            "stream": stream,
            "message": message or UUID(int=number),
            "kind": kind,
            "schema": schema,
            "worker": worker,
            "epoch": epoch,
            "occurred": occurred or _MOMENT + timedelta(microseconds=number),
            "payload": json.dumps(payload if payload is not None else {"completed": number, "total": 9}),
        }
        with psycopg.connect(self.url, autocommit=True) as connection:
            [(position,)] = connection.execute(_APPEND, values).fetchall()
        return int(position)

    def store_artifact(self, task: str, data: bytes) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO ledger.artifact (task_id, sha256, encoding, size_bytes, content)"
                " VALUES (%s, %s, 'gzip', %s, %s)",
                (task, hashlib.sha256(data).digest(), len(data), gzip.compress(data, mtime=0)),
            )

    def add_task(self, task: str, *, steps: int = 4, end: str | None = "task_completed") -> None:
        """Append a short life of a task, with two streams and an artifact."""
        submitted = {"repository": "/src", "base_commit": "a1", "branch": f"pw/{task}", "options": {"jobs": 2}}
        self.append(task, "task_submitted", submitted, task=task)
        for step in range(steps):
            self.append(f"{task}.1", "progress", {"completed": step, "total": steps}, task=task, worker="w1", epoch=1)
        if end is not None:
            self.append(task, end, {"reason": "said so"}, task=task)
        self.store_artifact(task, f"what a tool said of {task}".encode())

    def events(self, *, at: str = "position") -> list[TupleRow]:
        """List the events in the order of their positions, in all 13 columns."""
        return self.query(f"SELECT {_COLUMNS} FROM ledger.event ORDER BY {at}")

    def contents(self) -> list[TupleRow]:
        """List the events without their positions, by task, stream and version."""
        rows = self.events(at="task_id, stream_id, version")
        return [row[:3] + row[4:] for row in rows]

    def artifacts(self) -> list[TupleRow]:
        return self.query("SELECT * FROM ledger.artifact ORDER BY task_id, sha256")

    def everything(self) -> list[list[TupleRow]]:
        """List all that an export of everything carries over."""
        seals = self.query("SELECT * FROM ledger.seal ORDER BY number")
        archives = self.query("SELECT * FROM ledger.archive ORDER BY task_id, tombstone_position")
        return [self.events(), self.artifacts(), seals, archives]

    def next_position(self) -> int:
        [(position,)] = self.query("SELECT CASE WHEN is_called THEN last_value + 1 ELSE 1 END FROM ledger.position")
        return int(position)

    def export(self, path: Path, *tasks: str) -> Path:
        with snapshot(self.url, tasks or None) as source:
            write_export(source, path)
        return path

    def take(self, path: Path) -> Imported:
        """Import a file or a folder."""
        with open_export(path) as source:
            return import_export(self.url, source)

    def empty(self) -> None:
        """Make it a ledger that was never used."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("TRUNCATE ledger.event, ledger.artifact, ledger.seal, ledger.archive, ledger.import")
            connection.execute("ALTER SEQUENCE ledger.position RESTART")


@pytest.fixture
def source(database_url: str) -> Books:
    """A ledger to export from."""
    return Books(database_url)


@pytest.fixture
def target(empty_database_url: str) -> Books:
    """Another ledger, never used."""
    migrate(empty_database_url)
    return Books(empty_database_url)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Exports with a check line after so many lines."""
    monkeypatch.setattr("eventstore.transfer.export.BLOCK_LINES_MAX", 3)
    return 3


@pytest.fixture
def rewritten() -> Callable[[Path, Callable[[list[dict[str, Any]]], None]], Path]:
    """Change the lines of an export and put its check lines right again, as another program might write it."""

    def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        change(lines)
        digest, text = hashlib.sha256(), b""
        for line in lines:
            if line["kind"] in ("check", "end"):
                line["sha256"] = digest.hexdigest()
            raw = json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
            if line["kind"] == "event":
                payload = json.dumps(line.pop("payload"), ensure_ascii=False)
                raw = json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
                raw += f',"payload":{payload}}}\n'.encode()
            digest.update(raw)
            text += raw
        path.write_bytes(text)
        return path

    return rewrite
