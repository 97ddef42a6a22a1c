"""An export as Parquet holds the same as one of lines, and is proved as strictly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import LedgerError, UsageError
from eventstore.clock import SystemClock
from eventstore.sealing.seals import seal
from eventstore.transfer.archive import archive_task
from eventstore.transfer.export import snapshot
from eventstore.transfer.export_files import open_export
from eventstore.transfer.parquet import write_parquet


def exported(ledger: Any, path: Path, *tasks: str) -> Path:
    with snapshot(ledger.url, tasks or None) as taken:
        write_parquet(taken, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(LedgerError) as caught, open_export(path) as file:
        [list(block.records) for block in file.blocks()]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(source: Any, tmp_path: Path) -> Path:
    """An export of one task with six events."""
    source.add_task("boto-1")
    return exported(source, tmp_path / "boto", "boto-1")


def test_a_whole_ledger_comes_over(source: Any, target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source.append("odd-1", "Ä\1\2", {"a": [1.50, None, "\u2028\\"]}, worker="w", epoch=0)
    for task in ("boto-1", "salt-1"):
        source.add_task(task)
    archive_task(source.url, "boto-1", tmp_path, SystemClock())
    monkeypatch.setattr("eventstore.transfer.export_format.BLOCK_LINES_MAX", 3)
    with psycopg.connect(source.url, autocommit=True) as connection:
        seal(connection)
    target.take(exported(source, tmp_path / "all"))
    assert target.everything() == source.everything()


def test_an_empty_ledger_comes_over(source: Any, target: Any, tmp_path: Path) -> None:
    assert target.take(exported(source, tmp_path / "all")).events == 0


def test_columns_are_typed(folder: Path) -> None:
    schema = pq.read_schema(folder / "events.parquet")
    assert schema.field("position").type == pa.int64()
    assert schema.field("occurred_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("content_hash").type == pa.binary(32)
    assert schema.field("payload").type == pa.string()


def test_row_groups_are_bounded(source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.transfer.export_format.BLOCK_LINES_MAX", 4)
    source.add_task("boto-1", steps=7)
    file = pq.ParquetFile(exported(source, tmp_path / "all") / "events.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [4, 4, 1]


def test_the_sums_are_those_that_sha256sum_checks(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["events.parquet", "artifacts.parquet"])
def test_a_changed_byte_is_noticed(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    assert refusal(folder) == f"{folder / name} is damaged: its SHA-256 is not what SHA256SUMS says"


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "artifacts.parquet").unlink()
    assert refusal(folder) == f"{folder / 'artifacts.parquet'} is missing"


def test_a_folder_that_is_no_export_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} is no export of a ledger: it has no SHA256SUMS"


def resummed(folder: Path) -> Path:
    sums = subprocess.run(
        ["sha256sum", "events.parquet", "artifacts.parquet"], cwd=folder, capture_output=True, check=True
    )
    (folder / "SHA256SUMS").write_bytes(sums.stdout)
    return folder


def test_a_file_without_a_header_is_refused(folder: Path) -> None:
    events = pq.read_table(folder / "events.parquet").replace_schema_metadata({})
    pq.write_table(events, folder / "events.parquet")
    assert refusal(resummed(folder)).startswith(f"{folder / 'events.parquet'}: this is no export of a ledger")


def test_a_missing_column_is_named(folder: Path) -> None:
    events = pq.read_table(folder / "events.parquet").drop_columns(["stream_id"])
    pq.write_table(events, folder / "events.parquet")
    assert "stream_id" in refusal(resummed(folder))


def test_a_file_that_is_not_parquet_is_refused(folder: Path) -> None:
    (folder / "events.parquet").write_text("name,value\n")
    assert "is no Parquet file" in refusal(resummed(folder))


def test_an_event_that_is_not_what_its_hash_says_is_named(folder: Path, target: Any) -> None:
    events = pq.read_table(folder / "events.parquet")
    forged = events.set_column(4, "message_id", pa.array([f"{number:032x}" for number in range(6)]))
    forged = forged.select(events.column_names).replace_schema_metadata(events.schema.metadata)
    pq.write_table(forged, folder / "events.parquet")
    with pytest.raises(LedgerError, match=r"events.parquet: row 1: position 1 of boto-1: its content does not have"):
        target.take(resummed(folder))
    assert target.events() == []


def test_it_cannot_go_to_standard_output(source: Any) -> None:
    with pytest.raises(UsageError, match="cannot go to standard output"):
        exported(source, Path("-"))


def test_a_folder_that_is_there_already_is_left_alone(source: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        exported(source, tmp_path)


def test_without_the_package_the_extra_is_named() -> None:
    code = "import sys; sys.modules['pyarrow'] = None\nimport eventstore.transfer.parquet"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1].endswith(
        "UsageError: Parquet needs one more package: pip install 'parallel-workers[parquet]'"
    )
