"""A finished task moves into a file and back, and nothing else ever leaves the ledger."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.errors import LedgerError, LifecycleError, UnknownTaskError, UsageError
from domain.events import Event
from eventstore.clock import SystemClock
from eventstore.ledger import Ledger
from eventstore.sealing.seals import seal
from eventstore.sealing.verify import verify
from eventstore.transfer import archive
from eventstore.transfer.archive import Archived, archive_task
from eventstore.transfer.export import Snapshot, write_export


def archived(ledger: Any, folder: Path, task: str = "boto-1") -> Archived:
    return archive_task(ledger.url, task, folder, SystemClock())


def faults(ledger: Any) -> int:
    with psycopg.connect(ledger.url, autocommit=True) as connection:
        return verify(connection).faults


def types_of(ledger: Any, task: str = "boto-1") -> list[str]:
    return [row[5] for row in ledger.events() if row[0] == task]


# --- there and back ---


def test_a_finished_task_moves_into_a_file(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1", steps=2)
    source.add_task("salt-1", steps=2)
    before = source.events()
    done = archived(source, tmp_path)
    assert done.path == tmp_path / "boto-1.ndjson.gz"
    assert types_of(source) == ["task_archived"]
    assert [row for row in source.events() if row[0] == "salt-1"] == before[4:]
    assert [row[0] for row in source.artifacts()] == ["salt-1"]


def test_the_tombstone_says_what_went_where(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1", steps=2)
    done = archived(source, tmp_path)
    tombstone = source.events()[-1]
    digest = hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert tombstone[:3] == ("boto-1", "boto-1", 3)
    assert json.loads(tombstone[11]) == {
        "file_name": "boto-1.ndjson.gz",
        "file_sha256": digest,
        "events": 4,
        "artifacts": 1,
        "first_position": 1,
        "last_position": 4,
    }
    rows = source.query(
        "SELECT task_id, tombstone_position, positions, file_name, encode(file_sha256, 'hex') FROM ledger.archive"
    )
    assert rows == [("boto-1", 5, [1, 2, 3, 4], "boto-1.ndjson.gz", digest)]


def test_an_archived_task_comes_back_as_it_was(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    source.add_task("salt-1")
    events, artifacts = source.events(), source.artifacts()
    done = archived(source, tmp_path)
    imported = source.take(done.path)
    assert (imported.events, imported.artifacts) == (6, 1)
    assert source.events()[:-1] == events
    assert source.artifacts() == artifacts
    assert types_of(source)[-1] == "task_archived"


async def test_a_late_report_to_an_archived_task_is_refused_and_its_neighbours_are_not(
    source: Any, tmp_path: Path, new_event: Callable[..., Event]
) -> None:
    source.add_task("boto-1")
    archived(source, tmp_path)
    async with Ledger.open(source.url) as ledger:
        receipts = await ledger.append_each([new_event("other-1.1"), new_event("boto-1.1"), new_event("other-1.1")])
    assert [receipt.status for receipt in receipts] == ["created", "rejected", "created"]
    assert receipts[1].reason.endswith("the task is archived: bring it back with pw ledger import")


def test_seals_hold_before_archiving_after_it_and_after_bringing_back(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    source.add_task("salt-1")
    done = archived(source, tmp_path)
    assert faults(source) == 0
    source.take(done.path)
    assert faults(source) == 0


def test_bringing_back_twice_changes_nothing(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    done = archived(source, tmp_path)
    source.take(done.path)
    before = source.everything()
    assert source.take(done.path).events == 0
    assert source.everything() == before


def test_a_task_that_came_back_is_archived_again_under_another_name(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    source.take(archived(source, tmp_path).path)
    source.append("boto-1", "task_resumed", {})
    source.append("boto-1", "task_stalled", {"reason": "nothing moves"})
    again = archived(source, tmp_path)
    assert again.path.name == "boto-1.2.ndjson.gz"
    assert again.tombstone.events == 8
    assert types_of(source) == ["task_archived", "task_archived"]
    assert source.take(again.path).events == 8
    assert faults(source) == 0


def test_a_cut_off_return_goes_on(source: Any, tmp_path: Path, small_blocks: int) -> None:
    source.add_task("boto-1", steps=6)
    events = source.events()
    path = archived(source, tmp_path).path
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(whole[: whole.index(b'"position":6')])
    with pytest.raises(LedgerError, match="is cut off"):
        source.take(path)
    assert [row[3] for row in source.events()] == [1, 2, 3, 9]
    path.write_bytes(gzip.compress(whole))
    source.take(path)
    assert source.events()[:-1] == events


def test_a_ledger_with_archived_tasks_comes_over_whole(source: Any, target: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    source.add_task("salt-1")
    done = archived(source, tmp_path)
    with psycopg.connect(source.url, autocommit=True) as connection:
        seal(connection)
    target.take(source.export(tmp_path / "all.ndjson"))
    assert target.everything() == source.everything()
    assert faults(target) == 0
    # The file is of another ledger than this one: what it brings back is new here, with its seals to come.
    target.take(done.path)
    assert len(types_of(target)) == 7
    assert faults(target) == 0


def test_an_export_of_an_archived_task_says_where_it_is(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    archived(source, tmp_path)
    with pytest.raises(LedgerError, match=r"^boto-1 was archived on 20.* UTC: boto-1.ndjson.gz is its export$"):
        source.export(tmp_path / "boto.ndjson", "boto-1")


# --- what is refused ---


@pytest.mark.parametrize("end", [None, "task_paused", "task_resumed"])
def test_a_task_that_has_not_ended_stays(source: Any, tmp_path: Path, end: str | None) -> None:
    source.add_task("boto-1", end=end)
    before = source.everything()
    with pytest.raises(LifecycleError, match=r"^boto-1 is (paused|still running): only what is completed"):
        archived(source, tmp_path)
    assert source.everything() == before
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_is_being_run_stays(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    with psycopg.connect(source.url) as coordinator:
        coordinator.execute("SELECT pg_advisory_lock(%s, hashtext('boto-1'))", (archive.TASK_LOCK,))
        with pytest.raises(LifecycleError, match="boto-1 is being run by another pw just now"):
            archived(source, tmp_path)


def test_an_archived_task_is_not_archived_again(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    archived(source, tmp_path)
    with pytest.raises(LedgerError, match="boto-1 was archived on"):
        archived(source, tmp_path)


def test_a_task_that_is_not_there_is_named(source: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownTaskError, match="the ledger has no task 'boto-1'"):
        archived(source, tmp_path)


def test_a_file_that_is_there_already_is_left_alone(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    (tmp_path / "boto-1.ndjson.gz").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        archived(source, tmp_path)
    assert (tmp_path / "boto-1.ndjson.gz").read_text() == "mine"
    assert len(types_of(source)) == 6


def test_a_name_that_is_no_file_name_becomes_one(source: Any, tmp_path: Path) -> None:
    source.add_task("../boto/1")
    assert archived(source, tmp_path, "/boto/1").path == tmp_path / "..%2Fboto%2F1.ndjson.gz"


# --- what can go wrong on the way ---


def test_a_file_that_was_not_written_as_the_ledger_is_stops_it(
    source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.add_task("boto-1")

    def write_less(snapshot: Snapshot, path: Path, _: object) -> None:
        write_export(snapshot, path)
        text = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(text.replace(b'"completed": 1', b'"completed": 2')))

    monkeypatch.setattr(archive, "write_export", write_less)
    with pytest.raises(LedgerError, match=r"boto-1.ndjson.gz: line \d+ is damaged: position 3 has another hash"):
        archived(source, tmp_path)
    assert len(types_of(source)) == 6


def test_an_event_that_comes_late_stops_it(source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source.add_task("boto-1")

    def write_and_add(snapshot: Snapshot, path: Path, _: object) -> None:
        write_export(snapshot, path)
        source.append("boto-1.1")

    monkeypatch.setattr(archive, "write_export", write_and_add)
    with pytest.raises(LedgerError, match="something was added to boto-1 since"):
        archived(source, tmp_path)
    assert len(types_of(source)) == 7


def test_an_event_that_comes_after_the_check_stops_it(
    source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.add_task("boto-1")
    verify_file = archive._verify

    def verify_and_add(*arguments: Any) -> object:
        content = verify_file(*arguments)
        source.append("boto-1.1")
        return content

    monkeypatch.setattr(archive, "_verify", verify_and_add)
    with pytest.raises(
        LedgerError, match=r"boto-1 was not archived, .*the archive does not hold every event of boto-1"
    ):
        archived(source, tmp_path)
    assert len(types_of(source)) == 7
    assert "task_archived" not in types_of(source)


@pytest.mark.parametrize("step", ["_verify", "_remove"])
def test_a_crash_on_the_way_leaves_the_ledger_and_a_file_to_remove(
    source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    source.add_task("boto-1")
    before = source.events()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archive, step, crash)
        with pytest.raises(KeyboardInterrupt):
            archived(source, tmp_path)
    assert source.events() == before
    (tmp_path / "boto-1.ndjson.gz").unlink()
    assert archived(source, tmp_path).tombstone.events == 6


# --- nothing else leaves the ledger ---

DELETE = "DELETE FROM ledger.event WHERE task_id = 'salt-1'"


def refused(ledger: Any, *statements: str, role: str = "pw_owner") -> str:
    """Run the statements, expect the last one to be refused, and give the reason."""
    with psycopg.connect(ledger.url) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statements[-1].encode())
    return str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        DELETE,
        "DELETE FROM ledger.event WHERE false",
        "DELETE FROM ledger.artifact",
        "DELETE FROM ledger.archive",
        "DELETE FROM ledger.seal",
        "TRUNCATE ledger.event",
        "TRUNCATE ledger.artifact",
        "UPDATE ledger.archive SET positions = '{7}'",
    ],
)
def test_the_owner_cannot_delete(source: Any, tmp_path: Path, statement: str) -> None:
    source.add_task("boto-1")
    source.add_task("salt-1")
    archived(source, tmp_path)
    assert "the ledger is append-only" in refused(source, statement)


@pytest.mark.parametrize("statement", [DELETE, "DELETE FROM ledger.event", "DELETE FROM ledger.artifact"])
def test_the_setting_of_the_function_opens_nothing_by_hand(source: Any, tmp_path: Path, statement: str) -> None:
    source.add_task("boto-1")
    source.add_task("salt-1")
    archived(source, tmp_path)
    assert "would be removed" in refused(source, "SELECT set_config('ledger.removing', 'salt-1', true)", statement)
    assert len(types_of(source, "salt-1")) == 6


def test_the_tombstone_cannot_be_deleted(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    archived(source, tmp_path)
    statement = "DELETE FROM ledger.event WHERE type = 'task_archived'"
    assert "would be removed" in refused(source, "SELECT set_config('ledger.removing', 'boto-1', true)", statement)


def test_the_function_removes_nothing_that_no_archive_names(source: Any) -> None:
    source.add_task("boto-1")
    assert "the archive does not hold every event" in refused(source, "SELECT ledger.remove_archived_v1('boto-1', 7)")


def test_the_function_removes_nothing_that_is_not_sealed(source: Any) -> None:
    source.add_task("boto-1")
    record = (
        "INSERT INTO ledger.archive (task_id, tombstone_position, positions, file_name, file_sha256)"
        " VALUES ('boto-1', 7, '{1,2,3,4,5,6}', 'f', sha256(''))"
    )
    assert "position 6 is not sealed yet" in refused(source, record, "SELECT ledger.remove_archived_v1('boto-1', 7)")


def test_the_service_cannot_archive(source: Any) -> None:
    source.add_task("boto-1")
    record = (
        "INSERT INTO ledger.archive (task_id, tombstone_position, positions, file_name, file_sha256)"
        " VALUES ('boto-1', 7, '{1}', 'f', sha256(''))"
    )
    assert "permission denied" in refused(source, record, role="pw_service")
    assert "permission denied" in refused(source, DELETE, role="pw_service")
