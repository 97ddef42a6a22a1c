"""Recordings: the same task out of the ledger and out of its exported file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from domain import events as e
from domain.errors import LedgerError, UnknownTaskError
from domain.ids import TaskId
from eventstore.postgres.connection import connect
from eventstore.transfer.export_reader import open_lines
from eventstore.transfer.importing import import_export
from projections.replay.recording import Recording, exports_in, read_export, read_recording
from tests.projections.corpus.read import FOLDER, NAMES, recording


async def test_an_exported_file_gives_what_the_ledger_gives(database_url: str) -> None:
    with open_lines(FOLDER / "rounds.ndjson") as source:
        import_export(database_url, source)
    from_file = recording("rounds")
    async with await connect(database_url, "test") as connection:
        from_ledger = await read_recording(connection, from_file.task_id)
    assert list(from_ledger.events) == list(from_file.events)
    assert from_ledger.packed == from_file.packed


async def test_a_task_that_is_not_there_is_named(database_url: str) -> None:
    async with await connect(database_url, "test") as connection:
        with pytest.raises(UnknownTaskError, match="no task 'tree-0'"):
            await read_recording(connection, TaskId("tree-0"))


def test_what_an_event_refers_to_is_there_under_its_hash() -> None:
    task = recording("run")
    observed = next(r.event.body for r in task.events if isinstance(r.event.body, e.ProblemsObserved))
    assert (task.artifact(observed.artifact) or b"").startswith(b"[")
    assert task.artifact("0" * 64) is None


def test_what_is_not_what_its_hash_says_is_damaged() -> None:
    task = recording("run")
    one, other = list(task.packed)[:2]
    swapped = Recording(task_id=task.task_id, events=task.events, packed={one: task.packed[other]})
    with pytest.raises(LedgerError, match=f"artifact {one[:12]} of {task.task_id} is damaged"):
        swapped.artifact(one)


def test_a_folder_stands_for_the_exports_in_it_and_a_file_for_itself(tmp_path: Path) -> None:
    assert [path.stem for path in exports_in(FOLDER)] == sorted(NAMES)
    assert exports_in(FOLDER / "run.ndjson") == [FOLDER / "run.ndjson"]
    assert exports_in(tmp_path) == exports_in(tmp_path / "missing") == []


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text("{}\n")
    with pytest.raises(LedgerError, match="is no export of a ledger"):
        read_export(path)


async def test_an_event_that_this_release_cannot_read_is_named(
    database_url: str, append_raw: Callable[..., list[int]]
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(
            connection, [{"stream_id": "tree", "type": "started"}, {"stream_id": "tree", "type": "from_later"}]
        )
    async with await connect(database_url, "test") as connection:
        with pytest.raises(LedgerError, match=r"^the event of tree at position 2, of type 'from_later', cannot be"):
            await read_recording(connection, TaskId("tree"))
