"""What an exported file holds, and when there is none."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.errors import LedgerError, UnknownTaskError, UsageError
from eventstore.transfer.export import snapshot, write_export


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def kinds_in(path: Path) -> list[str]:
    return [line["kind"] for line in lines_of(path)]


def test_an_empty_ledger_gives_an_export_of_nothing(source: Any, tmp_path: Path) -> None:
    path = source.export(tmp_path / "all.ndjson")
    assert kinds_in(path) == ["export", "check", "end"]


def test_a_task_is_exported_with_its_artifacts_and_nothing_of_others(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1", steps=1)
    source.add_task("salt-1", steps=1)
    path = source.export(tmp_path / "boto.ndjson", "boto-1")
    assert kinds_in(path) == ["export", "check", "artifact", "check", "event", "event", "event", "check", "end"]
    assert {line["task_id"] for line in lines_of(path) if "task_id" in line} == {"boto-1"}


def test_events_come_in_the_order_of_their_positions(source: Any, tmp_path: Path) -> None:
    for task in ("boto-1", "salt-1", "boto-1", "salt-1"):
        source.append(task)
    path = source.export(tmp_path / "both.ndjson", "salt-1", "boto-1")
    assert [line["position"] for line in lines_of(path) if line["kind"] == "event"] == [1, 2, 3, 4]


def test_the_content_hash_is_that_of_the_text_in_the_file(source: Any, tmp_path: Path) -> None:
    source.append("boto-1.2", "progress", {"b": 1.50, "aa": 'Ä\n"', "a": None}, worker="w1", epoch=3)
    [line] = [line for line in source.export(tmp_path / "all.ndjson").read_bytes().splitlines() if b'"event"' in line]
    event = json.loads(line)
    payload = line.partition(b'"payload":')[2][:-1]
    head = [event[name] for name in ("task_id", "stream_id", "message_id", "type", "schema_version", "worker_id")]
    seconds = source.query("SELECT extract(epoch FROM %s::timestamptz)::text", event["occurred_at"])[0][0]
    text = "\n".join(map(str, [*head, event["lease_epoch"], seconds, ""])).encode() + payload
    assert hashlib.sha256(text).hexdigest() == event["content_hash"]


def test_check_lines_and_the_end_hash_all_bytes_before_them(source: Any, tmp_path: Path, small_blocks: int) -> None:
    source.add_task("boto-1", steps=5)
    digest, checked = hashlib.sha256(), 0
    for line in source.export(tmp_path / "all.ndjson").read_bytes().splitlines(keepends=True):
        fields = json.loads(line)
        if fields["kind"] in ("check", "end"):
            assert fields["sha256"] == digest.hexdigest()
            checked += 1
        digest.update(line)
    # The header, the artifact, seven events by threes, the end.
    assert checked == 1 + 1 + 3 + 1


def test_a_name_that_ends_in_gz_is_packed(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    packed = source.export(tmp_path / "all.ndjson.gz", "boto-1")
    assert gzip.decompress(packed.read_bytes()).startswith(b'{"kind":"export"')


def test_what_is_appended_while_an_export_is_under_way_is_not_in_it(source: Any, tmp_path: Path) -> None:
    source.append("boto-1")
    with snapshot(source.url, None) as taken:
        source.append("boto-1")
        end = write_export(taken, tmp_path / "all.ndjson")
    assert end.events == 1


def test_positions_that_are_not_settled_are_not_in_it(source: Any, tmp_path: Path) -> None:
    source.append("boto-1")
    with psycopg.connect(source.url) as import_under_way:
        import_under_way.execute(
            "INSERT INTO ledger.import (export_id, keeps_positions, done_position, last_position)"
            " VALUES (gen_random_uuid(), true, 0, 9)"
        )
        import_under_way.commit()
    assert "event" not in kinds_in(source.export(tmp_path / "all.ndjson"))


def test_an_append_that_does_not_end_is_said(source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.transfer.bulk._SETTLE_ATTEMPTS", 1)
    with psycopg.connect(source.url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock_shared(8103995998057293682)")
        with pytest.raises(LedgerError, match="an append has been under way"):
            source.export(tmp_path / "all.ndjson")


def test_a_task_that_is_not_there_is_named(source: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownTaskError, match="the ledger has no task 'boto-1'"):
        source.export(tmp_path / "boto.ndjson", "boto-1")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_already_is_left_alone(source: Any, tmp_path: Path) -> None:
    path = tmp_path / "all.ndjson"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        source.export(path)
    assert path.read_text() == "mine"


def test_a_folder_that_is_not_there_is_named(source: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone is not a folder"):
        source.export(tmp_path / "gone" / "all.ndjson")


def test_an_export_that_is_cut_off_leaves_no_file(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")

    def fail(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, snapshot(source.url, None) as taken:
        patch.setattr("eventstore.transfer.export.BLOCK_LINES_MAX", 1)
        with pytest.raises(KeyboardInterrupt):
            write_export(taken, tmp_path / "all.ndjson", fail)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_up_to_all_events(source: Any, tmp_path: Path, small_blocks: int) -> None:
    source.add_task("boto-1", steps=4)
    told: list[tuple[int, int]] = []
    with snapshot(source.url, None) as taken:
        write_export(taken, tmp_path / "all.ndjson", lambda done, all_: told.append((done, all_)))
    assert told == [(3, 6), (6, 6)]


def test_two_exports_of_the_same_have_ids_of_their_own(source: Any, tmp_path: Path) -> None:
    first, second = (lines_of(source.export(tmp_path / name)) for name in ("a", "b"))
    assert first[0].pop("export_id") != second[0].pop("export_id")
    assert first[0] == second[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_ends_in_an_error(source: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        source.export(tmp_path / "all.ndjson")
