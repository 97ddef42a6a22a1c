"""What an import brings in, what it leaves alone, and that it can be cut off anywhere."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import LedgerError, UsageError
from eventstore.sealing.seals import seal
from eventstore.transfer.export_files import open_export
from eventstore.transfer.export_reader import Block
from eventstore.transfer.importing import abandon_import, import_export

Rewrite = Callable[[Path, Callable[[list[dict[str, Any]]], None]], Path]

_IMPORT = """
import sys
from pathlib import Path
from eventstore.transfer.export_files import open_export
from eventstore.transfer.importing import import_export

with open_export(Path(sys.argv[2])) as source:
    import_export(sys.argv[1], source)
"""


def seal_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        seal(connection)


# --- round trips ---

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
appended = st.tuples(
    texts.filter(lambda text: "." not in text),
    st.sampled_from(["", ".1", ".2"]),
    texts,
    st.dictionaries(texts, values, max_size=4),
    st.none() | texts,
    st.none() | st.integers(0, 2**31 - 1),
    st.integers(0, 2**15 - 1),
    st.datetimes(timezones=st.just(UTC)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(appended, max_size=9))
def test_what_is_exported_and_imported_is_the_same_in_every_column(
    source: Any, target: Any, tmp_path: Path, small_blocks: int, events: list[tuple[Any, ...]]
) -> None:
    source.empty()
    target.empty()
    for task, stream, kind, payload, worker, epoch, schema, occurred in events:
        source.append(
            task + stream, kind, payload, worker=worker, epoch=epoch, schema=schema, occurred=occurred
        )  # fmt: skip
    path = tmp_path / "all.ndjson"
    path.unlink(missing_ok=True)
    target.take(source.export(path))
    assert target.everything() == source.everything()


def test_a_whole_ledger_comes_over_with_artifacts_and_seals(source: Any, target: Any, tmp_path: Path) -> None:
    for task in ("boto-1", "salt-1"):
        source.add_task(task)
    seal_all(source.url)
    imported = target.take(source.export(tmp_path / "all.ndjson.gz"))
    assert target.everything() == source.everything()
    assert (imported.events, imported.artifacts, imported.seals) == (12, 2, 1)
    assert imported.keeps_positions


def test_the_next_event_gets_the_position_after_the_imported_ones(source: Any, target: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    target.take(source.export(tmp_path / "all.ndjson"))
    assert target.append("salt-1") == source.append("salt-1")


def test_an_empty_ledger_stays_one_that_was_never_used(source: Any, target: Any, tmp_path: Path) -> None:
    imported = target.take(source.export(tmp_path / "all.ndjson"))
    assert imported.events == 0
    assert target.next_position() == 1


def test_gaps_between_positions_are_kept(source: Any, target: Any, tmp_path: Path) -> None:
    source.append("boto-1")
    source.query("SELECT nextval('ledger.position')")
    source.append("boto-1")
    target.take(source.export(tmp_path / "all.ndjson"))
    assert [row[3] for row in target.events()] == [1, 3]


# --- what is there already ---


def test_importing_twice_changes_nothing(source: Any, target: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    seal_all(source.url)
    path = source.export(tmp_path / "all.ndjson")
    target.take(path)
    before, position = target.everything(), target.next_position()
    again = target.take(path)
    assert (again.events, again.events_known, again.artifacts, again.seals) == (0, 6, 0, 0)
    assert (target.everything(), target.next_position()) == (before, position)


def test_importing_into_the_ledger_it_comes_from_changes_nothing(source: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    before = source.everything()
    source.take(source.export(tmp_path / "all.ndjson"))
    assert source.everything() == before


@pytest.mark.parametrize("order", [("early", "late"), ("late", "early")])
def test_two_exports_of_a_growing_task_make_one(
    source: Any, target: Any, tmp_path: Path, small_blocks: int, order: tuple[str, str]
) -> None:
    source.add_task("boto-1", steps=5, end=None)
    source.export(tmp_path / "early", "boto-1")
    source.append("boto-1.1")
    source.append("boto-1", "task_completed", {})
    source.export(tmp_path / "late", "boto-1")
    for name in order:
        target.take(tmp_path / name)
    assert target.contents() == source.contents()


def test_a_ledger_in_use_gives_new_positions_in_the_order_of_the_file(
    source: Any, target: Any, tmp_path: Path, small_blocks: int
) -> None:
    target.append("salt-1")
    source.append("other-1")
    source.add_task("boto-1", steps=5)
    imported = target.take(source.export(tmp_path / "boto.ndjson", "boto-1"))
    rows = target.events()
    assert not imported.keeps_positions
    assert [row[3] for row in rows] == list(range(1, 9))
    assert [row[4] for row in rows[1:]] == [row[4] for row in source.events()[1:]]
    assert [row[:3] + row[4:] for row in rows[1:]] == [row[:3] + row[4:] for row in source.events()[1:]]


def test_seals_of_another_ledger_are_not_taken_over(source: Any, target: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    seal_all(source.url)
    target.append("salt-1")
    assert target.take(source.export(tmp_path / "all.ndjson")).seals == 0
    assert target.query("SELECT number FROM ledger.seal") == []


def test_a_used_ledger_without_events_gives_new_positions(source: Any, target: Any, tmp_path: Path) -> None:
    source.add_task("boto-1")
    target.query("SELECT nextval('ledger.position')")
    assert not target.take(source.export(tmp_path / "all.ndjson")).keeps_positions
    assert [row[3] for row in target.events()] == list(range(2, 8))


def test_readers_wait_for_the_rest_of_an_import_that_keeps_positions(
    source: Any, target: Any, tmp_path: Path, small_blocks: int
) -> None:
    source.add_task("boto-1", steps=5)
    path = source.export(tmp_path / "all.ndjson")
    import_but(target.url, path, blocks=3)
    assert target.append("salt-1") == 8
    assert target.query("SELECT ledger.settled_position()") == [(6,)]
    target.take(path)
    assert target.query("SELECT ledger.settled_position()") == [(8,)]


def test_an_import_that_is_given_up_holds_readers_back_no_longer(
    source: Any, target: Any, tmp_path: Path, small_blocks: int
) -> None:
    source.add_task("boto-1", steps=5)
    path = source.export(tmp_path / "all.ndjson")
    import_but(target.url, path, blocks=3)
    with open_export(path) as file:
        abandon_import(target.url, file.header)
        assert target.query("SELECT ledger.settled_position()") == [(7,)]
        with pytest.raises(UsageError, match=r"no import of export .* is under way"):
            abandon_import(target.url, file.header)


# --- what contradicts ---


def test_a_message_with_other_content_is_refused(source: Any, target: Any, tmp_path: Path, small_blocks: int) -> None:
    for number in range(1, 6):
        source.append("boto-1", message=UUID(int=number))
    target.append("boto-1", "blocked", {"said": "otherwise"}, message=UUID(int=5))
    before = target.events()
    path = source.export(tmp_path / "all.ndjson")
    with pytest.raises(LedgerError, match=r"all.ndjson: line 3: position 1 of boto-1 was refused .*version"):
        target.take(path)
    assert target.events() == before


def test_a_known_message_that_says_something_else_is_named(source: Any, target: Any, tmp_path: Path) -> None:
    source.append("boto-1", payload={"a": 1}, message=UUID(int=5))
    target.append("boto-1", payload={"a": 2}, message=UUID(int=5))
    with pytest.raises(
        LedgerError, match=r"position 1 of boto-1: message .*-000000000005 is in the ledger with other"
    ):
        target.take(source.export(tmp_path / "all.ndjson"))


def test_a_version_that_does_not_continue_its_stream_is_named(
    source: Any, target: Any, tmp_path: Path, rewritten: Rewrite
) -> None:
    source.add_task("boto-1", steps=2)

    def leave_out(lines: list[dict[str, Any]]) -> None:
        lines.remove(next(line for line in lines if line.get("position") == 2))
        lines[-1]["events"] -= 1

    path = rewritten(source.export(tmp_path / "all.ndjson"), leave_out)
    said = r"line 6: position 3 of boto-1: version 2 of stream boto-1.1 does not continue it: version 1 is not there"
    with pytest.raises(LedgerError, match=said):
        target.take(path)
    assert target.events() == []


def test_an_event_that_is_not_what_its_hash_says_is_named(
    source: Any, target: Any, tmp_path: Path, rewritten: Rewrite
) -> None:
    source.add_task("boto-1", steps=2)

    def forge(lines: list[dict[str, Any]]) -> None:
        next(line for line in lines if line.get("position") == 3)["worker_id"] = "w2"

    path = rewritten(source.export(tmp_path / "all.ndjson"), forge)
    said = r"line 7: position 3 of boto-1: its content does not have the hash that the file says"
    with pytest.raises(LedgerError, match=said):
        target.take(path)
    assert target.events() == []
    # And on the way that looks for what is there.
    source.empty()
    source.append("salt-1")
    with pytest.raises(LedgerError, match=said):
        source.take(path)
    assert len(source.events()) == 1


@pytest.mark.parametrize("forged", [1, 5, 9, 13])
def test_of_the_blocks_behind_a_refused_one_nothing_is_stored(
    source: Any, target: Any, tmp_path: Path, rewritten: Rewrite, small_blocks: int, forged: int
) -> None:
    source.add_task("boto-1", steps=14)

    def forge(lines: list[dict[str, Any]]) -> None:
        next(line for line in lines if line.get("position") == forged)["worker_id"] = "w2"

    path = rewritten(source.export(tmp_path / "all.ndjson"), forge)
    with pytest.raises(LedgerError, match=rf"position {forged} of boto-1: its content does not have the hash"):
        target.take(path)
    before = (forged - 1) // small_blocks * small_blocks
    assert target.events() == source.events()[:before]


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (2, r"line 7: position 2 is out of order: it must be above 2 and at most 4"),
        (9, r"line 7: position 9 is out of order"),
    ],
)
def test_positions_out_of_order_are_named(
    source: Any, target: Any, tmp_path: Path, rewritten: Rewrite, position: int, said: str
) -> None:
    source.add_task("boto-1", steps=2)

    def move(lines: list[dict[str, Any]]) -> None:
        next(line for line in lines if line.get("position") == 3)["position"] = position

    path = rewritten(source.export(tmp_path / "all.ndjson"), move)
    with pytest.raises(LedgerError, match=said):
        target.take(path)
    assert target.events() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("occurred_at", "last week"),
        ("message_id", "x"),
        ("content_hash", "ab"),
        ("task_id", "a\0b"),
        ("occurred_at", "2026-03-01\n2"),
        ("lease_epoch", 2**40),
    ],
)
def test_what_the_database_refuses_is_named(
    source: Any, target: Any, tmp_path: Path, rewritten: Rewrite, field: str, value: object
) -> None:
    source.add_task("boto-1", steps=2)

    def spoil(lines: list[dict[str, Any]]) -> None:
        next(line for line in lines if line.get("position") == 3)[field] = value

    path = rewritten(source.export(tmp_path / "all.ndjson"), spoil)
    with pytest.raises(LedgerError, match=r"^[^\n]*all.ndjson: line 7: position 3 of .* was refused by the database"):
        target.take(path)
    assert target.events() == []


def test_an_artifact_that_is_not_what_its_hash_says_is_named(
    source: Any, target: Any, tmp_path: Path, rewritten: Rewrite
) -> None:
    source.add_task("boto-1")

    def cut(lines: list[dict[str, Any]]) -> None:
        artifact = next(line for line in lines if line["kind"] == "artifact")
        artifact["content"] = artifact["content"][:20]

    path = rewritten(source.export(tmp_path / "all.ndjson"), cut)
    with pytest.raises(LedgerError, match=r"line 3: artifact [0-9a-f]{12} of boto-1 is damaged"):
        target.take(path)
    assert target.artifacts() == []


def test_an_import_beside_another_one_is_refused(
    source: Any, target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.transfer.importing._IMPORT_TIMEOUT", "10ms")
    path = source.export(tmp_path / "all.ndjson")
    with psycopg.connect(target.url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (0x7077_2D69_6D70_7274,))
        with pytest.raises(LedgerError, match="another import is under way"):
            target.take(path)


def test_an_append_that_does_not_end_is_said(
    source: Any, target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.transfer.importing._APPEND_TIMEOUT", "10ms")
    path = source.export(tmp_path / "all.ndjson")
    with psycopg.connect(target.url) as append:
        append.execute("SELECT pg_advisory_xact_lock_shared(8103995998057293682)")
        with pytest.raises(LedgerError, match="an append has been under way for two seconds: try again later"):
            target.take(path)


# --- being cut off ---


class CutOffError(Exception):
    """The test's own."""


def import_but(url: str, path: Path, *, blocks: int) -> None:
    """Import a file and be cut off before it gives more than so many blocks."""
    with open_export(path) as file:
        whole = file.blocks

        def cut() -> Iterator[Block]:
            for number, block in enumerate(whole()):
                if number == blocks:
                    raise CutOffError
                yield block

        file.blocks = cut  # type: ignore[method-assign]
        with pytest.raises(CutOffError):
            import_export(url, file)


@pytest.mark.parametrize("in_use", [False, True])
@pytest.mark.parametrize("blocks", range(5))
def test_an_import_that_was_cut_off_goes_on_where_it_was(
    source: Any, target: Any, tmp_path: Path, small_blocks: int, blocks: int, in_use: bool
) -> None:
    source.add_task("boto-1", steps=6)
    seal_all(source.url)
    path = source.export(tmp_path / "all.ndjson")
    if in_use:
        target.append("salt-1")
    import_but(target.url, path, blocks=blocks)
    target.take(path)
    assert target.contents() == source.contents() + (target.contents()[-1:] if in_use else [])
    assert target.artifacts() == source.artifacts()
    if not in_use:
        assert target.everything() == source.everything()


def test_a_killed_import_goes_on_where_it_was(source: Any, target: Any, tmp_path: Path, small_blocks: int) -> None:
    source.add_task("boto-1", steps=12)
    path = source.export(tmp_path / "all.ndjson")
    with psycopg.connect(target.url) as in_the_way:
        # The same message, not committed: the import waits for it in the middle of its third block of events.
        in_the_way.execute(
            "INSERT INTO ledger.event (task_id, stream_id, version, position, message_id, type, schema_version,"
            " occurred_at, payload, content_hash) VALUES (%s, 's', 1, 999, %s, 't', 1, now(), '{}', sha256(''))",
            ("boto-1", source.events()[7][4]),
        )
        with subprocess.Popen([sys.executable, "-c", _IMPORT, target.url, str(path)]) as process:
            while target.query("SELECT FROM ledger.import WHERE done_position = 6") == []:
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        in_the_way.rollback()
    assert process.returncode == -signal.SIGKILL
    assert len(target.events()) == 6
    assert target.append("salt-1") == 15
    target.take(path)
    assert target.events()[:-1] == source.events()


def test_an_append_between_the_two_first_steps_of_an_import_costs_the_positions_and_no_event(
    source: Any, target: Any, tmp_path: Path
) -> None:
    # The row is there, and the sequence was not set: killed in between.
    source.add_task("boto-1")
    path = source.export(tmp_path / "all.ndjson")
    with open_export(path) as file:
        target.query(
            "INSERT INTO ledger.import (export_id, keeps_positions, done_position, last_position)"
            " VALUES (%s, true, 0, 6) RETURNING 1",
            file.header.export_id,
        )
    assert target.append("salt-1") == 1
    assert not target.take(path).keeps_positions
    assert [row[3] for row in target.events()] == list(range(1, 8))


def test_what_was_repaired_is_gone_on_with(source: Any, target: Any, tmp_path: Path, small_blocks: int) -> None:
    source.add_task("boto-1", steps=6)
    path = source.export(tmp_path / "all.ndjson")
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b'"position":6')])
    with pytest.raises(LedgerError, match=r"all.ndjson is cut off in line 11, behind position 5"):
        target.take(path)
    assert [row[3] for row in target.events()] == [1, 2, 3]
    path.write_bytes(whole)
    target.take(path)
    assert target.everything() == source.everything()
